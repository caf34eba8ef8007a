"""The trace files of the scalesim 3.0.0 package, byte for byte, as they come in.

A row is a cycle and the addresses of a line; -1 is no request. SRAM traces have integers, DRAM
traces floats.
"""

from __future__ import annotations

import contextlib
import pathlib
from types import TracebackType
from typing import BinaryIO

import numpy as np
from jaxtyping import Float64, Int64

from airchitect_jax._support import atomic_path

_FILES = {
    (operand, memory): f"{operand.upper()}_{memory.upper()}_TRACE.csv"
    for memory in ("sram", "dram")
    for operand in ("ifmap", "filter", "ofmap")
}
_CHUNK_NUMBERS = 1 << 16


class TraceFiles:
    """The six files of a layer, each complete under its name or not there at all.

    A context manager: the files are there once the block has ended without an error.

    Args:
      folder: of the layer; created if it does not exist.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._open = contextlib.ExitStack()
        self._files: dict[tuple[str, str], BinaryIO] = {}
        self._room = np.empty(0, np.uint8)

    def __enter__(self) -> TraceFiles:
        with contextlib.ExitStack() as stack:
            for key, name in _FILES.items():
                path = stack.enter_context(atomic_path(self._folder / name))
                self._files[key] = stack.enter_context(path.open("wb"))
            self._open = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return self._open.__exit__(kind, error, trace)

    def sram(
        self,
        operand: str,
        cycles: Float64[np.ndarray, " lines"],
        lines: Int64[np.ndarray, "lines ports"],
    ) -> None:
        """Lines that the array asked for, and the cycles in which they were served."""
        self._write(operand, "sram", cycles, lines)

    def dram(
        self,
        operand: str,
        cycles: Float64[np.ndarray, " rows"],
        rows: Int64[np.ndarray, "rows words"],
    ) -> None:
        """Rows that an operand's port asked for, and the cycles in which they arrived."""
        self._write(operand, "dram", cycles, rows)

    def _write(
        self,
        operand: str,
        memory: str,
        cycles: Float64[np.ndarray, " rows"],
        words: Int64[np.ndarray, "rows columns"],
    ) -> None:
        file = self._files[operand, memory]
        step = max(1, _CHUNK_NUMBERS // (words.shape[1] + 1))
        for first in range(0, len(words), step):
            part = slice(first, first + step)
            file.write(self._text(cycles[part], words[part], as_floats=memory == "dram"))

    def _text(
        self,
        cycles: Float64[np.ndarray, " rows"],
        words: Int64[np.ndarray, "rows columns"],
        *,
        as_floats: bool,
    ) -> bytes:
        from airchitect_jax.scalesim.digits import WIDEST, write_rows

        needed = WIDEST * (words.size + len(words))
        if len(self._room) < needed:
            self._room = np.empty(needed, np.uint8)
        end = write_rows(
            np.ascontiguousarray(cycles), np.ascontiguousarray(words), as_floats, self._room
        )
        if end >= 0:
            return self._room[:end].tobytes()
        # The package, too, has cycles and addresses in one array of floats.
        form = str if as_floats else _integer
        rows = np.column_stack((cycles, words))
        return "".join(",".join(map(form, row)) + "\n" for row in rows).encode()


def _integer(value: np.float64) -> str:
    return str(int(value))
