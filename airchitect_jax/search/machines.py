"""A space of machines too large to enumerate, each GEMM of a workload on its best mapping.

Exact costs are computed in Python (`machine_costs`), so that searches take their steps one by one.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from airchitect_jax.cost import (
    MachinePrices,
    Platform,
    area_um2,
    machine_prices,
    operator_costs,
)
from airchitect_jax.cost.relaxed_tiled import relaxed_tiled_costs
from airchitect_jax.oracle.machines import MachineObjective, Question
from airchitect_jax.search.machine_costs import MachineCosts
from airchitect_jax.spaces import Layout, RelaxedPoint
from airchitect_jax.types import BufferSizes, Gemm, Hardware, Scratchpad

_BISECTIONS = 24
_MARGIN = 2e-4  # of a level: more than `repair` rounds up
_LATE = 10.0  # by this power of the excess the relaxed cost of what is too slow rises
_ROWS, _COLS, _CORES, _BANDWIDTH = 0, 1, 2, -1  # places of the axes
_MEMORIES = slice(3, -1)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class NumberedWorkload:
    """A workload of a `MachineProblem`.

    Attributes:
      number: its place among the questions of the problem.
      dims: m, n and k of each GEMM; what is padded has ones.
      counts: how often each runs; what is padded never.
      operator_cycles: of all operators, by the places of cores and bandwidth.
      operator_fj: of all operators, without leakage.
    """

    number: Int[Array | np.ndarray, "*batch"]
    dims: Float[Array | np.ndarray, "*batch gemms 3"]
    counts: Float[Array | np.ndarray, "*batch gemms"]
    operator_cycles: Float[Array | np.ndarray, "*batch cores bandwidths"]
    operator_fj: Float[Array | np.ndarray, "*batch"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Figures:
    """Figures of machines by places of rows, columns and the size of each memory.

    Attributes:
      area, leakage: of one core; those of a machine are the sums over its memories.
      prices: of a byte in each memory.
      mac_fj, dram_fj: of all machines.
    """

    area: Float[np.ndarray, "memories rows cols sizes"]
    leakage: Float[np.ndarray, "memories rows cols sizes"]
    prices: Float[np.ndarray, "memories rows cols sizes"]
    mac_fj: float
    dram_fj: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class MachineProblem:
    """See `Problem`. Coordinates: the places of the values of each axis of the space.

    Attributes:
      questions: one per workload; all with the same platform, objective and budgets.
    """

    questions: Sequence[Question]

    @property
    def platform(self) -> Platform:
        """That of all questions."""
        return self.questions[0].platform

    @functools.cached_property
    def layout(self) -> Layout:
        """See `Problem`."""
        return Layout(sizes=tuple(map(len, self.parameters.values())))

    @property
    def parameters(self) -> dict[str, tuple[int, ...]]:
        """The names and values of the coordinates."""
        return self.platform.hardware.axes

    @functools.cached_property
    def costs(self) -> MachineCosts:
        """Exact costs, remembered until they are forgotten."""
        return MachineCosts(self.questions)

    def cost(self, workload: NumberedWorkload, point: Int[Array, "axes"]) -> Float[Array, ""]:
        """See `Problem`; infinite beyond the budgets."""
        bits = jax.pure_callback(
            self.costs.bits,
            jax.ShapeDtypeStruct((2,), jnp.uint32),
            workload.number,
            point,
            vmap_method="broadcast_all",
        )
        return jax.lax.bitcast_convert_type(bits, jnp.float64)

    def confine(
        self, workload: NumberedWorkload, sizes: Float[Array, "axes"]
    ) -> Float[Array, "axes"]:
        """Within the budgets of parts: shrinks all parts in proportion, but not the bandwidth.

        The share is found by bisection; its slopes are those of the implicit function.
        """
        del workload
        highs = jnp.array([levels - 1 for levels in self.layout.sizes], jnp.float64)
        inside = jnp.clip(sizes.astype(jnp.float64), 0, highs)
        parts = jnp.ones_like(inside).at[_BANDWIDTH].set(0)

        def excess(share: Float[Array, ""], inside: Float[Array, "axes"]) -> Float[Array, ""]:
            return self._excess(inside * (1 - share * parts))

        def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = ends
            middle = (low + high) / 2
            fits = excess(middle, inside) <= 0
            return jnp.where(fits, low, middle), jnp.where(fits, middle, high)

        zero = jnp.zeros_like(inside[0])
        fixed = jax.lax.stop_gradient(inside)
        _, share = jax.lax.fori_loop(0, _BISECTIONS, halve, (zero, zero + 1))
        share = jax.lax.stop_gradient(share)
        over, slope = jax.value_and_grad(excess)(share, fixed)
        share = share - (excess(share, inside) - over) / jnp.minimum(slope, -1e-9)
        shrunk = jnp.clip(inside * (1 - share * parts) - _MARGIN * parts, 0, highs)
        return jnp.where(excess(zero, fixed) <= 0, inside, shrunk).astype(sizes.dtype)

    def log_relaxed_cost(
        self, workload: NumberedWorkload, point: RelaxedPoint, temperature: Float[Array, ""]
    ) -> Float[Array, ""]:
        """See `Problem`.

        Each GEMM runs a mixture of a few mappings (`cost.relaxed_tiled`), those of lower cost more
        often.
        """
        question, sizes = self.questions[0], point.sizes.astype(jnp.float32)
        hardware = self._hardware(sizes)
        prices = self._prices(sizes)
        leakage, area = prices.leakage_fj_per_cycle, self._area(sizes)
        switching = prices._replace(leakage_fj_per_cycle=0.0)

        @jax.checkpoint
        def add(
            totals: Float[Array, "2"], layer: tuple[Float[Array, "3"], Float[Array, ""]]
        ) -> tuple[Float[Array, "2"], None]:
            (m, n, k), count = layer
            cycles, energy = relaxed_tiled_costs(
                Gemm(m=m, n=n, k=k), hardware, self.platform, switching, temperature
            )
            values = _log_value(question, cycles, energy + leakage * cycles, area)
            shares = jax.nn.softmax(-values / temperature)
            return totals + count * jnp.stack([shares @ cycles, shares @ energy]), None

        layers = workload.dims.astype(jnp.float32), workload.counts.astype(jnp.float32)
        (cycles, energy), _ = jax.lax.scan(add, jnp.zeros(2, jnp.float32), layers)
        (cores, of_cores), (rates, of_rates) = _ends(sizes[_CORES]), _ends(sizes[_BANDWIDTH])
        table = jnp.asarray(workload.operator_cycles, jnp.float32)[cores[:, None], rates[None, :]]
        beside = of_cores @ table @ of_rates
        energy = energy + workload.operator_fj.astype(jnp.float32)
        overlapped = self.platform.vector_unit.overlapped
        cycles = jnp.maximum(cycles, beside) if overlapped else cycles + beside
        power = question.most_fj_per_cycle
        if power < np.inf:  # the machine waits
            cycles = jnp.maximum(cycles, energy / jnp.maximum(power - leakage, 1e-3 * power))
        late = jnp.maximum(jnp.log(cycles) - float(np.log(question.most_cycles)), 0.0)
        return _log_value(question, cycles, energy + leakage * cycles, area) + _LATE * late

    @functools.cached_property
    def _values(self) -> Float[np.ndarray, "axes levels"]:
        """The values of each axis, the bandwidth in bytes per cycle; beyond the last any."""
        axes = dict(self.platform.hardware.axes)
        rates = np.array(axes.pop("bandwidth_bytes_per_second"))
        first = {name: values[0] for name, values in axes.items()}
        machines = self.platform.hardware_of(**first, bandwidth_bytes_per_second=rates)
        rows = [*axes.values(), machines.bandwidth_bytes / machines.bandwidth_cycles]
        most = max(map(len, rows))
        return np.array([np.resize(row, most) for row in rows], np.float64)

    @functools.cached_property
    def _figures(self) -> _Figures:
        """Tables of all sizes, from the equations of areas and prices."""
        space = self.platform.hardware
        rows, cols = np.array(space.rows)[:, None, None], np.array(space.cols)[None, :, None]
        first = {name: values[0] for name, values in space.axes.items()} | {"num_cores": 1}
        most = max(len(space.axes[memory]) for memory in space.memory_fields)
        tables = np.zeros((3, len(space.memory_fields), rows.size, cols.size, most))
        for place, memory in enumerate(space.memory_fields):
            sizes = np.resize(space.axes[memory], most)  # beyond the end nothing is looked up
            hardware = self.platform.hardware_of(
                **first | {"rows": rows, "cols": cols, memory: sizes}
            )
            found = machine_prices(hardware, self.platform)
            tables[0, place] = area_um2(hardware, self.platform).total_um2
            tables[1, place] = found.leakage_fj_per_cycle
            tables[2, place] = getattr(found, _PRICE_FIELDS[space.is_shared][place])
        # What all have besides counts once: with the first memory.
        tables[:2, 1:] -= tables[:2, 1:, :, :, :1]
        return _Figures(
            area=tables[0],
            leakage=tables[1],
            prices=tables[2],
            mac_fj=float(found.mac_fj),
            dram_fj=float(found.dram_fj_per_byte),
        )

    def _of_memories(
        self, table: Float[np.ndarray, "memories rows cols sizes"], sizes: Float[Array, "axes"]
    ) -> Float[Array, "memories"]:
        """Figures of each memory, interpolated."""
        row, col, size = (_ends(x) for x in (sizes[_ROWS], sizes[_COLS], sizes[_MEMORIES]))
        numbers = np.arange(len(table))[:, None, None, None]
        found = jnp.asarray(table, sizes.dtype)[
            numbers,
            row[0][None, :, None, None],
            col[0][None, None, :, None],
            size[0][:, None, None, :],
        ]
        return jnp.einsum("mrcs,r,c,ms->m", found, row[1], col[1], size[1])

    def _area(self, sizes: Float[Array, "axes"]) -> Float[Array, ""]:
        cores = self._value_at(sizes)[_CORES]
        return cores * self._of_memories(self._figures.area, sizes).sum()

    def _value_at(self, sizes: Float[Array, "axes"]) -> Float[Array, "axes"]:
        """The values of all axes, interpolated."""
        places, weights = _ends(sizes)
        found = jnp.asarray(self._values, sizes.dtype)[
            np.arange(len(self._values))[:, None], places
        ]
        return (found * weights).sum(axis=1)

    def _excess(self, sizes: Float[Array, "axes"]) -> Float[Array, ""]:
        """The largest share by which a part exceeds its budget; at most 0 within all."""
        budgets, values = self.questions[0].budgets, self._value_at(sizes)
        used = (
            (budgets.mac_budget, values[: _CORES + 1].prod()),
            (budgets.sram_budget_bytes, values[_CORES] * values[_MEMORIES].sum()),
            (budgets.area_budget_um2, self._area(sizes)),
        )
        shares = [value / limit - 1 for limit, value in used if limit is not None]
        return functools.reduce(jnp.maximum, shares, jnp.asarray(-1.0, jnp.float64))

    def _hardware(self, sizes: Float[Array, "axes"]) -> Hardware:
        values = self._value_at(sizes)
        space = self.platform.hardware
        memory = dict(zip(space.memory_fields, values[_MEMORIES], strict=True))
        return Hardware(
            rows=values[_ROWS],
            cols=values[_COLS],
            num_cores=1 if space.num_cores == (1,) else values[_CORES],
            memory=(Scratchpad if space.is_shared else BufferSizes)(**memory),
            bandwidth_bytes=values[_BANDWIDTH],
            bandwidth_cycles=1,
        )

    def _prices(self, sizes: Float[Array, "axes"]) -> MachinePrices:
        figures, fields = self._figures, _PRICE_FIELDS[self.platform.hardware.is_shared]
        found = self._of_memories(figures.prices, sizes)
        prices = dict(zip(fields, found, strict=True))
        prices.setdefault("filter_fj_per_byte", prices["ifmap_fj_per_byte"])  # a shared one
        leakage = self._value_at(sizes)[_CORES] * self._of_memories(figures.leakage, sizes).sum()
        return MachinePrices(
            mac_fj=figures.mac_fj,
            dram_fj_per_byte=figures.dram_fj,
            vector_fj=0.0,
            leakage_fj_per_cycle=leakage,
            **prices,
        )


# The prices of the memories of a machine, by whether the inputs share one.
_PRICE_FIELDS = {
    False: ("ifmap_fj_per_byte", "filter_fj_per_byte", "ofmap_fj_per_byte"),
    True: ("ifmap_fj_per_byte", "ofmap_fj_per_byte"),
}


def _ends(
    places: Float[Array, "*batch"],
) -> tuple[Int[Array, "*batch 2"], Float[Array, "*batch 2"]]:
    """The entries beside places and their weights in linear interpolation."""
    below = jnp.floor(places)
    share = places - below
    first = below.astype(jnp.int32)
    return jnp.stack([first, first + 1], axis=-1), jnp.stack([1 - share, share], axis=-1)


def _log_value(
    question: Question,
    cycles: Float[Array, "*batch"],
    energy: Float[Array, "*batch"],
    area: Float[Array, ""],
) -> Float[Array, "*batch"]:
    """The logarithm of the quantity to minimise."""
    match question.objective:
        case MachineObjective.LATENCY:
            return jnp.log(cycles)
        case MachineObjective.ENERGY:
            return jnp.log(energy)
        case MachineObjective.EDP:
            return jnp.log(cycles) + jnp.log(energy)
        case MachineObjective.THROUGHPUT_PER_AREA:
            return jnp.log(cycles) + jnp.log(area)


def batch_questions(problem: MachineProblem) -> NumberedWorkload:
    """The workloads of all questions, padded to the same number of GEMMs."""
    questions, platform = problem.questions, problem.platform
    most = max(len(question.gemms.gemms) for question in questions)
    dims = np.ones((len(questions), most, 3))
    counts = np.zeros((len(questions), most))
    axes = platform.hardware.axes
    first = {name: values[0] for name, values in axes.items()}
    cores = np.array(axes["num_cores"])[:, None]
    rates = np.array(axes["bandwidth_bytes_per_second"])
    machines = platform.hardware_of(
        **first | {"num_cores": cores, "bandwidth_bytes_per_second": rates}
    )
    prices = machine_prices(platform.hardware_of(**first), platform)
    cycles = np.zeros((len(questions), len(cores), len(rates)))
    energy = np.zeros(len(questions))
    for number, question in enumerate(questions):
        dims[number, : len(question.gemms.gemms)] = question.gemms.gemms
        counts[number, : len(question.gemms.gemms)] = question.gemms.counts
        for operator, runs in question.operators:
            costs = operator_costs(operator, machines, platform, prices)
            cycles[number] += runs * np.asarray(costs.cycles, np.float64)
            energy[number] += runs * float(costs.energy_fj)
    return NumberedWorkload(
        number=np.arange(len(questions)),
        dims=dims,
        counts=counts,
        operator_cycles=cycles,
        operator_fj=energy,
    )
