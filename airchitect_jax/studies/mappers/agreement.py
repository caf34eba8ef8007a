"""Counts of the same mappings by our model and by AccelForge."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from airchitect_jax.cost import tiled_costs
from airchitect_jax.studies.mappers import accelforge_files
from airchitect_jax.studies.mappers.cases import Case, to_row
from airchitect_jax.studies.mappers.counts import (
    DRAM,
    SRAM,
    Counts,
    accelforge_counts,
    our_counts,
)
from airchitect_jax.types import Dataflow, Traffic

# Is sent a request and returns the package's answer.
Ask = Callable[[dict[str, Any]], Mapping[str, Any]]
_COLUMNS = (*DRAM, *SRAM, "parallel_cycles", "latency")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """One mapping in both models.

    Attributes:
      ours, theirs: the counts.
      total_cycles: ours, with the skew of the array, fill, drain and stalls of single steps.
    """

    case: Case
    ours: Counts
    theirs: Counts
    total_cycles: int

    @property
    def differing(self) -> list[str]:
        """The counts that must agree and do not.

        The total cycles must lie between AccelForge's latency and the sum of what it overlaps; they
        exceed it by fill and drain where nothing else takes time.
        """
        names = [name for name in self.case.compared if not self.is_equal(name)]
        bound = self.theirs.latency + 2 if self.case.is_simple else None
        if self.total_cycles < self.theirs.latency or bound not in (None, self.total_cycles):
            names.append("total_cycles")
        return names

    def is_equal(self, name: str) -> bool:
        """Whether both have the same count."""
        return self.ours.value(name) == self.theirs.value(name)


def outcome(case: Case, theirs: Counts) -> Outcome:
    """Our counts beside AccelForge's."""
    arguments = (case.gemm, case.mapping, case.hardware, case.platform)
    return Outcome(
        case=case,
        ours=our_counts(*arguments),
        theirs=theirs,
        total_cycles=int(tiled_costs(*arguments).total_cycles),
    )


def compare_counts(cases: Sequence[Case], ask: Ask, tell: Callable[[int], None]) -> list[Outcome]:
    """Evaluates each mapping in both.

    Args:
      cases: the mappings.
      ask: AccelForge.
      tell: is called with the number that are done.

    Raises:
      ValueError: AccelForge refuses a mapping.
    """
    outcomes = []
    for case in cases:
        flow = Dataflow(int(case.mapping.dataflow))
        text = accelforge_files.specification(
            case.gemm, case.hardware, case.platform, flow, case.mapping
        )
        answer = ask({"specification": text, "objective": None})
        if answer["error"] is not None:
            raise ValueError(f"AccelForge refuses a mapping: {answer['error']}: {to_row(case)}")
        theirs = accelforge_counts(answer, case.gemm, case.mapping, case.hardware, case.platform)
        outcomes.append(outcome(case, theirs))
        tell(len(outcomes))
    return outcomes


def golden_rows(outcomes: Iterable[Outcome]) -> list[list[Any]]:
    """A header, then a row per mapping: the case, and AccelForge's counts that must agree.

    The latency, which bounds the total cycles, is in every row.
    """

    def cell(one: Outcome, name: str) -> float | str:
        if name not in (*one.case.compared, "latency"):
            return ""
        value = one.theirs.value(name)
        return int(value) if value.denominator == 1 else float(value)

    rows = [
        {**to_row(one.case), **{name: cell(one, name) for name in _COLUMNS}} for one in outcomes
    ]
    return [list(rows[0]), *(list(row.values()) for row in rows)]


def golden_counts(row: Mapping[str, str]) -> Counts:
    """AccelForge's counts of such a row, zero where the row has none."""
    values = {name: Fraction(row[name] or 0) for name in _COLUMNS}
    parallel_cycles, latency = values.pop("parallel_cycles"), values.pop("latency")
    return Counts(Traffic(**values), parallel_cycles, latency)


def agreement_summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Mappings, and those with the same counts, by kind and dataflow."""
    groups: dict[str, list[Outcome]] = {}
    for one in sorted(outcomes, key=lambda one: (one.case.mapping.dataflow, not one.case.is_even)):
        kind = "even" if one.case.is_even else "with edges"
        groups.setdefault(f"{Dataflow(int(one.case.mapping.dataflow)).name}, {kind}", []).append(
            one
        )
    return {name: _agreement(group) for name, group in groups.items()}


def _agreement(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    groups = {
        "dram": DRAM,
        "sram": SRAM,
        "computing": ("parallel_cycles",),
        "latency": ("latency",),
    }

    def share(names: Sequence[str]) -> list[int]:
        """Those that agree, of those that must."""
        those = [one for one in outcomes if set(names) <= set(one.case.compared)]
        return [sum(all(map(one.is_equal, names)) for one in those), len(those)]

    ratios = sorted(float(one.total_cycles / one.theirs.latency) for one in outcomes)
    return {
        "mappings": len(outcomes),
        **{group: share(names) for group, names in groups.items()},
        "total_over_latency_median": statistics.median(ratios),
        "total_over_latency_max": ratios[-1],
    }
