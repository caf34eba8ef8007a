"""Checkpoints of training: whole or absent, with checksums, read without writing anything.

A checkpoint is a folder named by its step, in Orbax's format, with checksums.json inside. It is
written under a temporary name and renamed once its checksums are written.
"""

from __future__ import annotations

import pathlib
import shutil
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import orbax.checkpoint as ocp
from jax.sharding import SingleDeviceSharding
from jaxtyping import Array

from airchitect_jax._support import check_files, write_checksums

Arrays = Mapping[str, Array | jax.ShapeDtypeStruct]

_KEPT = 2  # the newest, and one to fall back on


def save_checkpoint(
    folder: pathlib.Path, step: int, arrays: Mapping[str, Array], history: list[dict[str, Any]]
) -> None:
    """Writes a checkpoint and removes those that are no longer needed.

    Args:
      folder: an absolute path, which no other process writes to.
      step: the step of training; a checkpoint of the same step is replaced.
      arrays: by readable names; with several processes, each whole on every device.
      history: JSON-compatible rows.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(".*.partial*"):  # of a killed run
        _remove(leftover)
    partial, final = folder / f".{step}.partial", folder / str(step)
    own = dict(arrays) if jax.process_count() == 1 else jax.device_get(dict(arrays))
    args = ocp.args.Composite(
        state=ocp.args.StandardSave(own), history=ocp.args.JsonSave({"rows": history})
    )
    with _checkpointer() as checkpointer:
        checkpointer.save(partial, args=args)
    write_checksums(partial)
    _remove(final)  # only there if it is damaged
    partial.rename(final)
    for old in list(_newest_first(folder))[_KEPT:]:
        _remove(old)


def newest_checkpoint(folder: pathlib.Path) -> pathlib.Path | None:
    """The newest checkpoint whose files match their checksums; None if there is none at all.

    A warning names a damaged one, and the one before it is used.

    Raises:
      ValueError: all are damaged; names the folder.
    """
    reason = None
    for checkpoint in _newest_first(folder):
        try:
            check_files(checkpoint)
        except (ValueError, OSError) as error:
            reason = str(error)
            warnings.warn(f"checkpoint {checkpoint} is not used: {reason}", stacklevel=2)
        else:
            return checkpoint
    if reason is None:
        return None
    raise ValueError(
        f"{folder}: no checkpoint is whole ({reason}); remove this folder and train again"
    )


def stored_shapes(checkpoint: pathlib.Path) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes and types of the arrays of a checkpoint, which are not read.

    Raises:
      ValueError: it is not such a checkpoint; names it.
    """
    try:
        metadata = ocp.StandardCheckpointHandler().metadata(checkpoint / "state")
        device = SingleDeviceSharding(jax.local_devices()[0])
        return {
            name: jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=device)
            for name, array in metadata.tree.items()
        }
    except Exception as error:  # Orbax raises nearly anything
        raise _unreadable(checkpoint, error) from None


def restore_checkpoint(
    checkpoint: pathlib.Path, like: Arrays
) -> tuple[dict[str, Array], list[dict[str, Any]]]:
    """Arrays and history of a checkpoint.

    Args:
      checkpoint: found by `newest_checkpoint`.
      like: names, shapes, types and shardings of the arrays.

    Raises:
      ValueError: it holds other arrays; names it.
    """
    check_shapes(checkpoint, like, stored_shapes(checkpoint))
    args = ocp.args.Composite(
        state=ocp.args.StandardRestore(dict(like)), history=ocp.args.JsonRestore()
    )
    try:
        with _checkpointer() as checkpointer:
            restored = checkpointer.restore(checkpoint, args=args)
        return dict(restored.state), list(restored.history["rows"])
    except Exception as error:
        raise _unreadable(checkpoint, error) from None


def _checkpointer() -> ocp.Checkpointer:
    """Of this process alone: Orbax would wait for the others."""
    here = jax.process_index()
    options = ocp.options.MultiprocessingOptions(primary_host=here, active_processes={here})
    handler = ocp.CompositeCheckpointHandler(
        composite_options=ocp.CompositeOptions(multiprocessing_options=options)
    )
    return ocp.Checkpointer(handler, multiprocessing_options=options)


def check_shapes(checkpoint: pathlib.Path, expected: Arrays, found: Arrays) -> None:
    """Checks that two sets of arrays have the same names, shapes and types.

    Raises:
      ValueError: they differ; names the checkpoint and the first array that differs.
    """
    for name in sorted(expected.keys() | found.keys()):
        ours, theirs = (_described(arrays.get(name)) for arrays in (expected, found))
        if ours != theirs:
            raise ValueError(f"{checkpoint}: {name}: {theirs} is not allowed; expected {ours}")


def _described(array: Any) -> str:
    return "no array" if array is None else f"{array.dtype} of shape {tuple(array.shape)}"


def _unreadable(checkpoint: pathlib.Path, error: Exception) -> ValueError:
    first = next(iter(str(error).splitlines()), "")
    return ValueError(f"{checkpoint}: cannot be read: {type(error).__name__}: {first[:200]}")


def _newest_first(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    if folder.is_dir():
        steps = [path for path in folder.iterdir() if path.name.isdecimal() and path.is_dir()]
        yield from sorted(steps, key=lambda path: int(path.name), reverse=True)


def _remove(path: pathlib.Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
