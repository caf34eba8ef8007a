"""Labels and costs of a case study by comparing all designs."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Num

from airchitect_jax._support import INT64_SAFE, map_chunks
from airchitect_jax.case_studies.definition import Definition
from airchitect_jax.cost import Number
from airchitect_jax.oracle import valid_rows
from airchitect_jax.spaces import Fields
from airchitect_jax.types import Labels

_NEVER = np.iinfo(np.int64).max  # the cost of an infeasible design, and of one beyond int64


def combinations(choices: Mapping[str, tuple[int, ...]]) -> list[dict[str, int]]:
    """Every combination of choices, the last changing fastest; one empty one if there are none."""
    products = itertools.product(*choices.values())
    return [dict(zip(choices, values, strict=True)) for values in products]


def cost_of_any(case: Definition, workload: Mapping[str, Number], design: Fields) -> Number:
    """`CaseStudy.cost` with the choices of the design as numbers.

    Computes the cost of every combination of choices and selects that of the design.
    """
    every = combinations(case.space.choices)
    costs = [case.cost(workload, {**design, **chosen}) for chosen in every]
    if len(every) == 1:
        return costs[0]
    is_chosen = [
        functools.reduce(operator.and_, [design[name] == int(value) for name, value in one.items()])
        for one in every
    ]
    return jnp.select(is_chosen, costs)


def all_designs(case: Definition, dtype: Any) -> dict[str, Array]:
    """The parameters of all designs, each of shape [1, designs]."""
    fields = case.space.fields(np.arange(case.space.num_designs))
    return {name: jnp.asarray(values[None, :], dtype) for name, values in fields.items()}


def feasible_designs(
    case: Definition, workloads: Int[Array | np.ndarray, "features batch"]
) -> Bool[Array, "batch designs"]:
    """See `CaseStudy.feasible`."""
    fits = case.fits(case.by_name(jnp.asarray(workloads)[:, :, None]), all_designs(case, jnp.int32))
    return jnp.broadcast_to(fits, (workloads.shape[1], case.space.num_designs))


@functools.partial(jax.jit, static_argnames="case")
def label_columns(
    columns: Sequence[Int[np.ndarray | Array, "rows"]], *, case: Definition
) -> tuple[Labels, Bool[Array, "rows"]]:
    """See `CaseStudy.label_columns`; under 64-bit mode."""
    arrays = [jnp.asarray(column) for column in columns]
    valid = valid_rows(arrays, case.limits)
    rows = [
        jnp.where(valid, column.astype(jnp.int64), low)
        for column, (low, _) in zip(arrays, case.limits.values(), strict=True)
    ]
    workload = case.by_name(jnp.stack(rows)[:, :, None])
    designs = all_designs(case, jnp.int64)
    found, fits = _costs(workload, designs, case=case)
    found = jnp.where(case.fits(workload, designs) & fits, found, _NEVER)
    lowest = found.min(axis=1)
    ids = jnp.arange(case.space.num_designs, dtype=jnp.int32)[None, :]
    # The first minimum, in two reductions that XLA's CPU backend vectorises.
    first = jnp.where(found == lowest[:, None], ids, case.space.num_designs).min(axis=1)
    exact = lowest < _NEVER
    labels = Labels(
        design_id=jnp.where(exact, first, -1).astype(jnp.int32), cost=jnp.where(exact, lowest, -1)
    )
    return labels, valid


def label_in_python(case: Definition, values: Sequence[int]) -> tuple[int, Any]:
    """See `CaseStudy.label_in_python`."""
    workload = case.by_name(values)
    best: tuple[Any, int] | None = None
    for design_id in range(case.space.num_designs):
        design = _in_python(case, design_id)
        if case.fits(workload, design):
            cost = case.cost(workload, design)
            if best is None or cost < best[0]:
                best = cost, design_id
    text = ", ".join(f"{name}={value}" for name, value in workload.items())
    if best is None:
        raise ValueError(f"{text}: no design is feasible")
    if best[0] >= 2**63:
        raise ValueError(
            f"{text}: the optimum is {best[0]} {case.objective.unit}; labels are limited to int64"
            " (2**63 - 1)"
        )
    return best[1], best[0]


def _in_python(case: Definition, design_id: int) -> dict[str, int]:
    """The parameters of a design: choices as themselves, all else as Python integers."""
    design = {name: int(value) for name, value in case.space.fields(design_id).items()}
    for name, values in case.space.choices.items():
        design[name] = values[values.index(design[name])]
    return design


def costs(
    case: Definition,
    workloads: Int[np.ndarray, "features batch"],
    design_ids: Int[np.ndarray, "*shape"],
) -> Num[np.ndarray, "*shape"]:
    """See `CaseStudy.costs`."""
    # Additional axes for those of design_ids beyond the batch.
    axes = tuple(range(2, np.ndim(design_ids) + 1))
    workload = np.expand_dims(np.asarray(workloads, np.int64), axes)
    design = case.space.fields(design_ids)
    shape = np.broadcast_shapes(workload.shape[1:], np.shape(design_ids))
    flat = [np.broadcast_to(x, shape).reshape(-1) for x in (*workload, *design.values())]

    def of_chunk(columns: list[Any]) -> tuple[Array, Array]:
        with jax.enable_x64(True):
            fields = dict(zip(design, columns[len(workload) :], strict=True))
            return _costs(case.by_name(columns[: len(workload)]), fields, case=case)

    found, fits = map_chunks(of_chunk, flat)
    if not np.all(fits):
        row = int(np.argwhere(~np.reshape(fits, shape))[0][0])
        raise ValueError(f"the cost of a design for the workload at row {row} exceeds int64")
    return np.reshape(found, shape)


@functools.partial(jax.jit, static_argnames="case")
def _costs(
    workload: Mapping[str, Any], design: Fields, *, case: Definition
) -> tuple[Int[Array, "*batch"], Bool[Array, "*batch"]]:
    """Costs of int64 fields, and where they fit into int64; under 64-bit mode."""
    wide = jax.tree.map(lambda x: x.astype(jnp.float64), (workload, design))
    return cost_of_any(case, workload, design), cost_of_any(case, *wide) < INT64_SAFE
