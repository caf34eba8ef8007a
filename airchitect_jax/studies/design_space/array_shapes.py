"""Case study 1: the best dataflow and aspect ratio over shape and size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.cost import mapped_dims
from airchitect_jax.reporting.style import OF_DATAFLOW, Figure, legend_below, styled
from airchitect_jax.studies.design_space import exhibit
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
    gemms: Int[np.ndarray, "3 num"], dataflow: Int[np.ndarray, "num"]
) -> Int[np.ndarray, "3 num"]:
    """s_r, s_c and t of each GEMM with its dataflow."""
    m, n, k = gemms
    gemm = Gemm(m=m, n=n, k=k)
    by_dataflow = np.stack([np.stack(mapped_dims(gemm, flow)) for flow in Dataflow])
    return by_dataflow[dataflow, :, np.arange(len(dataflow))].T


def _aspect(case: ArrayDataflowCase, sample: Sample) -> Int[np.ndarray, "num"]:
    """log2(rows / cols) of the best arrays."""
    return (case.space.row_exponent - case.space.col_exponent)[sample.design_ids]


def _flow_shares(dataflow: Int[np.ndarray, "num"]) -> list[float]:
    return [float((dataflow == flow).mean()) for flow in Dataflow]


def _correlation(
    aspect: Int[np.ndarray, "num"], s_r: Int[np.ndarray, "num"], s_c: Int[np.ndarray, "num"]
) -> float:
    """Of log2(rows / cols) and log2(s_r / s_c)."""
    return float(np.corrcoef(aspect, np.log2(s_r / s_c))[0, 1])


def _draw_shapes(case: ArrayDataflowCase, sample: Sample) -> Figure:
    budgets = _budgets(case)
    figure, axes = exhibit.panels(2, len(budgets), width=3 * len(budgets), height=6.4)
    grid = exhibit.shape_grid(case.max_dim)
    x, y = shape_axes(dims(case, sample.workloads))
    dataflow, aspect = case.space.dataflow[sample.design_ids], _aspect(case, sample)
    flows: Any = None
    aspects: Any = None
    for (top, low), exponent in zip(axes.T, budgets, strict=True):
        here = sample.feature("mac_exponent") == exponent
        most = grid.most_frequent(x[here], y[here], dataflow[here], len(Dataflow))
        flows = grid.draw(top, most, **exhibit.categorical(_COLORS))
        mean = grid.mean(x[here], y[here], aspect[here])
        aspects = grid.draw(low, mean, cmap="RdBu_r", vmin=-6, vmax=6)
        top.set_title(f"{2**exponent:,} MACs", fontsize=exhibit.SMALL)
    exhibit.label_shape_axes(axes[-1], axes[:, 0])
    bar = figure.colorbar(flows, ax=axes[0], ticks=range(len(Dataflow)))
    bar.ax.set_yticklabels([flow.name for flow in Dataflow])
    bar.set_label("most frequent dataflow")
    figure.colorbar(aspects, ax=axes[1], label="mean log2(rows / cols)", extend="both")
    return figure


@styled
def by_shape(case: ArrayDataflowCase, sample: Sample) -> exhibit.Exhibit:
    """The most frequent dataflow and the mean aspect ratio of the optimum over workload shape."""
    dataflow, aspect = case.space.dataflow[sample.design_ids], _aspect(case, sample)
    s_r, s_c, t = mapped(dims(case, sample.workloads), dataflow)
    rows: list[list[Any]] = [
        ["mac_budget", *(f"{flow.name}_share" for flow in Dataflow), "aspect_correlation",
         "square_share"]
    ]  # fmt: skip
    for exponent in _budgets(case):
        here = sample.feature("mac_exponent") == exponent
        follows = _correlation(aspect[here], s_r[here], s_c[here])
        square = float((np.abs(aspect[here]) <= 1).mean())
        rows.append([2**exponent, *_flow_shares(dataflow[here]), follows, square])
    shares = {flow.name: one for flow, one in zip(Dataflow, _flow_shares(dataflow), strict=True)}
    in_time = float((t == dims(case, sample.workloads).max(axis=0)).mean())
    follows = _correlation(aspect, s_r, s_c)
    return exhibit.Exhibit(
        name="best_by_shape",
        title="Best dataflow and aspect ratio over the shape of the workload",
        caption=f"{len(sample):,} {sample.name} workloads of all budgets. Best dataflow: "
        + ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
        + f"; it runs the largest dimension in time for {in_time:.1%}. Correlation of"
        f" log2(rows / cols) and log2(s_r / s_c): {follows:.2f}.",
        figure=_draw_shapes(case, sample),
        rows=rows,
        summary={
            "dataflow_shares": shares,
            "largest_dimension_in_time": in_time,
            "aspect_correlation": follows,
        },
    )


def _draw_sizes(sample: Sample, rows: Sequence[Sequence[Any]]) -> Figure:
    """Of the rows of the table, without their header."""
    budgets = list(dict.fromkeys(row[0] for row in rows))
    figure, axes = exhibit.panels(2, len(budgets), width=3 * len(budgets), height=5.6)
    color = exhibit.look(sample)["color"]
    names = [flow.name for flow in Dataflow]
    for (top, low), budget in zip(axes.T, budgets, strict=True):
        size, _, *columns = np.transpose([row[1:] for row in rows if row[0] == budget])
        shares, (p10, median, p90) = columns[: len(names)], columns[len(names) :]
        top.stackplot(size, shares, colors=_COLORS, labels=names, alpha=0.85)
        top.set_title(f"{budget:,} MACs", fontsize=exhibit.SMALL)
        top.set_ylim(0, 1)
        low.fill_between(size, p10, p90, color=color, alpha=0.2, linewidth=0)
        low.plot(size, median, color=color, marker="o", markersize=3)
        low.set(xlabel="log2(m n k)", ylim=(-13, 13))
    legend_below(figure, axes[0, :1], columns=len(names))
    axes[0, 0].set_ylabel("share of workloads")
    axes[1, 0].set_ylabel("log2(rows / cols)\nmedian, 10th to 90th percentile")
    return figure


@styled
def by_size(case: ArrayDataflowCase, sample: Sample) -> exhibit.Exhibit:
    """Shares of dataflows and the spread of aspect ratios over the size of the workload."""
    size = np.log2(dims(case, sample.workloads).astype(np.float64)).sum(axis=0)
    dataflow, aspect = case.space.dataflow[sample.design_ids], _aspect(case, sample)
    edges = np.arange(0, np.ceil(size.max()) + 2, 2)
    bins = np.digitize(size, edges) - 1
    rows: list[list[Any]] = []
    for exponent in _budgets(case):
        for number, middle in enumerate(edges[:-1] + 1):
            here = (sample.feature("mac_exponent") == exponent) & (bins == number)
            if here.sum() >= _FEWEST:
                spread = np.quantile(aspect[here], (0.1, 0.5, 0.9)).tolist()
                shares = _flow_shares(dataflow[here])
                rows.append([2**exponent, middle, int(here.sum()), *shares, *spread])
    header = ["mac_budget", "log2_mnk", "workloads", *(f"{flow.name}_share" for flow in Dataflow),
              "aspect_p10", "aspect_median", "aspect_p90"]  # fmt: skip
    return exhibit.Exhibit(
        name="best_by_size",
        title="Best dataflow and aspect ratio over the size of the workload",
        caption=f"{len(sample):,} {sample.name} workloads, in bins of at least {_FEWEST} by"
        " log2(m n k).",
        figure=_draw_sizes(sample, rows),
        rows=[header, *rows],
        summary={},
    )
