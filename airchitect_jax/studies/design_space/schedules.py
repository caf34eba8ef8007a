"""Case study 3: which array gets which shape of workload, and load balance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax.case_studies import ScheduleCase
from airchitect_jax.cost import dataflow_cycles
from airchitect_jax.reporting.style import OF_DATAFLOW, Axes, Figure, legend_below, styled
from airchitect_jax.studies.design_space import exhibit
from airchitect_jax.studies.design_space.samples import Sample, dims, shape_axes
from airchitect_jax.types import Dataflow, Gemm
from airchitect_jax.workloads import Network

_BLOCK = 1 << 16
_LANDSCAPES = 3


def array_of_gemm(
    case: ScheduleCase, design_ids: Int[np.ndarray, "num"]
) -> Int[np.ndarray, "arrays num"]:
    """The array that each workload of each set runs on."""
    schedule = case.space.decode(np.arange(case.space.num_designs))
    return np.argsort(schedule.workload, axis=1)[design_ids].T


def loads(case: ScheduleCase, sample: Sample) -> Int[np.ndarray, "num arrays"]:
    """Cycles of each array under the best schedules."""
    parts = []
    for first in range(0, len(sample), _BLOCK):
        rows = slice(first, first + _BLOCK)
        schedule = case.space.decode(sample.design_ids[rows])
        parts.append(case.schedule_cycles(sample.workloads[:, rows], schedule))
    return np.concatenate(parts)


def _log2_sizes(case: ScheduleCase, sample: Sample) -> Float[np.ndarray, "gemms"]:
    """log2(m n k) of all GEMMs."""
    return np.log2(dims(case, sample.workloads).astype(np.float64)).sum(axis=0)


@styled
def by_shape(case: ScheduleCase, sample: Sample) -> exhibit.Exhibit:
    """The share of GEMMs of each shape that runs on each array."""
    names = case.space.array_names
    x, y = shape_axes(dims(case, sample.workloads))
    size = _log2_sizes(case, sample)
    array = array_of_gemm(case, sample.design_ids).reshape(-1)
    columns = min(len(names), 4)
    lines = -(-len(names) // columns)
    figure, axes = exhibit.panels(lines, columns, width=3 * columns, height=3.5 * lines)
    grid = exhibit.shape_grid(case.max_dim)
    rows: list[list[Any]] = []
    image: Any = None
    for number, (panel, name) in enumerate(zip(axes.flat, names, strict=False)):
        here = array == number
        image = grid.draw(panel, grid.mean(x, y, here), cmap="viridis", vmin=0, vmax=0.7)
        panel.set_title(name, fontsize=exhibit.SMALL)
        rows.append([name, *(float(values[here].mean()) for values in (x, y, size))])
    exhibit.label_shape_axes(axes[-1], axes[:, 0])
    figure.colorbar(image, ax=list(axes.flat), label="share that runs on this array", extend="max")
    return exhibit.Exhibit(
        name="array_by_shape",
        title="Which array gets which shape of workload",
        caption=f"{len(array):,} GEMMs of {len(sample):,} {sample.name} sets. Mean log2(m / n) and"
        " log2(m n k): "
        + "; ".join(f"{name} {aspect:+.2f} and {mnk:.1f}" for name, aspect, _, mnk in rows)
        + ".",
        figure=figure,
        rows=[["array", "mean_log2_m_over_n", "mean_log2_k_over_sqrt_mn", "mean_log2_mnk"], *rows],
        summary={name: {"mean_log2_mnk": mnk} for name, *_, mnk in rows},
    )


def _rank_shares(case: ScheduleCase, sample: Sample) -> Float[np.ndarray, "arrays ranks"]:
    """Shares of each array's workloads by their rank in size, the largest first."""
    num = case.space.num_arrays
    size = _log2_sizes(case, sample).reshape(num, -1)
    rank = np.argsort(np.argsort(-size, axis=0, kind="stable"), axis=0)
    array = array_of_gemm(case, sample.design_ids)
    return np.array([[(rank[array == a] == r).mean() for r in range(num)] for a in range(num)])


def _flow_shares(case: ScheduleCase, sample: Sample) -> Float[np.ndarray, "arrays dataflows"]:
    """Shares of each array's workloads by dataflow."""
    space = case.space
    dataflow = np.asarray(space.decode(np.arange(space.num_designs)).dataflow)
    counts = np.bincount(sample.design_ids, minlength=space.num_designs)
    return np.stack([counts @ (dataflow == flow) for flow in Dataflow], axis=1) / len(sample)


def _draw_flows(axes: Axes, shares: Float[np.ndarray, "arrays dataflows"]) -> None:
    left = np.zeros(len(shares))
    for flow, share in zip(Dataflow, shares.T, strict=True):
        color = OF_DATAFLOW[flow]["color"]
        axes.barh(range(len(left)), share, left=left, color=color, label=flow.name, height=0.6)
        left += share
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of the array's workloads, by dataflow")


@styled
def by_rank(case: ScheduleCase, samples: Sequence[Sample]) -> exhibit.Exhibit:
    """Which array gets the largest workload of a set, and which dataflow each array runs."""
    names = case.space.array_names
    indices = range(len(names))
    largest = int(np.argmax([array.rows * array.cols for array in case.arrays]))
    figure, axes = exhibit.panels(2, len(samples), width=11, height=7)
    rows: list[list[Any]] = [
        ["distribution", "array", *(f"rank_{rank + 1}_share" for rank in indices),
         *(f"{flow.name}_share" for flow in Dataflow)]
    ]  # fmt: skip
    summary = {}
    for (top, low), sample in zip(axes.T, samples, strict=True):
        ranks, flows = _rank_shares(case, sample), _flow_shares(case, sample)
        image = exhibit.annotated(top, ranks)
        figure.colorbar(image, ax=top, label="share of the array's workloads", shrink=0.85)
        top.set_xticks(indices, [str(rank + 1) for rank in indices])
        top.set(xlabel="rank of the workload by m n k, 1 the largest", ylabel="array")
        top.set_title(sample.name, fontsize=exhibit.SMALL)
        _draw_flows(low, flows)
        for axis in (top, low):
            axis.set_yticks(indices, names)
        rows += [
            [sample.name, name, *map(float, ranks[a]), *map(float, flows[a])]
            for a, name in enumerate(names)
        ]
        summary[sample.name] = {"largest_on_most_macs": float(ranks[largest, 0])}
    legend_below(figure, axes[1, :1], columns=len(Dataflow))
    return exhibit.Exhibit(
        name="array_by_rank",
        title="Which array gets the largest workload, and with which dataflow",
        caption=exhibit.captioned(
            "{largest_on_most_macs:.1%} of the workloads on {array}, which has the most MACs, are"
            " the largest of their set",
            summary,
            array=names[largest],
        ),
        figure=figure,
        rows=rows,
        summary=summary,
    )


@styled
def balance(case: ScheduleCase, samples: Sequence[Sample]) -> exhibit.Exhibit:
    """How evenly the best schedules load the arrays, and the gain over a single array."""
    names = case.space.array_names
    figure, ((left, middle, right),) = exhibit.panels(1, 3, width=12, height=4.2)
    rows: list[list[Any]] = [
        ["distribution", "array", "last_to_finish_share", "median_load_over_makespan"]
    ]
    summary = {}
    for group, sample in enumerate(samples):
        cycles = loads(case, sample)
        makespan = cycles.max(axis=1)
        even = cycles.mean(axis=1) / makespan
        quantile = np.linspace(0, 1, 400)
        line = {**exhibit.look(sample), "marker": "", "label": sample.name}
        left.plot(np.quantile(even, quantile), quantile, **line)
        last = np.bincount(cycles.argmax(axis=1), minlength=len(names)) / len(sample)
        use = np.median(cycles / makespan[:, None], axis=0)
        exhibit.grouped_bars(middle.bar, group, last, sample)
        exhibit.grouped_bars(right.bar, group, use, sample)
        rows += [[sample.name, name, float(last[a]), float(use[a])] for a, name in enumerate(names)]
        summary[sample.name] = {
            "median_balance": float(np.median(even)),
            "last_to_finish": dict(zip(names, last.tolist(), strict=True)),
            "serial_over_makespan": exhibit.geomean(_serial_cycles(case, sample) / makespan),
        }
    left.set(xlabel="mean load / makespan", ylabel="share of sets", xlim=(0, 1))
    middle.set_ylabel("share of sets in which it is last to finish")
    right.set(ylabel="median load / makespan", ylim=(0, 1.03))
    for axes in (middle, right):
        axes.set_xticks(range(len(names)), names)
        axes.set_xlabel("array")
    legend_below(figure, (middle,), columns=2)
    return exhibit.Exhibit(
        name="load_balance",
        title="Load balance of the best schedules",
        caption=exhibit.captioned(
            "in the median set the mean load is {median_balance:.1%} of the makespan; all"
            " workloads on the one array that is fastest for them take {serial_over_makespan:.2f}"
            " times as long (geometric mean)",
            summary,
        ),
        figure=figure,
        rows=rows,
        summary=summary,
    )


def _serial_cycles(case: ScheduleCase, sample: Sample) -> Int[np.ndarray, "num"]:
    """Fewest cycles of all workloads of a set one after the other on one array."""
    wide = sample.workloads.astype(np.int64)
    gemms = Gemm(m=wide[0::3], n=wide[1::3], k=wide[2::3])
    sums = [
        np.stack(dataflow_cycles(gemms, array, case.platform)).min(axis=0).sum(axis=0)
        for array in case.arrays
    ]
    return np.stack(sums).min(axis=0)


def _draw_landscapes(cycles: Int[np.ndarray, "sets permutations choices"]) -> Figure:
    figure, (axes,) = exhibit.panels(1, len(cycles), width=12, height=4.4)
    image: Any = None
    for number, (panel, of_set) in enumerate(zip(axes, cycles, strict=True), start=1):
        over = of_set / of_set.min()
        by_permutation = np.argsort(over.min(axis=1), kind="stable")
        by_choice = np.argsort(np.log(over).mean(axis=0), kind="stable")
        grid = exhibit.Grid(x=np.arange(over.shape[1] + 1), y=np.arange(over.shape[0] + 1))
        cells = np.log2(over[by_permutation][:, by_choice])
        image = grid.draw(panel, cells, cmap="viridis_r", vmin=0, vmax=5)
        panel.set_xlabel("dataflows of the arrays, best on average first")
        panel.set_title(f"set {number}: fewest cycles {of_set.min():,}", fontsize=exhibit.SMALL)
    axes[0].set_ylabel("permutations, best first")
    figure.colorbar(image, ax=list(axes), label="log2(makespan / least)", extend="max")
    return figure


@styled
def landscapes(case: ScheduleCase, sample: Sample) -> exhibit.Exhibit:
    """Makespans of all schedules of single sets: permutations against choices of dataflows."""
    space, part = case.space, sample.first(_LANDSCAPES)
    ids = np.broadcast_to(np.arange(space.num_designs), (len(part), space.num_designs))
    shape = (len(part), space.num_permutations, space.num_dataflow_choices)
    cycles = case.costs(part.workloads, ids).reshape(shape)
    over = [one / one.min() for one in cycles]
    permutations = space.attributes[0].categories
    summary = {
        f"set_{number}": {
            "ties": int((one <= 1).sum()),
            "within_1_percent": int((one <= 1.01).sum()),
            "within_5_percent": int((one <= 1.05).sum()),
            "worst_over_best": float(one.max()),
        }
        for number, one in enumerate(over, start=1)
    }
    return exhibit.Exhibit(
        name="landscapes",
        title="The cost of all schedules for single sets",
        caption=f"The first {len(part)} {sample.name} sets; {space.num_designs} schedules each. "
        + exhibit.captioned(
            "{ties} have the least makespan, {within_1_percent} lie within 1% and"
            " {within_5_percent} within 5%; the worst takes {worst_over_best:,.1f} times as long",
            summary,
        ),
        figure=_draw_landscapes(cycles),
        rows=[
            ["set", "permutation", "best_makespan", "worst_makespan"],
            *(
                [number, name, int(one.min()), int(one.max())]
                for number, of_set in enumerate(cycles, start=1)
                for name, one in zip(permutations, of_set, strict=True)
            ),
        ],
        summary=summary,
    )


def exhibits(
    case: ScheduleCase, samples: Sequence[Sample], networks: Sequence[Network]
) -> Sequence[exhibit.Maker]:
    """What only this case study shows: name and maker of each exhibit."""
    del networks
    main = samples[0]
    return (
        ("array by shape", lambda: by_shape(case, main)),
        ("array by rank", lambda: by_rank(case, samples)),
        ("load balance", lambda: balance(case, samples)),
        ("landscapes", lambda: landscapes(case, main)),
    )
