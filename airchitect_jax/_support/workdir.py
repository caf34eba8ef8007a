"""Workdirs: one experiment and one process at a time, resumable with the same settings."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import pathlib
import platform
import warnings
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import jax

from airchitect_jax._support.checksums import read_sealed, write_sealed
from airchitect_jax._support.files import read_json, remove_leftovers
from airchitect_jax.version import __version__

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")
_CONFIG, _LOCK = "config.json", ".lock"


def environment() -> dict[str, Any]:
    """Versions and hardware, for the record of a run."""
    device = jax.devices()[0]
    return {
        "airchitect_jax": __version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "device": f"{device.platform}: {device.device_kind}",
        "num_devices": jax.device_count(),
    }


def read_config(folder: pathlib.Path) -> dict[str, Any]:
    """The config.json of a run, with its "flags" and its "experiment".

    Raises:
      ValueError: it is damaged or not the config of a run; names the file.
    """
    path = folder / _CONFIG
    config = read_json(path)
    # Before version 0.2 it had neither an experiment nor a checksum.
    if not isinstance(config, dict) or config.keys() & {"experiment", "sha256"}:
        config = read_sealed(path, remedy="restore it, or use another folder")
    if not isinstance(config.get("flags"), dict):
        raise ValueError(f"{path}: flags: not allowed; expected an object")
    return config


def write_config(folder: pathlib.Path, experiment: str, flags: Mapping[str, Any]) -> None:
    """Writes config.json with all settings, which assigns an occupied folder to this run."""
    with _writing(folder):
        write_sealed(
            folder / _CONFIG,
            {"experiment": experiment, "flags": dict(flags), "environment": environment()},
        )


@contextlib.contextmanager
def occupy(workdir: str, experiment: str, flags: Collection[str]) -> Iterator[pathlib.Path]:
    """Locks a folder against other processes while the block runs.

    Temporary files of killed runs are removed. If the system or the file system has no locks, a
    warning is given.

    Args:
      workdir: created if it does not exist, and removed at the end if nothing was written.
      experiment: the name of the script.
      flags: the names of its settings, which identify runs without an owner.

    Raises:
      ValueError: it is in use, holds a run of another experiment, or cannot be written.
    """
    if not workdir:
        raise ValueError("--workdir: '' is not allowed; expected a folder")
    folder = pathlib.Path(workdir)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--workdir: {folder} is not a folder")
    is_new = not folder.exists()
    lock = _lock(folder)
    try:
        if (folder / _CONFIG).exists():
            config = read_config(folder)
            owner = config.get("experiment")
            if owner is None and config["flags"].keys() != set(flags):
                owner = "another experiment"
            if owner not in (None, experiment):
                raise ValueError(
                    f"--workdir: {folder} holds a run of {owner}, not of {experiment}; give"
                    " another --workdir"
                )
            with _writing(folder):
                remove_leftovers(folder)
        yield folder
    finally:
        with contextlib.suppress(OSError):
            (folder / _LOCK).unlink()
        os.close(lock)
        with contextlib.suppress(OSError):  # not empty
            if is_new:
                folder.rmdir()


@contextlib.contextmanager
def claim(
    workdir: str, experiment: str, flags: Mapping[str, Any], *, resume: bool, free: set[str]
) -> Iterator[pathlib.Path]:
    """Occupies `workdir` for this run while the block runs, and writes its config.json.

    Args:
      workdir: as for `occupy`.
      experiment: the name of the script.
      flags: JSON-compatible settings by name, all of them.
      resume: whether an existing run may be continued.
      free: names of settings that may differ when a run is resumed.

    Raises:
      ValueError: the folder is in use, holds another run, or one with other settings, or cannot
        be written.
    """
    with occupy(workdir, experiment, flags) as folder:
        if (folder / _CONFIG).exists():
            if not resume:
                raise ValueError(
                    f"--workdir: {folder} holds a run already; give --resume to continue it,"
                    " or another --workdir"
                )
            theirs = read_config(folder)["flags"]
            for name in {**flags, **theirs}:
                if name not in free and theirs.get(name) != flags.get(name):
                    raise ValueError(
                        f"--{name}: {flags.get(name)} is not allowed; expected {theirs.get(name)},"
                        f" as in the run that {folder} holds"
                    )
        write_config(folder, experiment, flags)
        yield folder


def _lock(folder: pathlib.Path) -> int:
    """The descriptor of the lock file; closing it or the end of the process unlocks it."""
    path = folder / _LOCK
    while True:
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                file = os.open(path, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o666)
            except FileNotFoundError:
                continue  # another process has just removed the folder
        try:
            _lock_file(file)
            if path.exists() and os.path.samestat(os.fstat(file), path.stat()):
                return file
        except BlockingIOError:
            os.close(file)
            raise ValueError(
                f"--workdir: {folder} is in use by another process; wait until it ends, or give"
                " another --workdir"
            ) from None
        os.close(file)  # another process has just removed it


def _lock_file(file: int) -> None:
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except (ImportError, OSError):
        warnings.warn(
            "--workdir: no locks here: a second run in this folder would not be noticed",
            stacklevel=2,
        )


@contextlib.contextmanager
def _writing(folder: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ValueError(f"--workdir: {folder} cannot be written: {error.strerror}") from None
