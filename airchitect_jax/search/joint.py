"""The joint space of one array and three SRAMs for a whole network.

Millions of designs under a budget of MAC units and one of SRAM; every layer runs its best dataflow.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from airchitect_jax.cost import Platform, Relaxation, by_dataflow, smaller
from airchitect_jax.oracle.joint import check_exact, design_costs
from airchitect_jax.oracle.joint.fewest_cycles import fewest_cycles
from airchitect_jax.spaces import BufferSpace, JointSpace, Layout, RelaxedPoint, within_sum
from airchitect_jax.types import ArrayShape, BufferSizes, Gemm, Memory
from airchitect_jax.workloads import GemmCounts

# 32 KB to 1 MB in steps of 32 KB: with 2**12 MAC units and 1.5 MB a million designs.
JOINT_BUFFERS = BufferSpace(step_kb=32, num_levels=32)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class BudgetedNetwork:
    """A network and the budgets of its design.

    Attributes:
      dims: m, n and k of each GEMM; what is padded has ones.
      counts: how often each runs; what is padded never.
      mac_exponent: the budget is 2**mac_exponent MAC units.
      sram_steps: the SRAM budget in steps of the space.
    """

    dims: Int[Array | np.ndarray, "*batch gemms 3"]
    counts: Int[Array | np.ndarray, "*batch gemms"]
    mac_exponent: Int[Array | np.ndarray, "*batch"]
    sram_steps: Int[Array | np.ndarray, "*batch"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class JointProblem:
    """Coordinates: exponents of rows and cols less one, steps of the three SRAMs less one.

    Minimises the total cycles of the network.
    """

    max_mac_exponent: int = 18
    buffers: BufferSpace = JOINT_BUFFERS
    platform: Platform = dataclasses.field(default_factory=Platform)

    @functools.cached_property
    def layout(self) -> Layout:
        """See `Problem`."""
        side, levels = self.max_mac_exponent - 1, self.buffers.num_levels
        return Layout(sizes=(side, side, levels, levels, levels))

    @property
    def parameters(self) -> dict[str, tuple[int, ...]]:
        """The names and values of the coordinates."""
        sides = tuple(2 << exponent for exponent in range(self.max_mac_exponent - 1))
        levels = range(1, self.buffers.num_levels + 1)
        sizes = tuple(level * self.buffers.step_bytes for level in levels)
        names = [field.name for field in dataclasses.fields(BufferSizes)]
        return {"rows": sides, "cols": sides} | dict.fromkeys(names, sizes)

    @functools.cached_property
    def space(self) -> JointSpace:
        """All designs, under the largest of budgets."""
        most = 3 * self.buffers.num_levels * self.buffers.step_bytes
        return JointSpace.within(1 << self.max_mac_exponent, most, self.buffers)

    def num_designs(self, mac_exponent: int, sram_steps: int) -> int:
        """Number of designs within a budget."""
        within = JointSpace.within(
            1 << mac_exponent, sram_steps * self.buffers.step_bytes, self.buffers
        )
        return within.num_designs

    def confine(self, workload: BudgetedNetwork, sizes: Float[Array, "5"]) -> Float[Array, "5"]:
        """Within both budgets."""
        levels = self.layout.sizes
        array = within_sum(sizes[:2], levels[:2], workload.mac_exponent - 2)
        buffers = within_sum(sizes[2:], levels[2:], workload.sram_steps - 3)
        return jnp.concatenate([array, buffers])

    def cost(self, workload: BudgetedNetwork, point: Int[Array, "5"]) -> Float[Array, ""]:
        """Exact total cycles."""
        array, memory = self._design(point.astype(jnp.float64))

        def of_gemm(gemm: Gemm) -> Float[Array, ""]:
            cycles = by_dataflow.total_cycles(gemm, array, memory, self.platform)
            return cycles.min()

        return _sum_over_gemms(of_gemm, workload, jnp.float64)

    def log_relaxed_cost(
        self, workload: BudgetedNetwork, point: RelaxedPoint, temperature: Float[Array, ""]
    ) -> Float[Array, ""]:
        """See `Problem`; the choice of the best dataflow is smoothed as everything else is."""
        relaxation = Relaxation(temperature=temperature)
        array, memory = self._design(point.sizes)
        array, memory = jax.tree.map(relaxation.soften, array), relaxation.soften_memory(memory)

        def of_gemm(gemm: Gemm) -> Float[Array, ""]:
            cycles = by_dataflow.total_cycles(gemm, array, memory, self.platform)
            flows = [jax.tree.map(lambda part, flow=flow: part[flow], cycles) for flow in range(3)]
            return functools.reduce(smaller, flows).mean

        return jnp.log(_sum_over_gemms(of_gemm, workload, jnp.float32))

    def _design(self, sizes: Float[Array, "5"]) -> tuple[ArrayShape, Memory]:
        ifmap, filters, ofmap = (sizes[2:] + 1) * self.buffers.step_bytes
        memory = Memory(
            buffers=BufferSizes(
                ifmap_sram_bytes=ifmap, filter_sram_bytes=filters, ofmap_sram_bytes=ofmap
            ),
            bandwidth_bytes_per_cycle=jnp.asarray(
                self.platform.bandwidth_bytes_per_cycle, sizes.dtype
            ),
            element_bytes=self.platform.element_bytes,
        )
        return ArrayShape(rows=2.0 ** (sizes[0] + 1), cols=2.0 ** (sizes[1] + 1)), memory


def _sum_over_gemms(
    of_gemm: Callable[[Gemm], Float[Array, ""]], workload: BudgetedNetwork, dtype: Any
) -> Float[Array, ""]:
    """Sum of counts times costs, one GEMM at a time to limit memory."""

    @jax.checkpoint
    def add(
        total: Float[Array, ""], layer: tuple[Float[Array, "3"], Float[Array, ""]]
    ) -> tuple[Float[Array, ""], None]:
        (m, n, k), count = layer
        return total + count * of_gemm(Gemm(m=m, n=n, k=k)), None

    layers = workload.dims.astype(dtype), workload.counts.astype(dtype)
    return jax.lax.scan(add, jnp.zeros((), dtype), layers)[0]


def batch_networks(
    problem: JointProblem, workloads: Sequence[GemmCounts], budgets: Sequence[tuple[int, int]]
) -> BudgetedNetwork:
    """Every network under every budget (`mac_exponent`, `sram_steps`), networks slowest.

    Raises:
      ValueError: float64 cannot count a network's cycles.
    """
    for workload in workloads:
        check_exact(workload, problem.space, problem.platform)
    most = max(len(workload.gemms) for workload in workloads)
    dims = np.ones((len(workloads), most, 3), np.int64)
    counts = np.zeros((len(workloads), most), np.int64)
    for number, workload in enumerate(workloads):
        dims[number, : len(workload.gemms)] = workload.gemms
        counts[number, : len(workload.gemms)] = workload.counts
    mac_exponents, sram_steps = np.array(budgets, np.int64).T
    return BudgetedNetwork(
        dims=np.repeat(dims, len(budgets), axis=0),
        counts=np.repeat(counts, len(budgets), axis=0),
        mac_exponent=np.tile(mac_exponents, len(workloads)),
        sram_steps=np.tile(sram_steps, len(workloads)),
    )


def optimal_cycles(
    problem: JointProblem, workloads: Sequence[GemmCounts], budgets: Sequence[tuple[int, int]]
) -> Int[np.ndarray, "searches"]:
    """The optimum of each search of `batch_networks`, by enumeration."""
    step = problem.buffers.step_bytes
    in_units = [(1 << mac_exponent, steps * step) for mac_exponent, steps in budgets]
    return np.concatenate(
        [
            fewest_cycles(workload, problem.space, problem.platform, in_units)
            for workload in workloads
        ]
    )


def exact_cycles(problem: JointProblem, workload: GemmCounts, point: Int[np.ndarray, "5"]) -> int:
    """Total cycles of a network on a design, in Python integers and apart from `cost`."""
    rows, cols = (1 << (int(exponent) + 1) for exponent in point[:2])
    ifmap, filters, ofmap = ((int(level) + 1) * problem.buffers.step_bytes for level in point[2:])
    sizes = BufferSizes(ifmap_sram_bytes=ifmap, filter_sram_bytes=filters, ofmap_sram_bytes=ofmap)
    total = 0
    for gemm, count in zip(workload.gemms, workload.counts, strict=True):
        cycles, _ = design_costs(gemm, ArrayShape(rows=rows, cols=cols), sizes, problem.platform)
        total += count * int(cycles.min())
    return total
