"""Networks of case studies as predictors: workloads by the names of their fields, designs out."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from airchitect_jax._support import (
    find,
    map_chunks,
    read_config,
    register,
    registered,
    shown,
)
from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.case_studies import out_of_range as is_out_of_range
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
from airchitect_jax.learning.models import make_model
from airchitect_jax.learning.training import named_leaves
from airchitect_jax.pretrained.kinds import TRAINED, Arrays, Kind

_FEW, _BATCH = 16, 8192  # workloads of one call, padded to so many: few shapes are compiled
_CALIBRATION = 4096  # validation workloads that the temperature is fitted to


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prediction:
    """Recommended designs; all fields have the shape of the workloads.

    Attributes:
      design_id: ids in the space of the case study.
      design: the same decoded, such as an `ArrayDesign`, `BufferSizes` or a `Schedule`.
      confidence: the calibrated probability that the network gives its choice; 1 for answers of
        exact search.
      from_search: which answers come from exact search: those to workloads outside the trained
        ranges, and those where the network's first choice is infeasible.
    """

    design_id: Int[np.ndarray, "*batch"]
    design: Any
    confidence: Float[np.ndarray, "*batch"]
    from_search: Bool[np.ndarray, "*batch"]


class CaseStudyPredictor:
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
        self.case, self.model, self.config = case, model, config
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

    def predict(self, *, out_of_range: str = "search", **fields: Any) -> Prediction:
        """Recommends a design for each workload, in one inference.

        Args:
          out_of_range: "search" has exact search answer workloads outside the trained ranges;
            "refuse" raises an error.
          fields: whole numbers of one shape (scalars broadcast), by name. Case study 1: mac_budget,
            m, n, k. Case study 2: sram_budget_bytes, m, n, k, rows, cols, dataflow (a `Dataflow`,
            its name or its id), bandwidth_bytes_per_cycle. Case study 3: m, n, k, whose first axis
            is that of the workloads, one for each array. Others: as in `CaseStudy.limits`. A budget
            counts as the largest in the network's steps that it covers: of MACs a power of two, of
            SRAM a multiple of 100 KB.

        Raises:
          ValueError: a field is missing, unknown or out of range, or a workload is too large for
            exact search.
        """
        if out_of_range not in ("search", "refuse"):
            raise ValueError(
                f"out_of_range: {shown(out_of_range)} is not allowed; expected search or refuse"
            )
        given = self.case.read_columns(fields)
        shape, columns = given[0].shape, [column.reshape(-1) for column in given]
        workloads = self.case.from_columns(columns)
        searched = is_out_of_range(self.case, workloads)
        if out_of_range == "refuse" and searched.any():
            self._refuse(columns, workloads)
        ids, confidence = np.empty(len(searched), np.int64), np.ones(len(searched))
        asked = np.flatnonzero(~searched)
        if len(asked):
            chosen, sure, fits = map_chunks(
                lambda rows: self._choose(self._state, jnp.stack(rows)),
                list(workloads[:, asked].astype(np.int32)),
                chunk=_FEW if len(asked) <= _FEW else _BATCH,
            )
            ids[asked], searched[asked] = chosen, ~fits
            confidence[asked] = np.where(fits, sure, 1.0)
        if searched.any():
            rows = [column[searched] for column in columns]
            ids[searched] = self.case.exact_of_columns(rows).design_id
        space: Any = self.case.space
        return Prediction(
            design_id=ids.reshape(shape),
            design=getattr(space, "decode", space.fields)(ids.reshape(shape)),
            confidence=confidence.reshape(shape),
            from_search=searched.reshape(shape),
        )

    def _refuse(
        self, columns: list[Int[np.ndarray, "batch"]], workloads: Int[np.ndarray, "features batch"]
    ) -> None:
        """Raises a ValueError for the first value outside the trained ranges."""
        features = self.case.features
        bounds = [[[getattr(f, end)] for f in features] for end in ("low", "high")]
        low, high = (self.case.columns(np.array(values, np.int64)) for values in bounds)
        outside = [(w < f.low) | (w > f.high) for w, f in zip(workloads, features, strict=True)]
        row = int(np.argmax(np.any(outside, axis=0)))
        index = int(np.argmax([rows[row] for rows in outside]))
        lowest, highest = int(low[index][0]), int(high[index][0])
        value = columns[index][row]
        kind = "a power of two in " if lowest <= value <= highest else ""
        raise ValueError(
            f"{tuple(self.case.limits)[index]}: {value} at row {row} is not allowed; expected"
            f" {kind}{lowest}..{highest}, the range of training"
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
        "told": find("network", flags["model"]).told(Loss(flags["loss"])),
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
