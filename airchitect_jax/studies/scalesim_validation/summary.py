"""The numbers of a validation, for summary.json."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from airchitect_jax.studies.scalesim_validation.runs import (
    QUANTITIES,
    REALISTIC_KB_EXPONENTS,
    Agreement,
    ideal,
)
from airchitect_jax.studies.scalesim_validation.sizing import (
    RULES,
    SizingResults,
    choices,
    correlations,
    error_summary,
    ratio_summary,
    ratios_to_best,
)
from airchitect_jax.types import Dataflow, IntLike

GROUPS = {
    "cycles": ("total_cycles", "stall_cycles", "compute_cycles"),
    "utilisations": ("overall_utilization", "mapping_efficiency", "compute_utilization"),
    "SRAM": ("ifmap_sram_reads", "filter_sram_reads", "ofmap_sram_writes"),
    "DRAM": ("ifmap_dram_reads", "filter_dram_reads", "ofmap_dram_writes"),
}
ALL = "all"
READ_RATIOS = (1.2, 2, 5)  # that separate the errors of IDEAL


def dataflows(
    values: IntLike, *, together: bool = True
) -> Iterator[tuple[str, Bool[np.ndarray, "num"]]]:
    """Name and mask of each dataflow that occurs, then of all."""
    for dataflow in Dataflow:
        if (values == dataflow).any():
            yield dataflow.name, values == dataflow
    if together:
        yield ALL, np.ones(len(values), bool)


def match_rows(result: Agreement) -> list[list[Any]]:
    """A header, then one row per dataflow and quantity: runs, and those that are equal."""
    rows = (
        [name, quantity, int(here.sum()), int(result.equal(quantity)[here].sum())]
        for name, here in dataflows(result.runs.dataflow, together=False)
        for quantity in QUANTITIES
    )
    return [["dataflow", "quantity", "runs", "matches"], *rows]


def agreement_summary(result: Agreement) -> dict[str, Any]:
    """Runs, those with stalls, and those in which each group of quantities is equal."""
    return {
        name: {
            "runs": int(here.sum()),
            "with_stalls": int((result.package.stall_cycles[here] > 0).sum()),
            **{group: int(result.equal(*names)[here].sum()) for group, names in GROUPS.items()},
        }
        for name, here in dataflows(result.runs.dataflow)
    }


def package_error_summary(result: Agreement) -> dict[str, Any]:
    """Errors of IDEAL against the package itself, where it has a counterpart: USER mode.

    Runs with a buffer below the realistic sizes are left out.
    """
    smallest = 1 << REALISTIC_KB_EXPONENTS[0]
    runs = result.runs
    sizes = np.stack([runs.ifmap_sram_kb, runs.filter_sram_kb, runs.ofmap_sram_kb])
    here = (runs.bandwidth > 0) & (sizes >= smallest).all(axis=0)
    if not here.any():
        return {"evaluations": 0}
    package = np.asarray(result.package.total_cycles)[here]
    errors = error_summary(np.asarray(ideal(runs[here]).total_cycles), package)
    return {"evaluations": int(here.sum()), **errors}


def error_by_dataflow(result: SizingResults) -> dict[str, Any]:
    """Errors of IDEAL over all sizings, and over those in which the package waits or does not."""
    waits = result.package_stalls > 0
    kinds = {"all": np.ones_like(waits), "package_waits": waits, "package_never_waits": ~waits}
    return {
        name: _errors(result, {kind: some & here[:, None] for kind, some in kinds.items()})
        for name, here in dataflows(result.workloads.dataflow)
    }


def error_by_reads(result: SizingResults) -> dict[str, Any]:
    """Errors of IDEAL where the package waits, by the ratio of the words that both read."""
    waits = result.package_stalls > 0
    times = result.package_reads / result.ideal_reads
    edges = (0, *READ_RATIOS, np.inf)
    names = ("up to {1:g}", *("{0:g} to {1:g}",) * (len(edges) - 3), "over {0:g}")
    return _errors(
        result,
        {
            name.format(low, high): waits & (low < times) & (times <= high)
            for name, (low, high) in zip(names, itertools.pairwise(edges), strict=True)
        },
    )


def _errors(
    result: SizingResults, kinds: Mapping[str, Bool[np.ndarray, "workloads sizings"]]
) -> dict[str, Any]:
    return {
        kind: {
            "evaluations": int(some.sum()),
            **error_summary(result.ideal[some], result.package[some]),
        }
        for kind, some in kinds.items()
        if some.any()
    }


def correlation_by_dataflow(result: SizingResults) -> dict[str, Any]:
    """Rank correlations; workloads whose package cycles do not vary are only counted.

    Those of which only IDEAL's do not vary have 0, and are left out `_where_ideal_varies`.
    """
    values = correlations(result)
    varies = ~np.isnan(values)
    ideal_varies = varies & (np.ptp(result.ideal, axis=1) > 0)
    return {
        name: {
            "workloads": int(here.sum()),
            "package_constant": int((here & ~varies).sum()),
            "ideal_constant": int((here & varies & ~ideal_varies).sum()),
            **_quantiles(values[here & varies]),
            **_quantiles(values[here & ideal_varies], "_where_ideal_varies"),
        }
        for name, here in dataflows(result.workloads.dataflow)
    }


def _quantiles(values: Float[np.ndarray, "num"], suffix: str = "") -> dict[str, float | None]:
    if not len(values):
        return {f"median{suffix}": None, f"p10{suffix}": None}
    return {
        f"median{suffix}": float(np.median(values)),
        f"p10{suffix}": float(np.quantile(values, 0.1)),
    }


def regret_summary(result: SizingResults) -> dict[str, Any]:
    """Chosen over fewest cycles of each rule: over all budgets, by dataflow and by budget."""
    ratios = ratios_to_best(result, choices(result))
    return {
        rule: {
            "choices": ratios[rule].size,
            "best_share": float((ratios[rule] == 1).mean()),
            **ratio_summary(ratios[rule].ravel()),
            "geomean_by_dataflow": {
                name: ratio_summary(ratios[rule][here].ravel())["geomean"]
                for name, here in dataflows(result.workloads.dataflow, together=False)
            },
            "geomean_by_budget_kb": {
                str(budget): ratio_summary(column)["geomean"]
                for budget, column in zip(result.grid.budgets_kb, ratios[rule].T, strict=True)
            },
        }
        for rule in RULES
    }


def run_rows(result: Agreement, sources: Iterable[str]) -> list[list[Any]]:
    """A header, then one row per run: its source, its parameters, both sides of each quantity.

    The cycles of IDEAL stand beside them, empty in CALC mode.
    """
    runs = result.runs
    ideal_cycles = np.full(len(runs), "", object)
    user = runs.bandwidth > 0
    ideal_cycles[user] = ideal(runs[user]).total_cycles
    columns: Mapping[str, Iterable[Any]] = {
        "source": sources,
        **vars(runs),
        "dataflow": [Dataflow(value).name for value in runs.dataflow],
        **{
            f"{side}_{quantity}": getattr(report, quantity)
            for quantity in QUANTITIES
            for side, report in (("package", result.package), ("replay", result.replay))
        },
        "ideal_total_cycles": ideal_cycles,
        "package_seconds": result.seconds,
    }
    return [list(columns), *(list(row) for row in zip(*columns.values(), strict=True))]
