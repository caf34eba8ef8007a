"""Trained networks taken out of the workdirs of finished runs, to recommend again."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import orbax.checkpoint as ocp
from flax import nnx

from airchitect_jax.case_studies.array_dataflow import ArrayDataflowCase
from airchitect_jax.case_studies.buffers import BufferCase
from airchitect_jax.cost.energy import EnergyTable
from airchitect_jax.evaluation import Recommender
from airchitect_jax.experiment import RunConfig
from airchitect_jax.files import read_json
from airchitect_jax.models.choice import make_model
from airchitect_jax.oracle.ranking import Goal
from airchitect_jax.types import (
    BufferSizes,
    Interface,
    Memory,
    MemoryModel,
    Objective,
    RuntimeModel,
)
from airchitect_jax.workloads.sampling import Distribution


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
        case = _CASES[read_json(summary)["case_study"]](flags)
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


def _array_case(flags: Mapping[str, Any]) -> ArrayDataflowCase:
    size = flags["sram_kb"] * 1024
    return ArrayDataflowCase(
        min_mac_exponent=flags["min_mac_exponent"],
        max_mac_exponent=flags["max_mac_exponent"],
        max_dim=flags["max_dim"],
        distribution=Distribution(flags["distribution"]),
        runtime_model=RuntimeModel(flags["runtime_model"]),
        goal=Goal(
            objective=Objective(flags["objective"]),
            memory=Memory(
                buffers=BufferSizes(
                    ifmap_sram_bytes=size, filter_sram_bytes=size, ofmap_sram_bytes=size
                ),
                bandwidth_bytes_per_cycle=1,
                element_bytes=flags["element_bytes"],
            ),
            energy_table=_energy_table(flags),
        ),
    )


def _buffer_case(flags: Mapping[str, Any]) -> BufferCase:
    return BufferCase(
        min_budget_kb=flags["min_budget_kb"],
        max_budget_kb=flags["max_budget_kb"],
        max_dim=flags["max_dim"],
        min_side_exponent=flags["min_side_exponent"],
        max_side_exponent=flags["max_side_exponent"],
        max_bandwidth=flags["max_bandwidth"],
        element_bytes=flags["element_bytes"],
        distribution=Distribution(flags["distribution"]),
        objective=Objective(flags["objective"]),
        runtime_model=RuntimeModel(flags["runtime_model"]),
        memory_model=MemoryModel(flags["memory_model"]),
        interface=Interface(flags["interface"]),
        energy_table=_energy_table(flags),
    )


def _energy_table(flags: Mapping[str, Any]) -> EnergyTable:
    return EnergyTable(
        **{name: flags[name] for name in ("mac_pj", "sram_pj_per_byte", "dram_pj_per_byte")}
    )


_CASES: Mapping[str, Callable[[Mapping[str, Any]], ArrayDataflowCase | BufferCase]] = {
    "case_study1": _array_case,
    "case_study2": _buffer_case,
}
