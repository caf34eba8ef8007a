"""How well IDEAL sizes the three buffers, judged by the package.

The package takes seconds per run, so its exact replay stands in for it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Bool, Float, Int

from airchitect_jax.studies.scalesim_validation.runs import Runs, ideal, replayed

Values = Int[np.ndarray, "num"] | Float[np.ndarray, "num"]


def average_ranks(values: Values) -> Float[np.ndarray, "num"]:
    """Ranks from 1 in ascending order; equal values share the mean of their ranks."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes - 1) / 2)[group]


def rank_correlation(estimate: Values, truth: Values) -> float:
    """Spearman's correlation: that of the ranks, ties averaged, in -1..1.

    NaN where the truth is constant, 0 where only the estimate is.
    """
    ranks = [average_ranks(values) for values in (estimate, truth)]
    estimate_ranks, truth_ranks = (rank - rank.mean() for rank in ranks)
    spread = (truth_ranks**2).sum()
    if spread == 0:
        return float("nan")
    norm = np.sqrt(spread * (estimate_ranks**2).sum())
    return float(estimate_ranks @ truth_ranks / norm) if norm > 0 else 0.0


def error_summary(estimate: Values, truth: Values) -> dict[str, float]:
    """Relative errors `estimate / truth - 1`: absolute (median, 90th percentile) and signed.

    Args:
      estimate: of any positive values, at least one.
      truth: the values that are estimated.

    Returns:
      Fractions: `median_error`, `p90_error` (both absolute), `median_bias`, `mean_bias`.
    """
    errors = np.asarray(estimate, np.float64) / truth - 1
    return {
        "median_error": float(np.median(np.abs(errors))),
        "p90_error": float(np.quantile(np.abs(errors), 0.9)),
        "median_bias": float(np.median(errors)),
        "mean_bias": float(np.mean(errors)),
    }


def ratio_summary(ratios: Float[np.ndarray, "num"]) -> dict[str, float]:
    """Geometric mean, median, 90th percentile and maximum of chosen / best, each at least 1."""
    return {
        "geomean": float(np.exp(np.mean(np.log(ratios)))),
        "median": float(np.median(ratios)),
        "p90": float(np.quantile(ratios, 0.9)),
        "max": float(np.max(ratios)),
    }


IDEAL = "IDEAL"
IDEAL_LARGEST = "IDEAL, largest of ties"
PROPORTIONAL = "proportional"
THIRDS = "equal thirds"
RULES = (IDEAL, IDEAL_LARGEST, PROPORTIONAL, THIRDS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SizeGrid:
    """Sizings of the ifmap, filter and ofmap buffer: every triple of a few sizes.

    In tie order: smaller total, then smaller ifmap, then smaller filter buffer.

    Attributes:
      levels_kb: the sizes, ascending.
    """

    levels_kb: tuple[int, ...] = (8, 16, 32, 64, 128, 256, 512, 1024)

    @functools.cached_property
    def sizes_kb(self) -> Int[np.ndarray, "sizings 3"]:
        """All sizings."""
        triples = (
            (i, f, o) for i in self.levels_kb for f in self.levels_kb for o in self.levels_kb
        )
        return np.array(sorted(triples, key=lambda sizes: (sum(sizes), sizes)), np.int64)

    @property
    def totals_kb(self) -> Int[np.ndarray, "sizings"]:
        """The three buffers together."""
        return self.sizes_kb.sum(axis=1)

    @property
    def budgets_kb(self) -> tuple[int, ...]:
        """Budgets with several feasible sizings: six times each size but the last."""
        return tuple(6 * level for level in self.levels_kb[:-1])

    @functools.cached_property
    def id_of_levels(self) -> Int[np.ndarray, "levels levels levels"]:
        """Which sizing has these indices into `levels_kb`."""
        ids = np.empty((len(self.levels_kb),) * 3, np.int64)
        ids[tuple(np.searchsorted(self.levels_kb, self.sizes_kb.T))] = np.arange(len(self.sizes_kb))
        return ids

    def feasible(self) -> Bool[np.ndarray, "budgets sizings"]:
        """Which sizings each budget allows."""
        return self.totals_kb <= np.array(self.budgets_kb)[:, None]

    def rounded_down(self, sizes_kb: Float[np.ndarray, "*batch 3"]) -> Int[np.ndarray, "*batch"]:
        """The sizing with the largest size up to each of these, none below the smallest size."""
        indices = np.searchsorted(self.levels_kb, sizes_kb, side="right") - 1
        return self.id_of_levels[tuple(np.moveaxis(np.maximum(indices, 0), -1, 0))]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SizingResults:
    """Total cycles of each workload with each sizing, by the package's replay and by IDEAL.

    `package_stalls` are those of the package's cycles in which something waits; reads are words
    of ifmap and filter from DRAM.
    """

    workloads: Runs
    grid: SizeGrid
    package: Int[np.ndarray, "workloads sizings"]
    package_stalls: Int[np.ndarray, "workloads sizings"]
    package_reads: Int[np.ndarray, "workloads sizings"]
    ideal: Int[np.ndarray, "workloads sizings"]
    ideal_reads: Int[np.ndarray, "workloads sizings"]


def compare_sizings(
    workloads: Runs, grid: SizeGrid, progress: Callable[[int], None]
) -> SizingResults:
    """Both sides of every workload with every sizing.

    Args:
      workloads: fields of shape [workloads], in USER mode; their own buffers play no part.
      grid: the sizings.
      progress: is called with how many workloads are finished.
    """
    reports = []
    for row in range(len(workloads)):
        reports.append(replayed(workloads[row].with_sizes(grid.sizes_kb)))
        progress(row + 1)
    closed_form = ideal(workloads[:, None].with_sizes(grid.sizes_kb))
    moved = closed_form.traffic
    return SizingResults(
        workloads=workloads,
        grid=grid,
        package=np.stack([report.total_cycles for report in reports]),
        package_stalls=np.stack([report.stall_cycles for report in reports]),
        package_reads=np.stack(
            [report.ifmap_dram_reads + report.filter_dram_reads for report in reports]
        ),
        ideal=np.asarray(closed_form.total_cycles),
        ideal_reads=np.asarray(moved.ifmap_dram_read_bytes + moved.filter_dram_read_bytes),
    )


def correlations(result: SizingResults) -> Float[np.ndarray, "workloads"]:
    """Rank correlation over the sizings of each workload; NaN where the package's do not vary."""
    pairs = zip(result.ideal, result.package, strict=True)
    return np.array([rank_correlation(ideal, package) for ideal, package in pairs])


def first_of_fewest(
    cycles: Int[np.ndarray, "workloads sizings"], feasible: Bool[np.ndarray, "budgets sizings"]
) -> Int[np.ndarray, "workloads budgets"]:
    """The sizing with the fewest cycles within each budget, the first of equals."""
    never = np.iinfo(np.int64).max
    return np.where(feasible, cycles[:, None, :], never).argmin(axis=2)


def choices(result: SizingResults) -> dict[str, Int[np.ndarray, "workloads budgets"]]:
    """The sizing that each rule chooses.

    IDEAL takes the fewest of its cycles, then the smallest total, as labels do, or the largest
    total. Proportional gives each operand the smallest size and its share of the rest, rounded
    down to a size; thirds the largest size that three times fits.
    """
    grid, runs = result.grid, result.workloads
    feasible = grid.feasible()
    last = len(grid.sizes_kb) - 1
    operands = np.stack([runs.m * runs.k, runs.k * runs.n, runs.m * runs.n], axis=1)
    shares = operands / operands.sum(axis=1, keepdims=True)
    smallest = grid.levels_kb[0]
    spare = np.array(grid.budgets_kb)[:, None] - 3 * smallest
    thirds = np.repeat(np.array(grid.budgets_kb)[:, None] / 3, 3, axis=1)
    return {
        IDEAL: first_of_fewest(result.ideal, feasible),
        IDEAL_LARGEST: last - first_of_fewest(result.ideal[:, ::-1], feasible[:, ::-1]),
        PROPORTIONAL: grid.rounded_down(smallest + spare * shares[:, None, :]),
        THIRDS: np.repeat(grid.rounded_down(thirds)[None], len(runs), axis=0),
    }


def ratios_to_best(
    result: SizingResults, chosen: Mapping[str, Int[np.ndarray, "workloads budgets"]]
) -> dict[str, Float[np.ndarray, "workloads budgets"]]:
    """The package's cycles with the chosen sizing over its fewest within the budget."""
    best = first_of_fewest(result.package, result.grid.feasible())
    fewest = np.take_along_axis(result.package, best, axis=1)
    return {
        rule: np.take_along_axis(result.package, sizings, axis=1) / fewest
        for rule, sizings in chosen.items()
    }
