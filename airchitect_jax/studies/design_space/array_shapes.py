"""Case study 1 by design: the best dataflow and aspect ratio over shape and size."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Int

from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.cost import mapped_dims
from airchitect_jax.reporting.style import OF_DATAFLOW, legend_below, styled
from airchitect_jax.studies.design_space.exhibit import (
    SMALL,
    Exhibit,
    categorical,
    label_shape_axes,
    listed,
    looks,
    panels,
    percent,
    shape_grid,
)
from airchitect_jax.studies.design_space.samples import Sample, dims, shape_axes
from airchitect_jax.types import Dataflow, Gemm

_COLORS = tuple(style["color"] for style in OF_DATAFLOW.values())
_PANELS = 4  # budgets that have a panel of their own
_FEWEST = 30  # workloads that a bin is shown for


def _budgets(case: ArrayDataflowCase) -> list[int]:
    """Exponents of budgets from the smallest to the largest."""
    exponents = np.linspace(case.min_mac_exponent, case.max_mac_exponent, _PANELS)
    return np.unique(exponents.round().astype(int)).tolist()


def mapped(
    workloads: Int[np.ndarray, "4 num"], dataflow: Int[np.ndarray, "num"]
) -> Int[np.ndarray, "3 num"]:
    """s_r, s_c and t of each workload with its dataflow."""
    gemm = Gemm(m=workloads[1], n=workloads[2], k=workloads[3])
    by_dataflow = np.stack([np.stack(mapped_dims(gemm, flow)) for flow in Dataflow])
    return by_dataflow[dataflow, :, np.arange(len(dataflow))].T


@styled
def by_shape(case: ArrayDataflowCase, sample: Sample) -> Exhibit:
    """The most frequent dataflow and the mean aspect ratio of the optimum over workload shape."""
    space, budgets = case.space, _budgets(case)
    figure, axes = panels(2, len(budgets), width=3 * len(budgets), height=6.4)
    grid = shape_grid(case.max_dim)
    x, y = shape_axes(dims(case, sample.workloads))
    dataflow = space.dataflow[sample.design_ids]
    aspect = (space.row_exponent - space.col_exponent)[sample.design_ids]
    s_r, s_c, t = mapped(sample.workloads, dataflow)
    rows: list[list[Any]] = [
        ["mac_budget", *(f"{flow.name}_share" for flow in Dataflow), "aspect_correlation",
         "square_share"]
    ]  # fmt: skip
    limit = 6
    flows: Any = None
    aspects: Any = None
    for column, exponent in enumerate(budgets):
        here = sample.workloads[0] == exponent
        shares = [float((dataflow[here] == flow).mean()) for flow in Dataflow]
        flows = grid.draw(
            axes[0, column],
            grid.most_frequent(x[here], y[here], dataflow[here], len(Dataflow)),
            **categorical(_COLORS),
        )
        aspects = grid.draw(
            axes[1, column],
            grid.mean(x[here], y[here], aspect[here]),
            cmap="RdBu_r",
            vmin=-limit,
            vmax=limit,
        )
        axes[0, column].set_title(f"{2**exponent:,} MACs", fontsize=SMALL)
        follows = np.corrcoef(aspect[here], np.log2(s_r[here] / s_c[here]))[0, 1]
        square = float((np.abs(aspect[here]) <= 1).mean())
        rows.append([2**exponent, *shares, float(follows), square])
    label_shape_axes(axes[-1], axes[:, 0])
    bar = figure.colorbar(flows, ax=axes[0], ticks=range(len(Dataflow)))
    bar.ax.set_yticklabels([flow.name for flow in Dataflow])
    bar.set_label("most frequent dataflow")
    figure.colorbar(aspects, ax=axes[1], label="mean log2(rows / cols)", extend="both")
    sizes = dims(case, sample.workloads)
    in_time = float((t == sizes.max(axis=0)).mean())
    sentences = [
        f"Over {len(sample):,} {sample.name} workloads of all budgets "
        + listed(
            [f"{flow.name} is best for {percent((dataflow == flow).mean())}" for flow in Dataflow]
        )
        + f". The best dataflow runs the largest dimension in time for {percent(in_time)} of them:"
        " k with OS, m with WS, n with IS."
    ]
    follows = np.corrcoef(aspect, np.log2(s_r / s_c))[0, 1]
    sentences.append(
        "log2(rows / cols) of the best array and log2(s_r / s_c) of what is mapped to it have a"
        f" correlation of {follows:.2f}, and {percent((np.abs(aspect) <= 1).mean())}"
        " of the best arrays are square or one power of two from it; with the largest budget"
        f" {percent(rows[-1][-1])}, with the smallest {percent(rows[1][-1])}."
    )
    return Exhibit(
        name="best_by_shape",
        title="Best dataflow and aspect ratio over the shape of the workload",
        text=" ".join(sentences),
        figure=figure,
        rows=rows,
        summary={
            "dataflow_shares": {flow.name: float((dataflow == flow).mean()) for flow in Dataflow},
            "largest_dimension_in_time": in_time,
            "aspect_correlation": float(follows),
        },
    )


@styled
def by_size(case: ArrayDataflowCase, sample: Sample) -> Exhibit:
    """Shares of dataflows and the spread of aspect ratios over the size of the workload."""
    space, budgets = case.space, _budgets(case)
    figure, axes = panels(2, len(budgets), width=3 * len(budgets), height=5.6)
    size = np.log2(dims(case, sample.workloads).astype(np.float64)).sum(axis=0)
    dataflow = space.dataflow[sample.design_ids]
    aspect = (space.row_exponent - space.col_exponent)[sample.design_ids]
    edges = np.arange(0, np.ceil(size.max()) + 2, 2)
    middle = edges[:-1] + 1
    rows: list[list[Any]] = [
        ["mac_budget", "log2_mnk", "workloads", *(f"{flow.name}_share" for flow in Dataflow),
         "aspect_p10", "aspect_median", "aspect_p90"]
    ]  # fmt: skip
    color = looks([sample])[0]["color"]
    for column, exponent in enumerate(budgets):
        here = sample.workloads[0] == exponent
        bins = np.digitize(size, edges) - 1
        kept = [b for b in range(len(middle)) if (here & (bins == b)).sum() >= _FEWEST]
        shares, spread = [], []
        for b in kept:
            inside = here & (bins == b)
            shares.append([float((dataflow[inside] == flow).mean()) for flow in Dataflow])
            spread.append(np.quantile(aspect[inside], (0.1, 0.5, 0.9)).tolist())
            rows.append([2**exponent, middle[b], int(inside.sum()), *shares[-1], *spread[-1]])
        x = middle[kept]
        axes[0, column].stackplot(
            x, np.transpose(shares), colors=_COLORS, labels=[flow.name for flow in Dataflow],
            alpha=0.85,
        )  # fmt: skip
        low, median, high = np.transpose(spread)
        axes[1, column].fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
        axes[1, column].plot(x, median, color=color, marker="o", markersize=3)
        axes[0, column].set_title(f"{2**exponent:,} MACs", fontsize=SMALL)
        axes[0, column].set_ylim(0, 1)
        axes[1, column].set_ylim(-13, 13)
        axes[1, column].set_xlabel("log2(m n k)")
    legend_below(figure, axes[0, :1], columns=len(Dataflow))
    axes[0, 0].set_ylabel("share of workloads")
    axes[1, 0].set_ylabel("log2(rows / cols)\nmedian, 10th to 90th percentile")
    last = [row for row in rows[1:] if row[0] == 2 ** budgets[-1]]
    small, large = last[0], last[-1]
    widest = max(last, key=lambda row: row[8] - row[6])
    text = (
        f"With {2 ** budgets[-1]:,} MACs, 80% of the best arrays for the smallest workloads (about"
        f" 2^{small[1]:.0f} multiplications) have log2(rows / cols) from {small[6]:.0f} to"
        f" {small[8]:.0f}, for the largest (2^{large[1]:.0f}) from {large[6]:.0f} to"
        f" {large[8]:.0f}; the spread is widest at 2^{widest[1]:.0f}, from {widest[6]:.0f} to"
        f" {widest[8]:.0f}."
        f" OS is best for {percent(small[3])} of the smallest and"
        f" {percent(large[3])} of the largest ({sample.name}, bins of at least {_FEWEST}"
        " workloads)."
    )
    return Exhibit(
        name="best_by_size",
        title="Best dataflow and aspect ratio over the size of the workload",
        text=text,
        figure=figure,
        rows=rows,
        summary={},
    )
