"""Case study 3 by design: which array gets which shape of workload, and how the load balances."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from airchitect_jax.case_studies import ScheduleCase
from airchitect_jax.cost import dataflow_cycles
from airchitect_jax.reporting.style import OF_DATAFLOW, legend_below, styled
from airchitect_jax.studies.design_space.exhibit import (
    SMALL,
    Exhibit,
    Grid,
    Maker,
    geomean,
    label_shape_axes,
    looks,
    panels,
    percent,
    shape_grid,
)
from airchitect_jax.studies.design_space.samples import Sample, dims, shape_axes
from airchitect_jax.types import Dataflow, Gemm, RuntimeModel
from airchitect_jax.workloads import Network

_BLOCK = 1 << 16
_LANDSCAPES = 3


def variants(case: ScheduleCase) -> Mapping[str, ScheduleCase]:
    """The case study itself, and with the other runtime model."""
    other = next(model for model in RuntimeModel if model is not case.runtime_model)
    return {
        f"makespan, {case.runtime_model.value}": case,
        f"makespan, {other.value}": dataclasses.replace(case, runtime_model=other),
    }


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


@styled
def by_shape(case: ScheduleCase, sample: Sample) -> Exhibit:
    """The share of GEMMs of each shape that runs on each array."""
    names = case.space.array_names
    gemms = dims(case, sample.workloads)
    x, y = shape_axes(gemms)
    array = array_of_gemm(case, sample.design_ids).reshape(-1)
    grid = shape_grid(case.max_dim)
    columns = min(len(names), 4)
    lines = -(-len(names) // columns)
    figure, axes = panels(lines, columns, width=3 * columns, height=3.5 * lines)
    rows: list[list[Any]] = [
        ["array", "mean_log2_m_over_n", "mean_log2_k_over_sqrt_mn", "mean_log2_mnk"]
    ]
    size = np.log2(gemms.astype(np.float64)).sum(axis=0)
    image: Any = None
    for number, (place, name) in enumerate(zip(axes.flat, names, strict=False)):
        image = grid.draw(place, grid.mean(x, y, array == number), cmap="viridis", vmin=0, vmax=0.7)
        place.set_title(name, fontsize=SMALL)
        here = array == number
        rows.append([name, *(float(values[here].mean()) for values in (x, y, size))])
    label_shape_axes(axes[-1], axes[:, 0])
    figure.colorbar(image, ax=list(axes.flat), label="share that runs on this array", extend="max")
    aspects = np.array([row[1] for row in rows[1:]], np.float64)
    sizes = np.array([row[3] for row in rows[1:]], np.float64)
    tall, wide = int(aspects.argmax()), int(aspects.argmin())
    text = (
        f"{len(array):,} GEMMs of {len(sample):,} {sample.name} sets. Relative to the others,"
        f" {names[tall]} gets the GEMMs with the most rows (mean log2(m / n) {aspects[tall]:+.2f})"
        f" and {names[wide]} those with the fewest ({aspects[wide]:+.2f})."
        f" {names[int(sizes.argmax())]} gets the largest, 2^{sizes.max():.1f} multiplications in"
        f" the geometric mean, {names[int(sizes.argmin())]} the smallest, 2^{sizes.min():.1f}."
    )
    return Exhibit(
        name="array_by_shape",
        title="Which array gets which shape of workload",
        text=text,
        figure=figure,
        rows=rows,
        summary={name: {"mean_log2_mnk": float(s)} for name, s in zip(names, sizes, strict=True)},
    )


@styled
def by_rank(case: ScheduleCase, samples: Sequence[Sample]) -> Exhibit:
    """Which array gets the largest workload of a set, and which dataflow each array runs."""
    names, num = case.space.array_names, case.space.num_arrays
    figure, axes = panels(2, len(samples), width=11, height=7)
    rows: list[list[Any]] = [
        ["distribution", "array", *(f"rank_{rank + 1}_share" for rank in range(num)),
         *(f"{flow.name}_share" for flow in Dataflow)]
    ]  # fmt: skip
    sentences, summary = [], {}
    for (top, low), sample in zip(axes.T, samples, strict=True):
        size = np.log2(dims(case, sample.workloads).astype(np.float64)).sum(axis=0)
        rank = np.argsort(np.argsort(-size.reshape(num, -1), axis=0, kind="stable"), axis=0)
        array = array_of_gemm(case, sample.design_ids)
        shares = np.array(
            [[(rank[array == a] == r).mean() for r in range(num)] for a in range(num)]
        )
        image = top.imshow(shares, cmap="viridis", vmin=0, vmax=1)
        top.grid(visible=False)
        for (y, x), share in np.ndenumerate(shares):
            top.text(
                x, y, percent(share), ha="center", va="center", fontsize=8,
                color="white" if share < 0.5 else "black",
            )  # fmt: skip
        top.set_xticks(range(num), [str(r + 1) for r in range(num)])
        top.set_yticks(range(num), names)
        top.set_xlabel("rank of the workload by m n k, 1 the largest")
        top.set_ylabel("array")
        top.set_title(sample.name, fontsize=SMALL)
        figure.colorbar(image, ax=top, label="share of the array's workloads", shrink=0.85)
        dataflow = np.asarray(case.space.decode(np.arange(case.space.num_designs)).dataflow)
        counts = np.bincount(sample.design_ids, minlength=case.space.num_designs)
        flows = np.array(
            [[counts[dataflow[:, a] == flow].sum() for flow in Dataflow] for a in range(num)]
        ) / len(sample)
        left = np.zeros(num)
        for flow in Dataflow:
            low.barh(
                range(num), flows[:, flow], left=left, color=OF_DATAFLOW[flow]["color"],
                label=flow.name, height=0.6,
            )  # fmt: skip
            left += flows[:, flow]
        low.set_yticks(range(num), names)
        low.invert_yaxis()
        low.set_xlim(0, 1)
        low.set_xlabel("share of the array's workloads, by dataflow")
        rows += [
            [sample.name, name, *map(float, shares[a]), *map(float, flows[a])]
            for a, name in enumerate(names)
        ]
        macs = [array.rows * array.cols for array in case.arrays]
        largest = int(np.argmax(macs))
        os_most, os_least = int(flows[:, 0].argmax()), int(flows[:, 0].argmin())
        sentences.append(
            f"{sample.name}: {names[largest]}, which has the most MACs, runs the largest workload"
            f" of its set in {percent(shares[largest, 0])}; OS is the dataflow of"
            f" {percent(flows[os_most, 0])} of the workloads on {names[os_most]} and of"
            f" {percent(flows[os_least, 0])} on {names[os_least]}."
        )
        summary[sample.name] = {"largest_on_most_macs": float(shares[largest, 0])}
    legend_below(figure, axes[1, :1], columns=len(Dataflow))
    return Exhibit(
        name="array_by_rank",
        title="Which array gets the largest workload, and with which dataflow",
        text=" ".join(sentences),
        figure=figure,
        rows=rows,
        summary=summary,
    )


@styled
def balance(case: ScheduleCase, samples: Sequence[Sample]) -> Exhibit:
    """How evenly the best schedules load the arrays, and what running in parallel gains."""
    names, num = case.space.array_names, case.space.num_arrays
    figure, ((left, middle, right),) = panels(1, 3, width=12, height=4.2)
    rows: list[list[Any]] = [
        ["distribution", "array", "last_to_finish_share", "median_load_over_makespan"]
    ]
    sentences, summary = [], {}
    for number, (sample, style) in enumerate(zip(samples, looks(samples), strict=True)):
        cycles = loads(case, sample)
        makespan = cycles.max(axis=1)
        even = cycles.mean(axis=1) / makespan
        line = {**style, "marker": ""}
        quantile = np.linspace(0, 1, 400)
        left.plot(np.quantile(even, quantile), quantile, label=sample.name, **line)
        last = np.bincount(cycles.argmax(axis=1), minlength=num) / len(sample)
        use = np.median(cycles / makespan[:, None], axis=0)
        places = np.arange(num) + 0.4 * (number - 0.5)
        middle.bar(places, last, 0.36, color=style["color"], label=sample.name)
        right.bar(places, use, 0.36, color=style["color"], label=sample.name)
        rows += [[sample.name, name, float(last[a]), float(use[a])] for a, name in enumerate(names)]
        serial = _serial_cycles(case, sample)
        gain = geomean(serial / makespan)
        sentences.append(
            f"{sample.name}: in the median set the arrays are busy {percent(np.median(even))}"
            f" of the makespan ({percent(np.quantile(even, 0.1))} at the 10th percentile,"
            f" {percent(np.quantile(even, 0.9))} at the 90th); {names[int(last.argmax())]} is"
            f" last to finish in {percent(last.max())},"
            f" {names[int(last.argmin())]} in {percent(last.min())}. Running all workloads one"
            f" after the other on the array that is fastest for all takes {gain:.2f} times as long"
            " (geometric mean)."
        )
        summary[sample.name] = {
            "median_balance": float(np.median(even)),
            "last_to_finish": dict(zip(names, last.tolist(), strict=True)),
            "serial_over_makespan": gain,
        }
    left.set_xlabel("mean load / makespan")
    left.set_ylabel("share of sets")
    left.set_xlim(0, 1)
    middle.set_ylabel("share of sets in which it is last to finish")
    right.set_ylabel("median load / makespan")
    right.set_ylim(0, 1.03)
    for axes in (middle, right):
        axes.set_xticks(range(num), names)
        axes.set_xlabel("array")
    legend_below(figure, (middle,), columns=2)
    return Exhibit(
        name="load_balance",
        title="Load balance of the best schedules",
        text=" ".join(sentences),
        figure=figure,
        rows=rows,
        summary=summary,
    )


def _serial_cycles(case: ScheduleCase, sample: Sample) -> Int[np.ndarray, "num"]:
    """Fewest cycles of all workloads of a set one after the other on one and the same array."""
    wide = sample.workloads.astype(np.int64)
    gemms = Gemm(m=wide[0::3], n=wide[1::3], k=wide[2::3])
    sums = [
        np.stack(dataflow_cycles(gemms, array, case.platform)).min(axis=0).sum(axis=0)
        for array in case.arrays
    ]
    return np.stack(sums).min(axis=0)


@styled
def landscapes(case: ScheduleCase, sample: Sample) -> Exhibit:
    """Makespans of all schedules of single sets: permutations against choices of dataflows."""
    space = case.space
    part = sample.first(_LANDSCAPES)
    shape = (space.num_permutations, space.num_dataflow_choices)
    ids = np.broadcast_to(np.arange(space.num_designs), (len(part), space.num_designs))
    figure, axes = panels(1, len(part), width=12, height=4.4)
    rows: list[list[Any]] = [["set", "permutation", "best_makespan", "worst_makespan"]]
    sentences, summary = [], {}
    image: Any = None
    for number, (place, cycles) in enumerate(
        zip(axes[0], case.costs(part.workloads, ids), strict=True)
    ):
        over = cycles / cycles.min()
        cells = over.reshape(shape)
        by_permutation = np.argsort(cells.min(axis=1), kind="stable")
        by_choice = np.argsort(np.log(cells).mean(axis=0), kind="stable")
        grid = Grid(x=np.arange(shape[1] + 1), y=np.arange(shape[0] + 1))
        image = grid.draw(
            place, np.log2(cells[by_permutation][:, by_choice]), cmap="viridis_r", vmin=0, vmax=5
        )
        place.set_xlabel("dataflows of the arrays, best on average first")
        place.set_title(f"set {number + 1}: fewest cycles {cycles.min():,}", fontsize=SMALL)
        near = [int((over <= 1 + margin).sum()) for margin in (0, 0.01, 0.05)]
        good = int((cells.min(axis=1) <= 1.01).sum())
        sentences.append(
            f"Set {number + 1}: {near[0]} of the {space.num_designs} schedules have the least"
            f" makespan, {near[1]} lie within 1% and {near[2]} within 5%; {good} of the"
            f" {shape[0]} permutations come within 1%, and the worst schedule takes"
            f" {over.max():,.1f} times as long."
        )
        summary[f"set_{number + 1}"] = {
            "ties": near[0],
            "within_1_percent": near[1],
            "within_5_percent": near[2],
            "worst_over_best": float(over.max()),
        }
        rows += [
            [number + 1, space.attributes[0].categories[p], int(low), int(high)]
            for p, (low, high) in enumerate(
                zip(cycles.reshape(shape).min(1), cycles.reshape(shape).max(1), strict=True)
            )
        ]
    axes[0, 0].set_ylabel("permutations, best first")
    figure.colorbar(image, ax=list(axes[0]), label="log2(makespan / least)", extend="max")
    sentences.append(f"The first {len(part)} {sample.name} sets; rows and columns are sorted.")
    return Exhibit(
        name="landscapes",
        title="The cost of all schedules for single sets",
        text=" ".join(sentences),
        figure=figure,
        rows=rows,
        summary=summary,
    )


def exhibits(
    case: ScheduleCase, samples: Sequence[Sample], networks: Sequence[Network]
) -> Sequence[Maker]:
    """What only this case study shows: name and maker of each exhibit."""
    del networks
    main = samples[0]
    return (
        ("array by shape", lambda: by_shape(case, main)),
        ("array by rank", lambda: by_rank(case, samples)),
        ("load balance", lambda: balance(case, samples)),
        ("landscapes", lambda: landscapes(case, main)),
    )
