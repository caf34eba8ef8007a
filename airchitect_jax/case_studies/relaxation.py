"""The relaxed problem for gradient search, from costs and feasible designs of a case study."""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from airchitect_jax.case_studies.brute_force import combinations, feasible_designs
from airchitect_jax.case_studies.definition import Definition
from airchitect_jax.cost import Relaxation, Soft
from airchitect_jax.spaces import RelaxedPoint


def nearest_feasible(
    case: Definition, workload: Int[Array, "features"], sizes: Float[Array, "sizes"]
) -> Float[Array, "sizes"]:
    """See `CaseStudy.confine`."""
    levels = case.space.layout.sizes
    if not levels:
        return sizes
    own = jnp.asarray(case.space.points[:, : len(levels)], sizes.dtype)
    inside = jnp.clip(sizes, 0, np.array(levels, sizes.dtype) - 1)
    feasible = feasible_designs(case, workload[:, None])[0]
    is_own = (own == jnp.floor(inside)[None, :]).all(axis=1)
    distance = jnp.square(own - inside[None, :]).sum(axis=1)
    nearest = own[jnp.argmin(jnp.where(feasible, distance, jnp.inf))]
    # The gradient is that of `inside`; otherwise descent would stop at infeasible sizes.
    moved = nearest + inside - jax.lax.stop_gradient(inside)
    return jnp.where((is_own & feasible).any(), inside, moved)


def log_relaxed_cost(
    case: Definition,
    workload: Int[Array, "features"],
    point: RelaxedPoint,
    temperature: Float[Array, ""],
) -> Float[Array, ""]:
    """See `CaseStudy.log_relaxed_cost`."""
    soften = Relaxation(temperature=temperature).soften
    values = case.by_name(workload.astype(jnp.float32))
    sizes = {name: soften(size) for name, size in case.space.sizes_at(point.sizes).items()}
    positions = itertools.product(*(range(len(p)) for p in point.choices))
    total: Any = 0.0
    for chosen, position in zip(combinations(case.space.choices), positions, strict=True):
        chance = math.prod(p[i] for p, i in zip(point.choices, position, strict=True))
        cost = case.cost(values, sizes | chosen)
        total = total + chance * (cost.mean if isinstance(cost, Soft) else cost)
    return jnp.log(total)
