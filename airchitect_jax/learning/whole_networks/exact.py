"""Exact costs of whole networks on the joint space: labels and certificates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from airchitect_jax.learning.whole_networks.costs import Designs
from airchitect_jax.oracle.joint import cycle_cubes
from airchitect_jax.workloads import GemmCounts


def all_cycles(workload: GemmCounts, designs: Designs) -> Int[np.ndarray, "shapes sizings"]:
    """Cycles of a network on every design, each layer with its best dataflow; int64.

    Raises:
      ValueError: float64 cannot count the cycles of some design.
    """
    cubes = cycle_cubes(workload, designs.space, designs.platform)
    return cubes[:, *(designs.space.levels.T - 1)].astype(np.int64)


def within(
    cycles: Int[np.ndarray, "shapes sizings"],
    budgets: Sequence[tuple[int, int]],
    designs: Designs,
) -> Int[np.ndarray, "budgets"]:
    """The fewest cycles within budgets (`mac_exponent`, `sram_steps`)."""
    steps = designs.space.levels.sum(axis=1)
    return np.array(
        [
            cycles[designs.mac_exponents <= mac_exponent][:, steps <= sram_steps].min()
            for mac_exponent, sram_steps in budgets
        ]
    )
