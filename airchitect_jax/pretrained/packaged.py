"""Released weights by name: writes them from finished runs, and loads them."""

from __future__ import annotations

import importlib.resources
import pathlib
from collections.abc import Mapping
from typing import Any

from airchitect_jax._support import environment, file_path, find, member, read_config
from airchitect_jax.pretrained.kinds import Kind, Precision
from airchitect_jax.pretrained.store import CONFIG, read_released, rounded, write_released

_FOLDER = importlib.resources.files("airchitect_jax.pretrained")
# Flags that say where a run reads and writes, not what is trained.
_PLACES = ("eval_workloads", "resume", "workdir")


def pretrained_names() -> tuple[str, ...]:
    """Names of the packaged weights, sorted.

    Example:
      >>> aj.pretrained_names()
      ('case_study1', 'case_study2', 'case_study2_scalesim3', 'case_study3', 'machines')
    """
    return tuple(sorted(entry.name for entry in _FOLDER.iterdir() if (entry / CONFIG).is_file()))


def load_pretrained(name: str | pathlib.Path) -> Any:
    """A trained predictor, from the package or from a folder of `release`.

    No run and no training are needed, and nothing is unpickled.

    Args:
      name: of packaged weights (`pretrained_names`), or a folder.

    Returns:
      A `Predictor`: its `predict` takes workloads by the names of their fields, and `config` holds
      its settings, metrics, versions and the command that trained it.

    Raises:
      ValueError: there are no such weights, or a file is damaged; names it.

    Example:
      >>> network = aj.load_pretrained("case_study1")
      >>> answer = network.predict(mac_budget=5000, m=512, n=[1000, 20_000], k=64)
      >>> answer.design.rows.tolist(), answer.from_search.tolist()
      ([32, 32], [False, True])
    """
    path = file_path("name", name)
    if str(name) in pretrained_names():
        path = pathlib.Path(str(_FOLDER / str(name)))
    elif not str(name) or not path.is_dir():
        raise ValueError(
            f"name: {str(name)!r} is not allowed; expected a folder of released weights or one of"
            f" {', '.join(pretrained_names())}"
        )
    released = read_released(path)
    kind: Kind = find("pretrained", released.config["kind"])
    return kind.restore(released.arrays, released.config)


def release(
    run: str | pathlib.Path,
    folder: str | pathlib.Path,
    *,
    name: str,
    kind: str = "case_study",
    precision: Precision | str = Precision.FLOAT32,
) -> Mapping[str, Any]:
    """Writes the weights of a finished run with its settings, metrics, command and versions.

    Metrics are measured on the weights as they are stored.

    Args:
      run: the workdir.
      folder: where config.json and weights.safetensors go.
      name: of the weights, for config.json.
      kind: how the run is packed: a registered one.
      precision: float16 takes half the space of float32.

    Returns:
      What config.json says.

    Raises:
      ValueError: there is no such run, or an argument is not allowed.
    """
    entry: Kind = find("pretrained", kind)
    precision = member("precision", precision, Precision)
    run, folder = file_path("run", run), file_path("folder", folder)
    arrays, settings = entry.pack(run)
    recorded = read_config(run)
    flags = {key: value for key, value in recorded["flags"].items() if key not in _PLACES}
    config = {
        "name": name,
        "kind": kind,
        "command": _command(recorded["experiment"], flags),
        "flags": flags,
        "settings": dict(settings),
        "precision": precision.value,
        "trained_with": _public(recorded["environment"]),
        "released_with": _public(environment()),
    }
    stored = rounded(arrays, precision)
    config["metrics"] = dict(entry.measure(entry.restore(stored, config)))
    write_released(folder, config, stored)
    return read_released(folder).config


def _public(found: Mapping[str, Any]) -> dict[str, Any]:
    """Versions and the device, without the build of the operating system."""
    return {name: value for name, value in found.items() if name != "platform"}


def _command(experiment: str, flags: Mapping[str, Any]) -> str:
    """The command that repeats a run, all presets resolved."""
    script = "case_study" if "case_study" in flags else experiment
    words = [f"python -m experiments.{script}"]
    for name, value in flags.items():
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no{name}")
        elif value:  # what is not given is None, empty or 0
            text = ",".join(map(str, value)) if isinstance(value, list) else value
            words.append(f"--{name}={text}")
    return " ".join(words)
