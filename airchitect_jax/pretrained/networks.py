"""Networks of case studies as predictors: workloads by the names of their fields, designs out."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from airchitect_jax._support import (
    map_chunks,
    read_config,
    register,
    registered,
)
from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.learning import (
    Loss,
    Recommender,
    Split,
    evaluate_recommender,
    first_argmax,
    fit_temperature,
    load_trained,
    sample_dataset,
)
from airchitect_jax.learning.checkpoint_files import check_shapes
from airchitect_jax.learning.models import make_model, recipe_of
from airchitect_jax.learning.training import named_leaves
from airchitect_jax.pretrained.answers import Choices, WorkloadPredictor
from airchitect_jax.pretrained.kinds import TRAINED, Arrays, Kind

_FEW, _BATCH = 16, 8192  # workloads of one call, padded to so many: few shapes are compiled
_CALIBRATION = 4096  # validation workloads that the temperature is fitted to


class CaseStudyPredictor(WorkloadPredictor):
    """A network of a case study: the first choice of its softmax, without a mask.

    Args:
      case: the case study that it was trained on.
      model: the network.
      temperature: of the softmax, for confidences.
      config: what config.json says.
    """

    def __init__(
        self, case: CaseStudy, model: nnx.Module, *, temperature: float, config: Mapping[str, Any]
    ) -> None:
        super().__init__(case, config)
        self.model = model
        graphdef, self._state = nnx.split(model)

        @jax.jit
        def choose(
            state: Any, workloads: Int[Array, "features batch"]
        ) -> tuple[Int[Array, "batch"], Float[Array, "batch"], Bool[Array, "batch"]]:
            logits = nnx.merge(graphdef, state)(workloads)
            chosen = first_argmax(logits)
            relative = (logits - logits.max(axis=-1, keepdims=True)) / temperature
            fits = jnp.take_along_axis(case.feasible(workloads), chosen[:, None], axis=-1)[:, 0]
            return chosen, 1 / jnp.exp(relative).sum(axis=-1), fits

        self._choose = choose

    def _choices(self, workloads: Int[np.ndarray, "features batch"]) -> Choices:
        return map_chunks(
            lambda rows: self._choose(self._state, jnp.stack(rows)),
            list(workloads),
            chunk=_FEW if workloads.shape[1] <= _FEW else _BATCH,
        )


def pack(workdir: pathlib.Path) -> tuple[Arrays, Mapping[str, Any]]:
    """The weights of a finished run of a case study, and the settings to restore them with.

    The temperature of the confidences is fitted to workloads of the validation split.

    Raises:
      ValueError: the folder holds no such run; names it.
    """
    trained = load_trained(workdir)
    flags = read_config(workdir)["flags"]
    validation = sample_dataset(
        trained.case, seed=flags["seed"], num=_CALIBRATION, split=Split.VALIDATION
    )
    logits = trained.recommender.logits(validation.workloads)
    settings = {
        "case_study": trained.case.name,
        "told": recipe_of(trained.case, flags["model"]).told(Loss(flags["loss"])),
        "temperature": fit_temperature(logits, validation.design_ids),
    }
    _, params, rest = nnx.split(trained.model, nnx.Param, ...)  # type: ignore[misc]
    return {name: np.asarray(array) for name, array in _named(params, rest).items()}, settings


def _named(params: Any, rest: Any) -> dict[str, Array]:
    """All arrays of a network by name, trained ones named so."""
    trained = {f"{TRAINED}{name}": leaf for name, leaf in named_leaves(params).items()}
    return trained | named_leaves(rest)


def restore(arrays: Arrays, config: Mapping[str, Any]) -> CaseStudyPredictor:
    """The predictor of arrays and settings of `pack`.

    Raises:
      ValueError: the arrays are not those of the network that the settings describe.
    """
    settings, flags = config["settings"], config["flags"]
    kinds = {kind.name: kind for kind in registered("case_study").values()}
    case = kinds[settings["case_study"]].from_settings(flags)
    model = make_model(
        case,
        flags["model"],
        embedding_dim=flags["embedding_dim"],
        hidden_sizes=flags["hidden_sizes"],
        seed=flags["seed"],
    )
    graphdef, *states = nnx.split(model, nnx.Param, ...)
    leaves = _named(*states)
    found = {
        name: jnp.asarray(array, leaves[name].dtype if name in leaves else array.dtype)
        for name, array in arrays.items()
    }
    check_shapes(pathlib.Path(config["name"]), leaves, found)
    states = jax.tree.unflatten(jax.tree.structure(states), [found[name] for name in leaves])
    return CaseStudyPredictor(
        case, nnx.merge(graphdef, *states), temperature=settings["temperature"], config=config
    )


def measure(predictor: CaseStudyPredictor) -> Mapping[str, Any]:
    """The metrics of the run's summary, of the weights as they are stored."""
    case, flags = predictor.case, predictor.config["flags"]
    test = sample_dataset(case, seed=flags["seed"], num=flags["num_test"], split=Split.TEST)
    metrics = evaluate_recommender(case, Recommender(case, predictor.model), test).metrics
    return {"num_test": flags["num_test"], **metrics}


register("pretrained", "case_study", Kind(pack=pack, restore=restore, measure=measure))
