"""Trained networks taken out of the workdirs of finished runs, to recommend again."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import orbax.checkpoint as ocp
from flax import nnx

from airchitect_jax.case_studies.array_dataflow import ArrayDataflowCase
from airchitect_jax.case_studies.buffers import BufferCase
from airchitect_jax.evaluation import Recommender
from airchitect_jax.experiment import RunConfig
from airchitect_jax.files import read_json
from airchitect_jax.models.registry import make_model


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained network and the case study that it was trained for."""

    case: ArrayDataflowCase | BufferCase
    recommender: Recommender
    workdir: pathlib.Path


def load_trained(workdir: str | pathlib.Path) -> Trained:
    """The network of a finished run of case study 1 or 2, from its last checkpoint.

    Raises:
      ValueError: the folder holds no such run; names it.
    """
    workdir = pathlib.Path(workdir)
    config, summary = (workdir / name for name in ("config.json", "summary.json"))
    if not config.is_file() or not summary.is_file():
        raise ValueError(f"{workdir}: no finished run of a case study: no config and summary there")
    try:
        flags = read_json(config)["flags"]
        case = _CASES[read_json(summary)["case_study"]].from_settings(flags)
        fields = {field.name for field in dataclasses.fields(RunConfig)}
        run = RunConfig(**{name: value for name, value in flags.items() if name in fields})
        model = make_model(
            case,
            run.model,
            embedding_dim=run.embedding_dim,
            hidden_sizes=run.hidden_sizes,
            seed=run.seed,
        )
        restored = _restored(model, (workdir / "checkpoints").absolute())
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise ValueError(f"{workdir}: no run of case study 1 or 2 that is known: {error}") from None
    return Trained(case=case, recommender=Recommender(case, restored), workdir=workdir)


def _restored(model: nnx.Module, folder: pathlib.Path) -> nnx.Module:
    """The model with the parameters of the last checkpoint that `training.fit` wrote."""
    with ocp.CheckpointManager(folder) as checkpoints:
        step = checkpoints.latest_step()
        if step is None:
            raise ValueError("no checkpoint")
        args = ocp.args.Composite(state=ocp.args.StandardRestore())
        state = checkpoints.restore(step, args=args).state
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)  # type: ignore[misc]
    leaves = [
        state[f"params.{jax.tree_util.keystr(path, simple=True, separator='.')}"]
        for path, _ in jax.tree_util.tree_leaves_with_path(params)
    ]
    return nnx.merge(graphdef, jax.tree.unflatten(jax.tree.structure(params), leaves), rest)


_CASES: Mapping[str, Any] = {case.name: case for case in (ArrayDataflowCase, BufferCase)}
