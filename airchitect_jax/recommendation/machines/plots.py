"""Figures of the answer for a platform. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from airchitect_jax.recommendation.machines.answer import MachineAnswer
from airchitect_jax.recommendation.machines.tables import (
    bandwidth_bytes_per_second,
    mapping_text,
    milliseconds,
    part_text,
)
from airchitect_jax.recommendation.roofline import roofline_of
from airchitect_jax.recommendation.tables import beginning, by_gemm, dims_text
from airchitect_jax.reporting import number_text
from airchitect_jax.reporting.style import (
    BLUE,
    ORANGE,
    PHONE,
    Drawing,
    MaxNLocator,
    legend_below,
    line_style,
    new_figure,
    plain,
    plain_log,
    styled,
)

_MOST_BARS = 24
_MOST_LETTERS = 20
COMPARISON = "Time of all runs of each layer on each machine, in the order of the workload."


def figures(answer: MachineAnswer) -> Mapping[str, tuple[str, Drawing]]:
    """Caption and figure by file name."""
    return {
        "time": (
            "Time of the GEMMs that take longest, all their runs together: computing, and waiting"
            " for DRAM. The last bar is all work of the vector units.",
            time(answer),
        ),
        "roofline": (
            "Roofline: MACs per second of each layer over its MACs per byte of DRAM traffic. The"
            " roof is set by the bandwidth, then by the arrays. Areas of the marks are shares of"
            " the time; the costliest layers have their names.",
            roofline(answer),
        ),
        "parts": (
            "By part: energy of one run of the workload above, area of the machine below.",
            parts(answer),
        ),
    }


@styled
def time(answer: MachineAnswer) -> Drawing:
    """Horizontal bars, the longest first."""
    rows = [
        (
            plan.layer.name,
            dims_text(plan.gemm),
            runs,
            milliseconds(plan.compute_cycles * runs, answer),
            milliseconds((plan.total_cycles - plan.compute_cycles) * runs, answer),
            mapping_text(plan),
        )
        for plan, _, runs in by_gemm(answer.layers)[:_MOST_BARS]
    ]
    if answer.operators:
        cycles = sum(plan.cycles * plan.runs for plan in answer.operators)
        runs = sum(plan.runs for plan in answer.operators)
        rows.append(("vector units", "", runs, milliseconds(cycles, answer), 0.0, ""))
    names, _, _, computing, waiting, _ = zip(*rows, strict=True)
    figure, axes = new_figure(width=PHONE, height=1.2 + 0.24 * len(rows))
    across = np.arange(len(rows))
    records = [
        (
            ("layer", name),
            ("m x n x k", dims),
            ("runs", f"{runs:,}"),
            ("computing (ms)", number_text(of_computing)),
            ("waiting for DRAM (ms)", number_text(of_waiting)),
            ("mapping", mapping),
        )
        for name, dims, runs, of_computing, of_waiting, mapping in rows
    ]
    figure.tell(axes.barh(across, computing, color=BLUE, label="computing"), records)
    bars = axes.barh(across, waiting, left=computing, color=ORANGE, label="waiting for DRAM")
    figure.tell(bars, records)
    axes.set_yticks(across, [plain(beginning(name, _MOST_LETTERS)) for name in names])
    axes.invert_yaxis()
    axes.set_xlabel("time (ms)")
    legend_below(figure, (axes,), columns=2)
    return figure


@styled
def roofline(answer: MachineAnswer) -> Drawing:
    """Layers under the roofs of bandwidth and arrays."""
    hardware, clock = answer.hardware, answer.platform.clock_hz
    peak = float(hardware.rows * hardware.cols * hardware.num_cores * clock / 1e9)
    bandwidth = bandwidth_bytes_per_second(answer) / 1e9
    plans = answer.layers
    macs = [plan.layer.m * plan.layer.n * plan.layer.k for plan in plans]
    return roofline_of(
        plans,
        shares=[plan.total_cycles * plan.runs / answer.cycles for plan in plans],
        intensity=[count / plan.dram_bytes for count, plan in zip(macs, plans, strict=True)],
        rates=[
            count / plan.total_cycles * clock / 1e9 for count, plan in zip(macs, plans, strict=True)
        ],
        bandwidth=bandwidth,
        peak=peak,
        roofs=(f"{bandwidth:g} GB/s", f"{number_text(peak)} GMAC/s"),
        unit="GMAC/s",
    )


@styled
def parts(answer: MachineAnswer) -> Drawing:
    """Two panels of horizontal bars: energy and area."""
    energy, area = answer.physical.energy_mj_by_part, answer.physical.area_mm2_by_part
    figure, panels = new_figure(rows=2, width=PHONE, height=1.4 + 0.24 * (len(energy) + len(area)))
    for axes, values, label in (
        (panels[0], energy, "energy (mJ)"),
        (panels[1], area, "area (mm2)"),
    ):
        across = np.arange(len(values))
        total = sum(values.values())
        records = [
            (
                ("part", part_text(name)),
                (label, number_text(value)),
                ("share", f"{value / total:.1%}"),
            )
            for name, value in values.items()
        ]
        figure.tell(axes.barh(across, list(values.values()), color=BLUE), records)
        axes.set_yticks(across, [part_text(name) for name in values])
        axes.invert_yaxis()
        axes.set_xlabel(label)
    return figure


@styled
def comparison(answers: Sequence[MachineAnswer]) -> Drawing:
    """Time of each layer on each machine, layers in the order of the workload."""
    figure, axes = new_figure(width=PHONE, height=4.0)
    for index, answer in enumerate(answers):
        times = [milliseconds(plan.total_cycles * plan.runs, answer) for plan in answer.layers]
        places, look = range(1, len(times) + 1), line_style(index)
        axes.plot(places, times, color=look["color"], linestyle=look["linestyle"], linewidth=1)
        marks = axes.scatter(
            places,
            times,
            color=look["color"],
            marker=look["marker"],
            s=24,
            label=plain(answer.platform.name),
        )
        figure.tell(
            marks,
            [
                (
                    ("machine", answer.platform.name),
                    ("layer", plan.layer.name),
                    ("m x n x k", dims_text(plan.gemm)),
                    ("runs", f"{plan.runs:,}"),
                    ("time of all runs (ms)", number_text(value)),
                    ("mapping", mapping_text(plan)),
                )
                for plan, value in zip(answer.layers, times, strict=True)
            ],
        )
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("layers in order")
    axes.set_ylabel("time (ms)")
    plain_log(axes.yaxis)
    legend_below(figure, (axes,), columns=2)
    return figure
