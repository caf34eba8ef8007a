"""Loads trained networks from the workdirs of finished runs."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import jax
from flax import nnx
from jaxtyping import Array

from airchitect_jax._support import find, read_config, read_json, registered
from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.learning.checkpoint_files import (
    check_shapes,
    newest_checkpoint,
    restore_checkpoint,
    stored_shapes,
)
from airchitect_jax.learning.evaluation import Recommender
from airchitect_jax.learning.models.registry import make_model
from airchitect_jax.learning.training import RunConfig, fixed_leaves, named_leaves

_PARAMS = "params."  # prefix of the names of parameters in a checkpoint


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained network and the case study that it was trained for."""

    case: CaseStudy
    recommender: Recommender
    model: nnx.Module
    workdir: pathlib.Path


def load_trained(workdir: str | pathlib.Path) -> Trained:
    """The network of a finished run of a case study, from its last whole checkpoint.

    Nothing is written: the folder may be read-only.

    Raises:
      ValueError: the folder holds no such run; names it.
    """
    workdir = pathlib.Path(workdir)
    config, summary = (workdir / name for name in ("config.json", "summary.json"))
    if not config.is_file() or not summary.is_file():
        raise ValueError(f"{workdir}: no finished run of a case study: no config and summary there")
    try:
        flags = read_config(workdir)["flags"]
        name = read_json(summary)["case_study"]
        kinds = {kind.name: kind for kind in registered("case_study").values()}
        case = kinds[name].from_settings(flags)
        fields = {field.name for field in dataclasses.fields(RunConfig)}
        run = RunConfig(**{field: value for field, value in flags.items() if field in fields})
        model = _restored(case, run, (workdir / "checkpoints").absolute())
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise ValueError(f"{workdir}: not a known run of a case study: {error}") from None
    recommender = Recommender(case, model, any_value=find("network", run.model).any_value)
    return Trained(case=case, recommender=recommender, model=model, workdir=workdir)


def _restored(case: CaseStudy, run: RunConfig, folder: pathlib.Path) -> nnx.Module:
    """The network of a run with the parameters of the newest checkpoint of `training.fit`."""
    checkpoint = newest_checkpoint(folder)
    if checkpoint is None:
        raise ValueError("no checkpoint")
    like = stored_shapes(checkpoint)
    stored = {name: array for name, array in like.items() if name.startswith(_PARAMS)}
    if run.model == "paper":
        # Shapes first: memory might not suffice for sizes that are not the checkpoint's.
        if len(run.hidden_sizes) > len(stored):
            raise ValueError(f"hidden_sizes: {len(run.hidden_sizes)} layers are not allowed")
        abstract = nnx.eval_shape(lambda: _model(case, run))
        check_shapes(checkpoint, _params(nnx.state(abstract, nnx.Param)), stored)
    graphdef, params, rest = nnx.split(_model(case, run), nnx.Param, ...)  # type: ignore[misc]
    check_shapes(checkpoint, _params(params), stored)
    arrays, _ = restore_checkpoint(checkpoint, like)
    leaves = [arrays[name] for name in _params(params)]
    # Older checkpoints have no statistics of the inputs: those of the new network stand in.
    fixed = [arrays.get(name, leaf) for name, leaf in fixed_leaves(rest).items()]
    return nnx.merge(
        graphdef,
        jax.tree.unflatten(jax.tree.structure(params), leaves),
        jax.tree.unflatten(jax.tree.structure(rest), fixed),
    )


def _model(case: CaseStudy, run: RunConfig) -> nnx.Module:
    return make_model(
        case,
        run.model,
        embedding_dim=run.embedding_dim,
        hidden_sizes=run.hidden_sizes,
        seed=run.seed,
    )


def _params(state: Any) -> dict[str, Array]:
    return {f"{_PARAMS}{name}": leaf for name, leaf in named_leaves(state).items()}
