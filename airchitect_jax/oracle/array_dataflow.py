"""The exact best array shape and dataflow of a GEMM under a MAC budget (case study 1).

Factored searches where they apply (`oracle.array_cycles`, `oracle.array_energy`), else a comparison
of all designs.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from airchitect_jax._support import (
    MAX_DIM,
    float64_is_exact,
    instance,
    instance_or_default,
    member,
)
from airchitect_jax.cost import EnergyTable, Platform
from airchitect_jax.oracle import array_cycles, array_energy
from airchitect_jax.oracle.array_int64 import label_in_int64
from airchitect_jax.oracle.batch import exact_labels, in_exact_arithmetic, no_labels, valid_rows
from airchitect_jax.oracle.ranking import DEFAULT_MEMORY, best_designs, design_cost
from airchitect_jax.spaces import ArrayDataflowSpace
from airchitect_jax.types import (
    ArrayShape,
    BudgetedGemm,
    Dataflow,
    Gemm,
    Labels,
    Memory,
    Objective,
    RuntimeModel,
)

MIN_MAC_BUDGET = 4  # the smallest array is 2 x 2
MATRIX_CHUNK = 1 << 14  # workloads whose whole cost matrix is held at once

# The inputs in order, with their allowed ranges.
LIMITS = {
    "mac_budget": (MIN_MAC_BUDGET, MAX_DIM),
    "m": (1, MAX_DIM),
    "n": (1, MAX_DIM),
    "k": (1, MAX_DIM),
}


def label(
    workloads: BudgetedGemm,
    space: ArrayDataflowSpace | None = None,
    *,
    runtime_model: RuntimeModel = RuntimeModel.SCALESIM,
    objective: Objective = Objective.CYCLES,
    memory: Memory = DEFAULT_MEMORY,
    energy_table: EnergyTable | None = None,
) -> Labels:
    """The exact optimum of each workload: the first of the cheapest feasible designs.

    Args:
      workloads: fields of one shape (scalars broadcast): whole numbers, mac_budget in
        4..2**31 - 1, m, n and k in 1..2**31 - 1. Any number of workloads; NumPy or JAX.
      space: the designs; the 459 of case study 1 by default.
      runtime_model: the cycle count.
      objective: the quantity to minimise: compute cycles, energy, or their product.
      memory: for the energy, in Python integers; its bandwidth is not used.
      energy_table: energy of single events; Horowitz's by default.

    Returns:
      Design ids (int32) and costs (int64; float64 for EDP) of the workloads' shape. NumPy arrays,
      or, inside a caller's `jit` or `vmap`, traced arrays with -1 for workloads that are invalid
      or whose optimum does not fit into int64. A traced function is called within
      `with jax.enable_x64(True):`, since costs need 64 bits.

    Raises:
      ValueError: a field is out of range, or an optimum does not fit into int64.
      TypeError: an argument is of another type, a traced field is not of integers, or 64-bit mode
        is off while tracing.

    Example:
      >>> workloads = aj.BudgetedGemm(mac_budget=[256, 16384], m=[196, 1024], n=768, k=768)
      >>> labels = aj.label(workloads)
      >>> space = aj.ArrayDataflowSpace()
      >>> [space.describe(int(design_id)) for design_id in labels.design_id], labels.cost.tolist()
      (['8x32 OS', '128x128 OS'], [483599, 49055])
    """
    instance("workloads", workloads, BudgetedGemm)
    space = instance_or_default("space", space, ArrayDataflowSpace)
    table = instance_or_default("energy_table", energy_table, EnergyTable)
    objective = member("objective", objective, Objective)
    platform = Platform(runtime_model=runtime_model, energy_table=table).with_memory(memory)
    return label_on(workloads, space, platform, objective)


def label_on(
    workloads: BudgetedGemm, space: ArrayDataflowSpace, platform: Platform, objective: Objective
) -> Labels:
    """`label` on a platform, cost terms included."""
    settings: Any = {"space": space, "platform": platform, "objective": objective}
    return exact_labels(
        "label",
        {name: getattr(workloads, name) for name in LIMITS},
        LIMITS,
        functools.partial(label_columns, **settings),
        functools.partial(label_in_python, **settings),
        chunk=None if is_factored(platform, objective) else MATRIX_CHUNK,
        wide=functools.partial(label_wide_columns, **settings),
    )


def is_factored(platform: Platform, objective: Objective) -> bool:
    """Whether a factored search finds the optimum; if not, all designs are compared."""
    if objective is Objective.CYCLES:
        return not platform.terms
    return array_energy.serves(platform)


def label_columns(
    columns: Sequence[Int[np.ndarray | Array, "rows"]],
    *,
    space: ArrayDataflowSpace,
    platform: Platform,
    objective: Objective = Objective.CYCLES,
) -> tuple[Labels, Bool[Array, "rows"]]:
    """Labels on the device, without waiting, and which workloads are valid.

    The search behind `label`: mac_budget, m, n and k as int32 or int64 of one length. Rows are
    independent, so columns that are sharded over devices give labels sharded alike. Labels of
    invalid workloads are undefined; those of optima that are not exact here are -1.
    """
    settings: Any = {"space": space, "platform": platform, "objective": objective}
    with jax.enable_x64(True):
        if not is_factored(platform, objective):
            return label_wide_columns(columns, **settings)
        return in_exact_arithmetic(
            columns,
            functools.partial(_in_float64, **settings),
            functools.partial(label_in_int64, limits=LIMITS, **settings),
        )


def _in_float64(
    columns: Sequence[Int[np.ndarray | Array, "rows"]],
    *,
    space: ArrayDataflowSpace,
    platform: Platform,
    objective: Objective,
) -> tuple[Labels, Bool[Array, "rows"]]:
    *fields, valid = _prepare_jit(*columns, space=space)
    if objective is not Objective.CYCLES:
        labels = array_energy.cheapest(*fields, space=space, platform=platform, objective=objective)
        return labels, valid
    # A separate program: XLA's CPU backend would compute a minimum with two users twice.
    best = _packed_minimum_jit(*fields, space=space, platform=platform)
    return _unpack_jit(best, space=space, platform=platform), valid


def label_wide_columns(
    columns: Sequence[Int[np.ndarray | Array, "rows"]],
    *,
    space: ArrayDataflowSpace,
    platform: Platform,
    objective: Objective,
) -> tuple[Labels, Bool[Array, "rows"]]:
    """`label_columns` in int64: slower, and exact as far as the costs fit."""
    settings: Any = {"space": space, "platform": platform, "objective": objective}
    with jax.enable_x64(True):
        return in_exact_arithmetic(
            columns,
            functools.partial(_label_by_matrix_jit, **settings),
            functools.partial(label_in_int64, limits=LIMITS, **settings),
        )


@functools.partial(jax.jit, static_argnames=("space", "platform"))
def label_exponents(
    mac_exponent: Int[Array, "*batch"],
    m: Int[Array, "*batch"],
    n: Int[Array, "*batch"],
    k: Int[Array, "*batch"],
    *,
    space: ArrayDataflowSpace,
    platform: Platform,
) -> Int[Array, "*batch"]:
    """Design ids only, of workloads that are on the device and known to be valid.

    Budgets are 2**mac_exponent. No checks, and -1 where an optimum is not exact. Fastest when
    called with whole columns, outside of another `jit`: XLA's CPU backend splits the program
    where the columns are slices of a matrix, which costs two thirds of the speed.
    """
    settings: Any = {"space": space, "platform": platform}

    def in_float64(columns: Sequence[Array]) -> Array:
        best = array_cycles.packed_minimum(*columns, **settings)
        return array_cycles.unpack(best, space, platform).design_id

    def in_int64(columns: Sequence[Array]) -> Array:
        exponent, *dims = columns
        budgeted = [1 << exponent, *dims]
        return label_in_int64(budgeted, LIMITS, **settings, objective=Objective.CYCLES)[0].design_id

    with jax.enable_x64(True):
        return in_exact_arithmetic([mac_exponent, m, n, k], in_float64, in_int64)


def _prepare(
    mac_budget: Int[Array, "*batch"],
    m: Int[Array, "*batch"],
    n: Int[Array, "*batch"],
    k: Int[Array, "*batch"],
    *,
    space: ArrayDataflowSpace,
) -> tuple[Array, Array, Array, Array, Array]:
    """The exponent of the budget and the dimensions as int32, and where all are in range."""
    columns = [jnp.asarray(field) for field in (mac_budget, m, n, k)]
    valid = valid_rows(columns, LIMITS)
    budget, *dims = (jnp.where(valid, x, MIN_MAC_BUDGET).astype(jnp.int32) for x in columns)
    exponent = jnp.minimum(31 - jax.lax.clz(budget), space.max_mac_exponent)
    return exponent, dims[0], dims[1], dims[2], valid


def ranked_columns(
    columns: Sequence[Int[np.ndarray | Array, "rows"]],
    *,
    count: int,
    space: ArrayDataflowSpace,
    platform: Platform,
) -> tuple[Labels, Labels, Int[Array, "rows"], Bool[Array, "rows"]]:
    """The `count` best designs of each workload in order, on the device; see `label_columns`.

    Returns:
      The labels of `label_columns`; labels whose fields are lists, one array per place; the number
      of designs that share the optimum; and which workloads are valid. Where fewer designs are
      feasible, the rest of the places have id -1 and cost -1; all places of a workload have, where
      one of them is not exact here.
    """
    settings: Any = {"space": space, "platform": platform}
    with jax.enable_x64(True):
        if not float64_is_exact():
            best, valid = label_columns(columns, **settings)
            unknown = no_labels(valid, Objective.CYCLES)
            places = jax.tree.map(lambda field: [field] * count, unknown)
            return best, places, unknown.design_id, valid
        *fields, valid = _prepare_jit(*columns, space=space)
        packed: list[Array] = []
        while len(packed) < count:
            few = min(count - len(packed), array_cycles.MAX_GROUPS)
            above = packed[-1] if packed else None
            groups = _packed_groups_jit(*fields, above=above, count=few, **settings)
            packed.append(groups.real)
            for place in range(2, few + 1):
                packed.append(
                    _packed_next_jit(groups, packed[-1], *fields, count=place, **settings)
                )
        best, ranked = _ranked_jit(packed, fields[0], **settings)
        return best, ranked, _num_ties_jit(packed[0], *fields, **settings), valid


@functools.partial(jax.jit, static_argnames=("space", "platform"))
def _ranked_jit(
    packed: list[Float[Array, "rows"]],
    mac_exponent: Int[Array, "rows"],
    *,
    space: ArrayDataflowSpace,
    platform: Platform,
) -> tuple[Labels, Labels]:
    labels = [array_cycles.unpack(one, space, platform) for one in packed]
    feasible = len(Dataflow) * (mac_exponent * (mac_exponent - 1) // 2)
    exact = functools.reduce(
        jnp.logical_and,
        [(one < array_cycles.EXACT) | (feasible <= place) for place, one in enumerate(packed)],
    )
    ranked = Labels(
        design_id=[jnp.where(exact, found.design_id, -1) for found in labels],
        cost=[jnp.where(exact, found.cost, -1) for found in labels],
    )
    return labels[0], ranked


def _label_by_matrix(
    columns: Sequence[Int[Array, "rows"]],
    *,
    space: ArrayDataflowSpace,
    platform: Platform,
    objective: Objective,
) -> tuple[Labels, Bool[Array, "rows"]]:
    columns = [jnp.asarray(column) for column in columns]
    valid = valid_rows(columns, LIMITS)
    safe = [jnp.where(valid, column, MIN_MAC_BUDGET).reshape(-1) for column in columns]
    ids, costs, _ = best_designs(safe, count=1, space=space, platform=platform, objective=objective)
    return Labels(design_id=ids.reshape(valid.shape), cost=costs.reshape(valid.shape)), valid


_label_by_matrix_jit = jax.jit(_label_by_matrix, static_argnames=("space", "platform", "objective"))
_prepare_jit = jax.jit(_prepare, static_argnames="space")
_packed_minimum_jit = jax.jit(array_cycles.packed_minimum, static_argnames=("space", "platform"))
_packed_groups_jit = jax.jit(
    array_cycles.packed_groups, static_argnames=("count", "space", "platform")
)
_packed_next_jit = jax.jit(array_cycles.packed_next, static_argnames=("count", "space", "platform"))
_num_ties_jit = jax.jit(array_cycles.num_ties, static_argnames=("space", "platform"))
_unpack_jit = jax.jit(array_cycles.unpack, static_argnames=("space", "platform"))


def label_in_python(
    mac_budget: int,
    m: int,
    n: int,
    k: int,
    *,
    space: ArrayDataflowSpace,
    platform: Platform,
    objective: Objective = Objective.CYCLES,
) -> tuple[int, int | float]:
    """(design_id, cost) by the same search in integers of any size, in Python.

    Raises:
      ValueError: the optimum does not fit into int64.
    """
    gemm = Gemm(m=m, n=n, k=k)
    cost, design_id = min(
        (
            design_cost(
                gemm,
                ArrayShape(rows=1 << int(i), cols=1 << int(j)),
                Dataflow(flow),
                platform,
                objective,
            ),
            design_id,
        )
        for design_id, (i, j, flow) in enumerate(
            zip(space.row_exponent, space.col_exponent, space.dataflow, strict=True)
        )
        if 1 << int(i + j) <= mac_budget
    )
    if cost >= 2**63 and objective is not Objective.EDP:
        raise ValueError(
            f"m={m}, n={n}, k={k} under a budget of {mac_budget} MACs takes {cost}"
            f" {objective.unit}; labels are limited to int64 (2**63 - 1)"
        )
    return design_id, cost
