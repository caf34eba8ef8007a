"""The folder of a run: claimed by its configuration, resumable only with the same one."""

from __future__ import annotations

import importlib.metadata
import pathlib
import platform
from collections.abc import Mapping
from typing import Any

import jax

import airchitect_jax
from airchitect_jax.files import read_json, write_json

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy")


def environment() -> dict[str, Any]:
    """Versions and hardware, to stand beside results."""
    device = jax.devices()[0]
    return {
        "airchitect_jax": airchitect_jax.__version__,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
        "platform": platform.platform(),
        "device": f"{device.platform}: {device.device_kind}",
        "num_devices": jax.device_count(),
    }


def claim(workdir: pathlib.Path, flags: Mapping[str, Any], *, resume: bool, free: set[str]) -> None:
    """Makes `workdir` this run's, and writes its config.json.

    Args:
      workdir: created if it does not exist.
      flags: JSON-compatible settings by name, all of them.
      resume: whether a run that is there already may be gone on with.
      free: names of settings that may differ when a run is resumed.

    Raises:
      ValueError: the folder holds another run, or one with other settings, or cannot be written.
    """
    path = workdir / "config.json"
    if workdir.exists() and not workdir.is_dir():
        raise ValueError(f"--workdir: {workdir} is not a folder")
    try:
        if path.exists():
            if not resume:
                raise ValueError(
                    f"--workdir: {workdir} holds a run already; give --resume to go on with it,"
                    " or another --workdir"
                )
            theirs = read_json(path)
            theirs = theirs.get("flags") if isinstance(theirs, dict) else None
            if not isinstance(theirs, dict):
                raise ValueError(f"{path}: flags: expected an object with the flags of a run")
            for name, ours in flags.items():
                if name not in free and theirs.get(name) != ours:
                    raise ValueError(
                        f"--{name}: {ours} is not allowed; expected {theirs.get(name)}, as in the"
                        f" run that {workdir} holds"
                    )
        write_json(path, {"flags": dict(flags), "environment": environment()})
    except OSError as error:
        raise ValueError(f"--workdir: {workdir} cannot be written: {error.strerror}") from None
