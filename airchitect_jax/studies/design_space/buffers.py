"""What only case study 2 shows; when the budget is not used up, and what more of it buys."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from airchitect_jax.case_studies import BufferCase
from airchitect_jax.reporting.style import (
    BLACK,
    OF_DATAFLOW,
    ORANGE,
    PURPLE,
    SKY,
    legend_below,
    styled,
)
from airchitect_jax.studies.design_space.buffer_operands import MB, earners, operand_bytes, surfaces
from airchitect_jax.studies.design_space.exhibit import (
    SMALL,
    Exhibit,
    Grid,
    Maker,
    extra,
    geomean,
    listed,
    looks,
    panels,
    percent,
)
from airchitect_jax.studies.design_space.samples import Sample, labels_of
from airchitect_jax.types import Dataflow, Objective, RuntimeModel
from airchitect_jax.workloads import Network

_MOST_RETURNS = 10_000  # workloads whose optimum is found for every budget
_BANDWIDTHS = ((1, 8), (9, 32), (33, 10_000))  # bytes per cycle: narrow, middle, wide


def variants(case: BufferCase) -> Mapping[str, BufferCase]:
    """The case study itself, with the other runtime model, and with the other objectives."""
    other = next(model for model in RuntimeModel if model is not case.runtime_model)
    return {
        f"cycles, {case.runtime_model.value}": case,
        f"cycles, {other.value}": dataclasses.replace(case, runtime_model=other),
        **{
            objective.value: dataclasses.replace(case, objective=objective)
            for objective in (Objective.ENERGY, Objective.EDP)
        },
    }


@styled
def unused(case: BufferCase, samples: Sequence[Sample]) -> Exhibit:
    """When the best sizing uses less than the whole budget."""
    step = case.space.step_kb
    figure, axes = panels(1, len(samples) + 1, width=12, height=4)
    rows: list[list[Any]] = [["distribution", "budget_kb", "workloads", "unused_share"]]
    sentences, summary = [], {}
    image: Any = None
    grid = Grid(
        x=np.linspace(-8, 8, 41),
        y=(np.arange(case.min_budget_kb // step, case.max_budget_kb // step + 2) - 0.5) * step,
    )
    for place, sample, style in zip(axes[0, 1:], samples, looks(samples), strict=True):
        budget = sample.workloads[0]
        total = case.space.levels[sample.design_ids].sum(axis=1)
        idle = total < budget
        swept, column = operand_bytes(case, sample.workloads)
        image = grid.draw(
            place,
            grid.mean(np.log2((swept + column) / MB), budget * step, idle),
            cmap="viridis",
            vmin=0,
            vmax=1,
        )
        place.set_title(sample.name, fontsize=SMALL)
        place.set_xlabel("log2(swept operand + column tile, in MB)")
        place.set_ylabel("SRAM budget (KB)")
        budgets = np.unique(budget)
        shares = [float(idle[budget == b].mean()) for b in budgets]
        axes[0, 0].plot(budgets * step, shares, label=sample.name, markersize=4, **style)
        rows += [
            [sample.name, int(b) * step, int((budget == b).sum()), share]
            for b, share in zip(budgets, shares, strict=True)
        ]
        smallest = float((sample.design_ids == 0).mean())
        used = float((total / budget).mean())
        sentences.append(
            f"{sample.name}: {percent(idle.mean())} of the best sizings leave budget unused,"
            f" from {percent(shares[0])} under {budgets[0] * step} KB to {percent(shares[-1])}"
            f" under {budgets[-1] * step} KB; {percent(smallest)} are the smallest there is, and"
            f" the mean use is {percent(used)} of the budget."
        )
        summary[sample.name] = {"unused_share": float(idle.mean()), "mean_use": used}
    figure.colorbar(image, ax=list(axes[0, 1:]), label="share that leaves budget unused")
    axes[0, 0].set_xlabel("SRAM budget (KB)")
    axes[0, 0].set_ylabel("share that leaves budget unused")
    axes[0, 0].set_ylim(0, 1.03)
    legend_below(figure, axes[0, :1], columns=2)
    return Exhibit(
        name="unused_budget",
        title="When the best sizing uses less than the whole budget",
        text=" ".join(sentences),
        figure=figure,
        rows=rows,
        summary=summary,
    )


@styled
def returns(case: BufferCase, samples: Sequence[Sample]) -> Exhibit:
    """Best cycles against the budget, by dataflow and by bandwidth."""
    step = case.space.step_kb
    budgets = np.arange(case.min_budget_kb // step, case.max_budget_kb // step + 1)
    figure, axes = panels(1, len(samples) + 1, width=12, height=4.2)
    rows: list[list[Any]] = [["distribution", "group", "workloads", "budget_kb", "speedup"]]
    sentences, summary = [], {}
    gains: dict[tuple[str, str], float] = {}  # of the largest budget, by distribution and group
    for place, sample, style in zip(axes[0], samples, looks(samples), strict=False):
        part = sample.first(_MOST_RETURNS)
        under_each = np.tile(part.workloads, len(budgets))
        under_each[0] = np.repeat(budgets, len(part))
        cycles = case.costs(under_each, labels_of(case, under_each)).reshape(len(budgets), -1)
        speedup = cycles[0] / cycles
        dataflow, bandwidth = part.workloads[6], part.workloads[7]
        lines: list[tuple[Any, str, Any, dict[str, Any]]] = [
            (place, flow.name, dataflow == flow, dict(OF_DATAFLOW[flow])) for flow in Dataflow
        ]
        lines += [
            (
                axes[0, -1],
                f"{low} to {min(high, case.max_bandwidth)} B/cycle, {sample.name}",
                (bandwidth >= low) & (bandwidth <= high),
                {"color": color, "linestyle": style["linestyle"], "marker": style["marker"]},
            )
            for (low, high), color in zip(_BANDWIDTHS, (ORANGE, PURPLE, SKY), strict=True)
        ]
        for where, name, here, look in lines:
            if here.any():
                means = [geomean(row[here]) for row in speedup]
                where.plot(budgets * step, means, label=name, markersize=3, **look)
                gains[sample.name, name] = means[-1]
                rows += [
                    [sample.name, name, int(here.sum()), int(b) * step, one]
                    for b, one in zip(budgets, means, strict=True)
                ]
        mean = np.array([geomean(row) for row in speedup])
        place.set_title(f"{sample.name}, {len(part):,} workloads", fontsize=SMALL)
        half = 1 + (mean[-1] - 1) / 2
        enough = int(budgets[int(np.argmax(mean >= half))]) * step
        none = float((cycles[0] == cycles[-1]).mean())
        sentences.append(
            f"{sample.name}: from {budgets[0] * step} to {budgets[-1] * step} KB the best cycles"
            f" fall by a factor of {mean[-1]:.3f} in the geometric mean and"
            f" {np.quantile(speedup[-1], 0.9):.2f} at the 90th percentile; half of that gain is"
            f" there at {enough} KB, and {percent(none)} of {len(part):,} workloads gain nothing."
        )
        summary[sample.name] = {
            "speedup": float(mean[-1]),
            "no_gain_share": none,
            "half_of_gain_at_kb": enough,
        }
    shown = samples[0].name
    by_flow = [
        f"{flow.name} {extra(gains[shown, flow.name] - 1)}"
        for flow in Dataflow
        if (shown, flow.name) in gains
    ]
    sentences.append(f"By dataflow the largest budget buys, {shown}: {listed(by_flow)}.")
    for place in axes[0]:
        place.axhline(1, color=BLACK, linewidth=1, linestyle=":")
        place.set_xlabel("SRAM budget (KB)")
    axes[0, 0].set_ylabel(f"speedup over {budgets[0] * step} KB (geometric mean)")
    legend_below(figure, axes[0], columns=3)  # dataflows, then bandwidths
    return Exhibit(
        name="returns",
        title="Best cycles against the budget",
        text=" ".join(sentences),
        figure=figure,
        rows=rows,
        summary=summary,
    )


def exhibits(
    case: BufferCase, samples: Sequence[Sample], networks: Sequence[Network]
) -> Sequence[Maker]:
    """What only this case study shows: name and maker of each exhibit."""
    del networks
    main = samples[0]
    return (
        ("stall surface", lambda: surfaces(case, main)),
        ("earners", lambda: earners(case, main)),
        ("unused budget", lambda: unused(case, samples)),
        ("returns", lambda: returns(case, samples)),
    )
