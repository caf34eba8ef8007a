"""Released weights on disk: a folder with a config and one safetensors file.

    config.json          kind, settings, metrics, command, versions; the SHA-256 of both files
    weights.safetensors  arrays by name

Nothing is unpickled: safetensors holds plain arrays, and the config is JSON.
"""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Num

from airchitect_jax._support import atomic_path, read_sealed, write_sealed
from airchitect_jax.pretrained.kinds import TRAINED, Arrays, Precision

CONFIG, WEIGHTS = "config.json", "weights.safetensors"
_FORMAT = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Released:
    """The contents of a folder of released weights.

    Attributes:
      config: what config.json says.
      arrays: by name, in the precision in which they are stored.
    """

    config: Mapping[str, Any]
    arrays: Arrays


def rounded(arrays: Arrays, precision: Precision) -> dict[str, Num[np.ndarray, "..."]]:
    """The arrays, those that were trained (`TRAINED`) in the precision in which they are stored.

    Raises:
      ValueError: a number is not finite in that precision; names the array.
    """
    found = dict(arrays)
    for name in arrays:
        if name.startswith(TRAINED):
            with np.errstate(over="ignore"):
                found[name] = arrays[name].astype(precision.value)
            if not np.isfinite(found[name]).all():
                raise ValueError(f"{name}: a weight is not finite as {precision.value}")
    return found


def write_released(folder: pathlib.Path, config: Mapping[str, Any], arrays: Arrays) -> None:
    """Writes a folder of released weights; the config, which is JSON-compatible, last."""
    data = safetensors.numpy.save(dict(arrays))
    with atomic_path(folder / WEIGHTS) as temporary:
        temporary.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    write_sealed(
        folder / CONFIG,
        {"format": _FORMAT, **config, "num_bytes": len(data), "weights_sha256": digest},
    )


def read_released(folder: pathlib.Path) -> Released:
    """Reads a folder of released weights, both checksums checked first.

    Raises:
      ValueError: a file is missing, damaged or of another format; names it.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ValueError(f"{folder / name}: not there; expected a folder of released weights")
    config = read_sealed(folder / CONFIG, remedy="release or install it again")
    if config.get("format") != _FORMAT:
        raise ValueError(
            f"{folder / CONFIG}: format: {config.get('format')} is not allowed; expected {_FORMAT}"
        )
    data = (folder / WEIGHTS).read_bytes()
    if hashlib.sha256(data).hexdigest() != config.get("weights_sha256"):
        raise ValueError(f"{folder / WEIGHTS}: damaged: its checksum differs")
    try:
        return Released(config=config, arrays=safetensors.numpy.load(data))
    except (safetensors.SafetensorError, KeyError) as error:  # KeyError: an unknown type
        raise ValueError(f"{folder / WEIGHTS}: cannot be read: {error}") from None
