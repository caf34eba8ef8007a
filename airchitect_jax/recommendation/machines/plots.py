"""Figures of the answer for a platform. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from airchitect_jax.recommendation.machines.answer import MachineAnswer
from airchitect_jax.recommendation.machines.tables import milliseconds, part_text
from airchitect_jax.recommendation.tables import beginning, by_gemm
from airchitect_jax.reporting.style import (
    BLACK,
    BLUE,
    OF_DATAFLOW,
    ORANGE,
    line_style,
    new_figure,
    plain,
    styled,
)
from airchitect_jax.types import Dataflow

_MOST_BARS = 24
_MOST_LETTERS = 24


def figures(answer: MachineAnswer) -> Mapping[str, tuple[str, Figure]]:
    """Caption and figure by file name."""
    return {
        "time": (
            "Time of the GEMMs that take longest, all their runs together: computing, and waiting"
            " for DRAM. The last bar is all work of the vector units.",
            time(answer),
        ),
        "roofline": (
            "Roofline: MACs per second of each layer over its MACs per byte of DRAM traffic. The"
            " roof is set by the bandwidth, then by the arrays. Areas of the markers are shares of"
            " the time.",
            roofline(answer),
        ),
        "parts": (
            "Energy of one run of the workload, and area of the machine, by part.",
            parts(answer),
        ),
    }


@styled
def time(answer: MachineAnswer) -> Figure:
    """Horizontal bars, the longest first."""
    rows = [
        (
            f"{beginning(plan.layer.name, _MOST_LETTERS)}" + (f" (x{runs})" if runs > 1 else ""),
            milliseconds(plan.compute_cycles * runs, answer),
            milliseconds((plan.total_cycles - plan.compute_cycles) * runs, answer),
        )
        for plan, _, runs in by_gemm(answer.layers)[:_MOST_BARS]
    ]
    if answer.operators:
        cycles = sum(plan.cycles * plan.runs for plan in answer.operators)
        rows.append(("vector units", milliseconds(cycles, answer), 0.0))
    names, computing, waiting = zip(*rows, strict=True)
    figure, axes = new_figure(height=1.2 + 0.24 * len(rows))
    across = np.arange(len(rows))
    axes.barh(across, computing, color=BLUE, label="computing")
    axes.barh(across, waiting, left=computing, color=ORANGE, label="waiting for DRAM")
    axes.set_yticks(across, [plain(name) for name in names], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("time (ms)")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure


@styled
def roofline(answer: MachineAnswer) -> Figure:
    """Layers under the roofs of bandwidth and arrays."""
    figure, axes = new_figure(height=4.6)
    hardware, clock = answer.hardware, answer.platform.clock_hz
    peak = hardware.rows * hardware.cols * hardware.num_cores * clock
    bandwidth = hardware.bandwidth_bytes * clock / hardware.bandwidth_cycles
    plans = answer.layers
    macs = np.array([float(plan.layer.m * plan.layer.n * plan.layer.k) for plan in plans])
    intensity = macs / np.array([plan.dram_bytes for plan in plans])
    ridge = peak / bandwidth
    across = np.geomspace(min(intensity.min(), ridge) / 2, max(intensity.max(), ridge) * 2, 200)
    axes.loglog(
        across,
        np.minimum(peak, across * bandwidth) / 1e12,
        color=BLACK,
        linewidth=1.2,
        label=f"roof: {bandwidth / 1e9:g} GB/s, {peak / 1e12:.3g} TMAC/s",
    )
    cycles = np.array([float(plan.total_cycles) for plan in plans])
    share = cycles * np.array([float(plan.runs) for plan in plans]) / answer.cycles
    for flow in Dataflow:
        here = [index for index, plan in enumerate(plans) if plan.dataflow is flow]
        if here:
            axes.scatter(
                intensity[here],
                macs[here] / cycles[here] * clock / 1e12,
                s=20 + 600 * share[here],
                color=OF_DATAFLOW[flow]["color"],
                alpha=0.55,
                edgecolor="white",
                label=f"{flow.name}: {len(here)} layers",
            )
    axes.set_xlabel("MACs per byte of DRAM traffic")
    axes.set_ylabel("10^12 MACs per second")
    legend = axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, fontsize=8)
    for handle in legend.legend_handles[1:]:
        handle.set_sizes([40])
    return figure


@styled
def parts(answer: MachineAnswer) -> Figure:
    """Two panels of horizontal bars: energy and area."""
    figure, panels = new_figure(columns=2, width=10, height=3.2)
    for axes, values, label in (
        (panels[0], answer.physical.energy_mj_by_part, "energy (mJ)"),
        (panels[1], answer.physical.area_mm2_by_part, "area (mm2)"),
    ):
        across = np.arange(len(values))
        axes.barh(across, list(values.values()), color=BLUE)
        axes.set_yticks(across, [part_text(name) for name in values])
        axes.invert_yaxis()
        axes.set_xlabel(label)
    return figure


@styled
def comparison(answers: Sequence[MachineAnswer]) -> Figure:
    """Time of each layer on each machine, layers in the order of the workload."""
    figure, axes = new_figure(width=10)
    for index, answer in enumerate(answers):
        axes.plot(
            [milliseconds(plan.total_cycles * plan.runs, answer) for plan in answer.layers],
            label=plain(answer.platform.name),
            **line_style(index),
        )
    axes.set_yscale("log")
    axes.set_xlabel("layers in order")
    axes.set_ylabel("time (ms)")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)
    return figure
