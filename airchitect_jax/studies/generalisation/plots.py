"""Figures of a generalisation audit. Needs matplotlib (extra `plots`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from airchitect_jax.reporting.style import (
    BLACK,
    Figure,
    legend_below,
    line_style,
    new_figure,
    plain,
    styled,
)

# Audits (`airchitect_jax.studies.generalisation.audit.audit`) by the name of the model.
Audits = Mapping[str, Mapping[str, Any]]


def figures(audits: Audits, limits: Mapping[str, int]) -> dict[str, tuple[str, Figure]]:
    """Caption and figure by name; `limits` are the largest trained values by feature."""
    found = {
        "reliability": (
            "Accuracy over confidence, with and without temperature scaling, and the expected"
            " calibration error (ECE). On the dotted line confidence is accuracy.",
            reliability(audits),
        ),
        "risk_coverage": (
            "Share of the answers that are not optimal, over the share of workloads that the"
            " network answers, the surest first.",
            risk_coverage(audits),
        ),
    }
    of_regions = regions(audits, limits)
    if of_regions:
        found["regions"] = (
            "Optimal-set accuracy over each input. Dotted: the largest value in training.",
            of_regions,
        )
    return found


@styled
def reliability(audits: Audits) -> Figure:
    """Accuracy over confidence with and without temperature scaling, one panel per population."""
    names = _populations(audits)
    figure, panels = new_figure(
        columns=len(names), width=5.2 * len(names), height=4.0 + 0.4 * len(audits)
    )
    for axes, name in zip(np.atleast_1d(panels), names, strict=True):
        axes.plot([0, 1], [0, 1], color=BLACK, linewidth=0.8, linestyle=":")
        for index, (model, audit) in enumerate(audits.items()):
            if name not in audit["populations"]:
                continue
            for kind, dashes in (("raw", "--"), ("calibrated", "-")):
                report = audit["populations"][name][kind]
                label = f"{plain(model)}, {kind}: ECE {report['expected_calibration_error']:.3f}"
                style = line_style(index) | {"linestyle": dashes, "label": label}
                axes.plot(report["confidence"], report["accuracy"], **style)
        axes.set_title(name, fontsize=10)
        axes.set(xlabel="confidence", ylabel="accuracy", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    return figure


@styled
def risk_coverage(audits: Audits) -> Figure:
    """Share of wrong answers over the share that is answered, one panel per population."""
    names = _populations(audits)
    figure, panels = new_figure(columns=len(names), width=5.2 * len(names), height=4.0)
    for axes, name in zip(np.atleast_1d(panels), names, strict=True):
        for index, (model, audit) in enumerate(audits.items()):
            if name in audit["populations"]:
                report = audit["populations"][name]
                style = line_style(index) | {"marker": None, "label": plain(model)}
                axes.plot(report["coverage"], report["risk"], **style)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("share answered by the network, surest first")
        axes.set(ylabel="share of answers that are not optimal", xlim=(-0.03, 1.03))
        axes.set_ylim(bottom=-0.03 * axes.get_ylim()[1])
    legend_below(figure, np.atleast_1d(panels), columns=4)
    return figure


@styled
def regions(audits: Audits, limits: Mapping[str, int]) -> Figure | None:
    """Optimal-set accuracy over each feature, with its largest trained value as a line.

    None if the audits have no regions.
    """
    names = list(
        dict.fromkeys(region["feature"] for audit in audits.values() for region in audit["regions"])
    )
    if not names:
        return None
    columns = min(len(names), 4)
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.9 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes in grid.flat[len(names) :]:
        axes.remove()
    for axes, name in zip(grid.flat, names, strict=False):
        for index, (model, audit) in enumerate(audits.items()):
            here = [region for region in audit["regions"] if region["feature"] == name]
            style = line_style(index) | {"label": plain(model)}
            middles = [np.sqrt(max(region["low"], 0.5) * region["high"]) for region in here]
            if all(region["low"] == region["high"] for region in here):
                middles = [region["low"] for region in here]
            else:
                axes.set_xscale("log", base=2)
            axes.plot(middles, [region["optimal_set_accuracy"] for region in here], **style)
        axes.axvline(limits[name], color=BLACK, linestyle=":", linewidth=1)
        axes.set(xlabel=plain(name.replace("_", " ")), ylim=(0, 1.03))
    for axes in grid[:, 0]:
        axes.set_ylabel("optimal-set accuracy")
    legend_below(figure, grid.flat[:1], columns=4)
    return figure


def _populations(audits: Audits) -> list[str]:
    return list(dict.fromkeys(name for audit in audits.values() for name in audit["populations"]))
