"""Runs to compare, through the package, the replay and the closed form, and how far they agree."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from airchitect_jax.cost import evaluate_memory
from airchitect_jax.cost.evaluate import evaluate
from airchitect_jax.scalesim import PackageRun, ReplayReport, ScalesimConfig
from airchitect_jax.scalesim.replay import replay
from airchitect_jax.types import (
    ArrayDesign,
    ArrayShape,
    BufferSizes,
    Dataflow,
    Gemm,
    Interface,
    IntLike,
    Memory,
    MemoryReport,
    RuntimeModel,
)
from airchitect_jax.workloads import Distribution, Network, sample_integers

REALISTIC_KB_EXPONENTS = (3, 10)  # 8 .. 1024 KB
SMALL_KB = (1, 4)  # where the artefacts of the package show
# About what the package takes, in seconds, on a core of 2024: measured on some hundred runs.
_SECONDS_A_LINE = 6e-5
_SECONDS_AN_EDGE_WORD = 3e-6  # rows + cols words a line
_SECONDS_A_DRAM_WORD = 4e-7


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runs:
    """Runs of GEMMs, each on an accelerator: whole numbers that broadcast, in NumPy arrays.

    Buffers are whole double buffers in kilobytes of 1024 words, a word being a byte. The bandwidth
    is that of each operand's port in words per cycle; 0 for the package's CALC mode, in which
    operands never wait.
    """

    m: Int[Array, "*batch"] | IntLike
    n: Int[Array, "*batch"] | IntLike
    k: Int[Array, "*batch"] | IntLike
    rows: Int[Array, "*batch"] | IntLike
    cols: Int[Array, "*batch"] | IntLike
    dataflow: Int[Array, "*batch"] | IntLike
    ifmap_sram_kb: Int[Array, "*batch"] | IntLike
    filter_sram_kb: Int[Array, "*batch"] | IntLike
    ofmap_sram_kb: Int[Array, "*batch"] | IntLike
    bandwidth: Int[Array, "*batch"] | IntLike

    def __len__(self) -> int:
        return len(self.m)

    def __getitem__(self, index: Any) -> Runs:
        """The runs that `index` picks of each field."""
        return Runs(**{name: field[index] for name, field in vars(self).items()})

    def with_sizes(self, sizes_kb: Int[np.ndarray, "*sizings 3"]) -> Runs:
        """The same with other ifmap, filter and ofmap buffers."""
        ifmap, filters, ofmap = np.moveaxis(sizes_kb, -1, 0)
        return dataclasses.replace(
            self, ifmap_sram_kb=ifmap, filter_sram_kb=filters, ofmap_sram_kb=ofmap
        )

    @property
    def gemm(self) -> Gemm:
        """The GEMMs."""
        return Gemm(m=self.m, n=self.n, k=self.k)

    @property
    def design(self) -> ArrayDesign:
        """The arrays with their dataflows."""
        return ArrayDesign(rows=self.rows, cols=self.cols, dataflow=self.dataflow)


def joined(parts: list[Runs]) -> Runs:
    """One after the other."""
    return Runs(
        **{
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in dataclasses.fields(Runs)
        }
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """Where runs come from: what is None is drawn."""

    network: Network | None = None
    config: ScalesimConfig | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ranges:
    """Inclusive ranges of what is drawn, log-uniform, and how often which buffers and modes.

    Of each `eighths` runs in eight have buffers of 1..4 KB each, or are in CALC mode; the rest
    have powers of two in 8..1024 KB, and a bandwidth (USER mode).
    """

    dims: tuple[int, int]
    sides: tuple[int, int]
    bandwidths: tuple[int, int]
    small_eighths: int = 0
    calc_eighths: int = 0


def draw(seed: int, num: int, ranges: Ranges, source: Source) -> Runs:
    """`num` runs, the same for the same arguments. Layers of a network come in turns."""
    keys = iter(jax.random.split(jax.random.key(seed), 16))

    def uniform(low: int, high: int) -> Int[np.ndarray, "num"]:
        return _drawn(next(keys), num, low, high, Distribution.UNIFORM)

    def log_uniform(bounds: tuple[int, int]) -> Int[np.ndarray, "num"]:
        return _drawn(next(keys), num, *bounds, Distribution.LOG_UNIFORM)

    small = uniform(0, 7) < ranges.small_eighths
    calc = uniform(0, 7) < ranges.calc_eighths
    dims, buffers = ("m", "n", "k"), ("ifmap_sram_kb", "filter_sram_kb", "ofmap_sram_kb")
    fields: dict[str, Any] = {
        **{name: log_uniform(ranges.dims) for name in dims},
        **{name: log_uniform(ranges.sides) for name in ("rows", "cols")},
        "dataflow": uniform(0, 2),
        **{
            name: np.where(small, uniform(*SMALL_KB), 1 << uniform(*REALISTIC_KB_EXPONENTS))
            for name in buffers
        },
        "bandwidth": np.where(calc, 0, log_uniform(ranges.bandwidths)),
    }
    if source.network is not None:
        turns = np.arange(num) % len(source.network.layers)
        fields |= {name: getattr(source.network.gemms, name)[turns] for name in dims}
    if source.config is not None:
        given = {name: getattr(source.config, name) for name in ("rows", "cols", *buffers)}
        given["dataflow"] = int(source.config.dataflow)
        given["bandwidth"] = source.config.bandwidth_words_per_cycle or 0
        fields |= {name: np.full(num, value, np.int64) for name, value in given.items()}
    return Runs(**fields)


def _drawn(
    key: jax.Array, num: int, low: int, high: int, distribution: Distribution
) -> Int[np.ndarray, "num"]:
    values = sample_integers(key, (num,), low=low, high=high, distribution=distribution)
    return np.asarray(values, np.int64)


def distinct(runs: Runs) -> Runs:
    """Each run once, in the order in which they first occur."""
    _, first = np.unique(np.stack(list(vars(runs).values())), axis=1, return_index=True)
    return runs[np.sort(first)]


def least_seconds(runs: Runs) -> Float[np.ndarray, "runs"]:
    """About what the package takes, waits for memory left out."""
    lines = np.asarray(evaluate(runs.gemm, runs.design).compute_cycles) + 1
    return lines * (_SECONDS_A_LINE + _SECONDS_AN_EDGE_WORD * (runs.rows + runs.cols))


def affordable(runs: Runs, seconds: float) -> Runs:
    """The runs that take the package up to about so many seconds and more than one cycle.

    A run of one cycle makes the package divide by zero.
    """
    estimate = least_seconds(runs)
    short = (estimate <= seconds) & (evaluate(runs.gemm, runs.design).compute_cycles > 0)
    runs, estimate = runs[short], estimate[short]
    report = replayed(runs)
    words = report.ifmap_dram_reads + report.filter_dram_reads + report.ofmap_dram_writes
    return runs[estimate + _SECONDS_A_DRAM_WORD * words <= seconds]


def replayed(runs: Runs) -> ReplayReport:
    """The exact replay of each run: fields of the broadcast shape."""
    return replay(
        runs.gemm,
        ArrayShape(rows=runs.rows, cols=runs.cols),
        runs.dataflow,
        ifmap_sram_kb=runs.ifmap_sram_kb,
        filter_sram_kb=runs.filter_sram_kb,
        ofmap_sram_kb=runs.ofmap_sram_kb,
        bandwidth_words_per_cycle=runs.bandwidth,
    )


def ideal(runs: Runs) -> MemoryReport:
    """`MemoryModel.IDEAL` on the package's terms: elements of a byte, a port for each operand.

    Raises:
      ValueError: a run in CALC mode, for which IDEAL has no counterpart.
    """
    return evaluate_memory(
        runs.gemm,
        runs.design,
        Memory(
            buffers=BufferSizes(
                ifmap_sram_bytes=1024 * runs.ifmap_sram_kb,
                filter_sram_bytes=1024 * runs.filter_sram_kb,
                ofmap_sram_bytes=1024 * runs.ofmap_sram_kb,
            ),
            bandwidth_bytes_per_cycle=runs.bandwidth,
        ),
        runtime_model=RuntimeModel.SCALESIM,
        interface=Interface.PORTS,
    )


QUANTITIES = tuple(field.name for field in dataclasses.fields(ReplayReport))
# Both sides round: the same quotient is computed in another order.
ROUNDING = 1e-12


class Simulate(Protocol):
    """The package, or what stands in for it: `scalesim.run_gemm` with a `Package`."""

    def __call__(
        self,
        gemm: Gemm,
        array: ArrayShape,
        dataflow: Dataflow,
        *,
        ifmap_sram_kb: int,
        filter_sram_kb: int,
        ofmap_sram_kb: int,
        bandwidth_words_per_cycle: int | None,
    ) -> PackageRun:
        """One run."""
        ...


def simulate_run(simulate: Simulate, runs: Runs, row: int) -> PackageRun:
    """One of the runs, by the package."""
    run = {name: int(field) for name, field in vars(runs[row]).items()}
    return simulate(
        Gemm(m=run["m"], n=run["n"], k=run["k"]),
        ArrayShape(rows=run["rows"], cols=run["cols"]),
        Dataflow(run["dataflow"]),
        ifmap_sram_kb=run["ifmap_sram_kb"],
        filter_sram_kb=run["filter_sram_kb"],
        ofmap_sram_kb=run["ofmap_sram_kb"],
        bandwidth_words_per_cycle=run["bandwidth"] or None,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Agreement:
    """Both sides of each run, fields of shape [runs].

    Attributes:
      runs: what was run.
      package, replay: what was reported.
      seconds: what the package took.
    """

    runs: Runs
    package: ReplayReport
    replay: ReplayReport
    seconds: Float[np.ndarray, "runs"]

    def equal(self, *quantities: str) -> Bool[np.ndarray, "runs"]:
        """Where both report the same values: counts exactly, ratios up to rounding."""
        equal = np.ones(len(self.runs), bool)
        for quantity in quantities:
            ours, theirs = getattr(self.replay, quantity), getattr(self.package, quantity)
            rounding = ROUNDING if ours.dtype.kind == "f" else 0
            equal &= np.isclose(ours, theirs, rtol=rounding, atol=0)
        return equal

    def mismatches(self) -> Iterator[dict[str, Any]]:
        """Run, quantity and both values of everything that differs."""
        for quantity in QUANTITIES:
            for row in np.flatnonzero(~self.equal(quantity)):
                yield {
                    "run": int(row),
                    "quantity": quantity,
                    "package": getattr(self.package, quantity)[row].item(),
                    "replay": getattr(self.replay, quantity)[row].item(),
                }


def agreement(runs: Runs, simulate: Simulate, progress: Callable[[int], None]) -> Agreement:
    """Runs the package on each run, one after the other, and the replay on all.

    Args:
      runs: at least one, fields of shape [runs].
      simulate: the package.
      progress: is called with how many runs are finished.
    """
    results = []
    for row in range(len(runs)):
        results.append(simulate_run(simulate, runs, row))
        progress(row + 1)
    package: dict[str, Any] = {
        name: np.stack([np.asarray(getattr(result.report, name)) for result in results])
        for name in QUANTITIES
    }
    return Agreement(
        runs=runs,
        package=ReplayReport(**package),
        replay=replayed(runs),
        seconds=np.array([result.seconds for result in results]),
    )
