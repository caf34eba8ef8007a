"""The networks that the page can ask about: packaged ones, and files that it has sent."""

from __future__ import annotations

import hashlib
import pathlib
import warnings
from collections.abc import Callable, Mapping

from airchitect_jax._support import one_line, shown
from airchitect_jax.explore.question import Question
from airchitect_jax.explore.recent import Recent
from airchitect_jax.workloads import (
    Network,
    load_network,
    parse_onnx,
    parse_stablehlo,
    parse_topology,
)

_READERS: Mapping[str, Callable[..., Network]] = {
    ".csv": parse_topology,
    ".mlir": parse_stablehlo,
    ".mlirbc": parse_stablehlo,
    ".onnx": parse_onnx,
    ".stablehlo": parse_stablehlo,
}
FILE_SUFFIXES = tuple(_READERS)
_MOST_FILES = 4  # that are kept: some are large
_MOST_NETWORKS = 64
# Sent files come alone: an ONNX model finds no external tensors.
_NO_FOLDER = pathlib.Path("no-such-folder")

# A network, and what its reader warned of.
ReadNetwork = tuple[Network, tuple[str, ...]]


class Workloads:
    """Reads networks, and keeps the latest."""

    def __init__(self) -> None:
        self._files = Recent[bytes](_MOST_FILES)
        self._networks = Recent[ReadNetwork](_MOST_NETWORKS)

    def add(self, name: str, data: bytes) -> str:
        """Keeps a file; gives its id, which is the same for the same contents.

        Raises:
          ValueError: the page does not read files of this kind.
        """
        if _suffix(name) not in _READERS:
            raise ValueError(
                f"{one_line(name, 80)}: not a file that this page reads"
                f" ({', '.join(FILE_SUFFIXES)}); airchitect recommend reads .pt2 files as well"
            )
        file = hashlib.sha256(data).hexdigest()[:16]
        self._files.get(file, lambda: data)
        return file

    def network(self, question: Question) -> ReadNetwork:
        """The network of a question.

        Raises:
          UnboundDimsError: dimensions of an ONNX file need sizes.
          ValueError: the file is refused, or not here; or no network has this name.
        """
        key = (question.workload, question.file, question.dims)
        return self._networks.get(key, lambda: self._read(question))

    def _read(self, question: Question) -> ReadNetwork:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            network = self._parse(question) if question.file else _packaged(question)
        if not network.layers:
            raise ValueError(f"{network.name}: a network without layers is not allowed")
        return network, tuple(one_line(str(warning.message)) for warning in caught)

    def _parse(self, question: Question) -> Network:
        name, suffix = question.workload, _suffix(question.workload)

        def missing() -> bytes:
            raise ValueError(f"{one_line(name, 80)}: not at this server; choose the file again")

        data, more = self._files.get(question.file, missing), {}
        if suffix not in _READERS:
            raise ValueError(f"workload: {shown(name)} is not a file of this page")
        if suffix == ".onnx":
            more = {"dims": dict(question.dims), "folder": _NO_FOLDER}
        else:
            _refuse_dims(question)
        stem = pathlib.PurePath(name).stem
        return _READERS[suffix](data, name=stem, source=one_line(name, 80), **more)


def _suffix(name: str) -> str:
    return pathlib.PurePath(name).suffix.lower()


def _packaged(question: Question) -> Network:
    network = load_network(question.workload)
    _refuse_dims(question)
    return network


def _refuse_dims(question: Question) -> None:
    if question.dims:
        name = one_line(question.workload, 80)
        raise ValueError(f"{name}: dimensions can be bound in .onnx files only")
