"""What only case study 2 shows; when the budget is not used up, and what more of it buys."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from airchitect_jax.case_studies import BufferCase
from airchitect_jax.reporting import style
from airchitect_jax.studies.design_space import exhibit
from airchitect_jax.studies.design_space.buffer_operands import MB, earners, operand_bytes, surfaces
from airchitect_jax.studies.design_space.samples import Sample, labels_of
from airchitect_jax.types import Dataflow
from airchitect_jax.workloads import Network

_MOST_RETURNS = 10_000  # workloads whose optimum is found for every budget
_BANDWIDTHS = ((1, 8), (9, 32), (33, 10_000))  # bytes per cycle: narrow, middle, wide


def _budgets(case: BufferCase) -> Int[np.ndarray, "budgets"]:
    """All budgets, in steps of the space."""
    step = case.space.step_kb
    return np.arange(case.min_budget_kb // step, case.max_budget_kb // step + 1)


@style.styled
def unused(case: BufferCase, samples: Sequence[Sample]) -> exhibit.Exhibit:
    """When the best sizing uses less than the whole budget."""
    step, budgets = case.space.step_kb, _budgets(case)
    grid = exhibit.Grid(
        x=np.linspace(-8, 8, 41), y=(np.append(budgets, budgets[-1] + 1) - 0.5) * step
    )
    usage, summary = [], {}
    for sample in samples:
        total = case.space.levels[sample.design_ids].sum(axis=1)
        budget = sample.feature("budget_steps")
        idle = total < budget
        size = np.log2(np.add(*operand_bytes(case, sample.workloads)) / MB)
        usage.append(
            exhibit.Usage(
                sample=sample, budgets=np.unique(budget), budget=budget, size=size, idle=idle
            )
        )
        summary[sample.name] = {
            "unused_share": float(idle.mean()),
            "mean_use": float((total / budget).mean()),
        }
    return exhibit.Exhibit(
        name="unused_budget",
        title="When the best sizing uses less than the whole budget",
        caption=exhibit.captioned(
            "{unused_share:.1%} of the best sizings leave budget unused; on average they use"
            " {mean_use:.1%} of it",
            summary,
        ),
        figure=exhibit.draw_usage(
            usage, grid, "SRAM budget (KB)", "log2(swept operand + column tile, in MB)", step=step
        ),
        rows=[
            ["distribution", "budget_kb", "workloads", "unused_share"],
            *(row for one in usage for row in one.rows(one.budgets * step)),
        ],
        summary=summary,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Returns:
    """Cycles of the best sizing for each workload under each budget."""

    sample: Sample
    cycles: Int[np.ndarray, "budgets num"]

    @classmethod
    def of(cls, case: BufferCase, sample: Sample) -> _Returns:
        part, budgets = sample.first(_MOST_RETURNS), _budgets(case)
        values = case.by_name(np.tile(part.workloads, len(budgets)))
        values["budget_steps"] = np.repeat(budgets, len(part)).astype(np.int32)
        under_each = np.stack(list(values.values()))
        cycles = case.costs(under_each, labels_of(case, under_each))
        return cls(sample=part, cycles=cycles.reshape(len(budgets), -1))

    def speedup(self, here: Bool[np.ndarray, "num"] | slice = slice(None)) -> Any:
        """Over the smallest budget, the geometric mean of some workloads, Float[budgets]."""
        ratios = self.cycles[0] / self.cycles
        return np.array([exhibit.geomean(row[here]) for row in ratios])

    def groups(self, case: BufferCase) -> dict[str, tuple[dict[str, Any], Bool[np.ndarray, "num"]]]:
        """Style and mask of the workloads of each dataflow, then of each range of bandwidths."""
        dataflow = self.sample.feature("dataflow")
        bandwidth = self.sample.feature("bandwidth_bytes_per_cycle")
        line = exhibit.look(self.sample)
        some = [(flow.name, dict(style.OF_DATAFLOW[flow]), dataflow == flow) for flow in Dataflow]
        for (low, high), color in zip(
            _BANDWIDTHS, (style.ORANGE, style.PURPLE, style.SKY), strict=True
        ):
            name = f"{low} to {min(high, case.max_bandwidth)} B/cycle, {self.sample.name}"
            some.append((name, {**line, "color": color}, (bandwidth >= low) & (bandwidth <= high)))
        return {name: (own, here) for name, own, here in some if here.any()}

    def summary(self, budgets_kb: Int[np.ndarray, "budgets"]) -> dict[str, Any]:
        """The numbers of this sample."""
        mean = self.speedup()
        half = 1 + (mean[-1] - 1) / 2
        return {
            "speedup": float(mean[-1]),
            "no_gain_share": float((self.cycles[0] == self.cycles[-1]).mean()),
            "half_of_gain_at_kb": int(budgets_kb[int(np.argmax(mean >= half))]),
        }


@style.styled
def returns(case: BufferCase, samples: Sequence[Sample]) -> exhibit.Exhibit:
    """Best cycles against the budget, by dataflow and by bandwidth."""
    budgets_kb = _budgets(case) * case.space.step_kb
    figure, (axes,) = exhibit.panels(1, len(samples) + 1, width=12, height=4.2)
    rows: list[list[Any]] = [["distribution", "group", "workloads", "budget_kb", "speedup"]]
    summary = {}
    for panel, sample in zip(axes, samples, strict=False):
        found = _Returns.of(case, sample)
        for name, (line, here) in found.groups(case).items():
            means = found.speedup(here)
            of_flow = name in Dataflow.__members__
            where = panel if of_flow else axes[-1]
            where.plot(budgets_kb, means, label=name, **{**line, "markersize": 3})
            rows += [
                [sample.name, name, int(here.sum()), int(kb), float(mean)]
                for kb, mean in zip(budgets_kb, means, strict=True)
            ]
        panel.set_title(f"{sample.name}, {len(found.sample):,} workloads", fontsize=exhibit.SMALL)
        summary[sample.name] = found.summary(budgets_kb)
    for panel in axes:
        panel.axhline(1, color=style.BLACK, linewidth=1, linestyle=":")
        panel.set_xlabel("SRAM budget (KB)")
    axes[0].set_ylabel(f"speedup over {budgets_kb[0]} KB (geometric mean)")
    style.legend_below(figure, axes, columns=3)  # dataflows, then bandwidths
    return exhibit.Exhibit(
        name="returns",
        title="Best cycles against the budget",
        caption=exhibit.captioned(
            "from {low} to {high} KB a speedup of {speedup:.3f} (geometric mean), half of the gain"
            " at {half_of_gain_at_kb} KB; none for {no_gain_share:.1%} of workloads",
            summary,
            low=budgets_kb[0],
            high=budgets_kb[-1],
        ),
        figure=figure,
        rows=rows,
        summary=summary,
    )


def exhibits(
    case: BufferCase, samples: Sequence[Sample], networks: Sequence[Network]
) -> Sequence[exhibit.Maker]:
    """What only this case study shows: name and maker of each exhibit."""
    del networks
    main = samples[0]
    return (
        ("stall surface", lambda: surfaces(case, main)),
        ("earners", lambda: earners(case, main)),
        ("unused budget", lambda: unused(case, samples)),
        ("returns", lambda: returns(case, samples)),
    )
