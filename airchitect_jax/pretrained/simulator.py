"""The network that learns the scalesim package as a predictor."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from airchitect_jax._support import read_config, register
from airchitect_jax.learning import Split, evaluate_choices, sample_dataset
from airchitect_jax.learning.checkpoint_files import check_shapes
from airchitect_jax.learning.replayed import Sizer, initial, replayed_case
from airchitect_jax.pretrained.answers import Choices, WorkloadPredictor
from airchitect_jax.pretrained.kinds import TRAINED, Arrays, Kind

_EXPERIMENT = "learn_simulator"
_TOLD = ("costs", "estimates of the delay of each buffer")


class SimulatorPredictor(WorkloadPredictor):
    """Buffer sizes by predicted delays; no sizing exceeds the budget.

    The network gives no probabilities, so the confidence of its answers is NaN.

    Args:
      sizer: the trained network.
      config: what config.json says.
    """

    def __init__(self, sizer: Sizer, *, config: Mapping[str, Any]) -> None:
        super().__init__(sizer.case, config)
        self.sizer = sizer

    def _choices(self, workloads: Int[np.ndarray, "features batch"]) -> Choices:
        chosen = self.sizer.rank(workloads)[0][:, 0]
        return chosen, np.full(len(chosen), np.nan), np.ones(len(chosen), bool)


def pack(workdir: pathlib.Path) -> tuple[Arrays, Mapping[str, Any]]:
    """The network that a finished run of experiments.learn_simulator trained on all workloads.

    Raises:
      ValueError: the folder holds no such run; names it.
    """
    recorded = read_config(workdir)
    if recorded.get("experiment") != _EXPERIMENT or not (workdir / "summary.json").is_file():
        raise ValueError(f"{workdir}: expected a finished run of experiments.{_EXPERIMENT}")
    flags = recorded["flags"]
    path = workdir / "networks" / f"{flags['num_train']}.npz"
    sizer = Sizer.load(replayed_case(flags["max_dim"]), path)
    arrays = {f"{TRAINED}{name}": array for name, array in sizer.parameters.items()}
    return arrays, {"case_study": sizer.case.name, "told": _TOLD}


def restore(arrays: Arrays, config: Mapping[str, Any]) -> SimulatorPredictor:
    """The predictor of arrays and settings of `pack`.

    Raises:
      ValueError: the arrays are not those of the network that the settings describe.
    """
    flags = config["flags"]
    empty = Sizer(case=replayed_case(flags["max_dim"]), parameters={})
    hidden_sizes = tuple(map(int, flags["hidden_sizes"]))
    expected = jax.eval_shape(lambda: initial(jax.random.key(0), hidden_sizes, empty.sizes_kb))
    found = {
        name.removeprefix(TRAINED): jnp.asarray(array, jnp.float32)
        for name, array in arrays.items()
    }
    check_shapes(pathlib.Path(config["name"]), expected, found)
    sizer = Sizer(case=empty.case, parameters=jax.tree.map(np.asarray, found))
    return SimulatorPredictor(sizer, config=config)


def measure(predictor: SimulatorPredictor) -> Mapping[str, Any]:
    """The metrics of the run's summary, of the weights as they are stored."""
    case, flags = predictor.case, predictor.config["flags"]
    test = sample_dataset(case, seed=flags["seed"], num=flags["num_test"], split=Split.TEST)
    chosen = predictor.sizer.rank(test.workloads)[0][:, 0]
    return {"num_test": flags["num_test"], **evaluate_choices(case, test, chosen).metrics}


register("pretrained", "simulator", Kind(pack=pack, restore=restore, measure=measure))
