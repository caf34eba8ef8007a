"""Case study 2 by design: stalls over two sizes, and which operand earns the memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax.case_studies import BufferCase
from airchitect_jax.cost import mapped_dims, memory
from airchitect_jax.cost.evaluate import evaluate
from airchitect_jax.reporting.style import BLACK, BLUE, GREEN, ORANGE, legend_below, styled
from airchitect_jax.studies.design_space.exhibit import SMALL, Exhibit, Grid, panels, percent
from airchitect_jax.studies.design_space.samples import Sample
from airchitect_jax.types import ArrayDesign, Dataflow, Gemm

_MOST_SEARCHED = 20_000  # workloads among which one is chosen for its surface
MB = 2.0**20
SWEPT, COLUMN, TILE = range(3)
# The operand, by its place, that plays each role in each dataflow.
_ROLE_OPERANDS = np.array(
    [[memory.OPERANDS.index(name) for name in memory.ROLES[flow]] for flow in Dataflow]
)


def role_levels(
    case: BufferCase, design_ids: Int[np.ndarray, "num"], dataflow: Int[np.ndarray, "num"]
) -> Int[np.ndarray, "num 3"]:
    """Levels of the SRAMs of the swept, the column and the tile operand (`cost.memory.ROLES`)."""
    return np.take_along_axis(case.space.levels[design_ids], _ROLE_OPERANDS[dataflow], axis=1)


def operand_bytes(
    case: BufferCase, workloads: Int[np.ndarray, "features num"]
) -> tuple[Float[np.ndarray, "num"], Float[np.ndarray, "num"]]:
    """Bytes of the swept operand, and of the column operand of one column fold."""
    _, m, n, k, _, col_exponent, dataflow, _ = workloads.astype(np.float64)
    by_flow = [mapped_dims(Gemm(m=m, n=n, k=k), flow) for flow in Dataflow]
    s_r, s_c, t = (
        np.choose(dataflow.astype(int), [dims[place] for dims in by_flow]) for place in range(3)
    )
    return s_r * t * case.element_bytes, np.minimum(s_c, 2**col_exponent) * t * case.element_bytes


def least_gain(case: BufferCase, sample: Sample) -> Float[np.ndarray, "num"]:
    """What the best sizing gains over the better of two: each with one of its SRAMs the smallest.

    Large where both the swept and the column operand earn their memory.
    """
    dataflow = sample.workloads[6]
    levels = role_levels(case, sample.design_ids, dataflow)
    order = np.argsort(_ROLE_OPERANDS, axis=1)[dataflow]  # from roles back to operands
    costs = []
    for role in (None, SWEPT, COLUMN):
        changed = levels.copy()
        if role is not None:
            changed[:, role] = 1
        triple = np.take_along_axis(changed, order, axis=1) - 1
        costs.append(case.costs(sample.workloads, case.space.id_of_levels[tuple(triple.T)]))
    best, *others = costs
    return np.minimum(*others) / best


@styled
def surfaces(case: BufferCase, sample: Sample) -> Exhibit:
    """Stalls over the sizes of the two SRAMs that matter, of one workload for each dataflow."""
    space = case.space
    part = sample.first(_MOST_SEARCHED)
    dataflow = part.workloads[6]
    gain = least_gain(case, part)
    binds = case.space.levels[part.design_ids].sum(axis=1) == part.workloads[0]
    figure, axes = panels(1, len(Dataflow), width=12, height=4.2)
    rows: list[list[Any]] = [
        ["dataflow", "workload", "swept_kb", "column_kb", "total_cycles", "stall_share"]
    ]
    sentences, summary = [], {}
    for place, flow in zip(axes[0], Dataflow, strict=True):
        order = np.lexsort((gain, binds, dataflow == flow))
        chosen = part.workloads[:, order[-1:]]
        ids = np.arange(space.num_designs)
        cycles = case.costs(chosen, ids[None, :])[0]
        by_role = role_levels(case, ids, np.full(len(ids), flow))
        cube = np.empty((space.num_levels,) * 3, np.int64)
        cube[tuple(by_role.T - 1)] = cycles
        surface = cube[:, :, 0]
        stall_free = _stall_free(case, chosen)
        share = 1 - stall_free / surface
        edges = (np.arange(space.num_levels + 1) + 0.5) * space.step_kb
        image = Grid(x=edges, y=edges).draw(place, share, cmap="viridis_r")
        budget, m, n, k, row, col, _, bandwidth = chosen[:, 0].tolist()
        ends = edges[-1], (budget - 1) * space.step_kb - edges[-1]  # the tile operand takes a step
        place.plot(ends, ends[::-1], color=BLACK, linestyle="--", linewidth=1)
        best = role_levels(case, part.design_ids[order[-1:]], np.array([int(flow)]))[0]
        place.plot(
            best[COLUMN] * space.step_kb, best[SWEPT] * space.step_kb, "*", color="white",
            markeredgecolor=BLACK, markersize=11,
        )  # fmt: skip
        place.set_xlim(edges[0], edges[-1])
        place.set_ylim(edges[0], edges[-1])
        swept, column, tile = memory.ROLES[flow]
        place.set_xlabel(f"{column} SRAM (KB)")
        place.set_ylabel(f"{swept} SRAM (KB)")
        name = f"{m} x {n} x {k} on {2**row}x{2**col} {flow.name}, {bandwidth} B/cycle"
        place.set_title(name, fontsize=9)
        figure.colorbar(image, ax=place, label="share of cycles that are stalls", shrink=0.85)
        rows += [
            [flow.name, name, (s + 1) * space.step_kb, (c + 1) * space.step_kb,
             int(surface[s, c]), float(share[s, c])]
            for s in range(space.num_levels)
            for c in range(space.num_levels)
        ]  # fmt: skip
        tile_gain = int((cube.max(axis=2) - cube.min(axis=2)).max())
        sentences.append(
            f"{flow.name}: from the smallest to the largest sizes stalls fall from"
            f" {percent(share[0, 0])} to {percent(share[-1, -1])} of the cycles;"
            f" within {budget * space.step_kb} KB the best gives {best[SWEPT] * space.step_kb} KB"
            f" to the {swept}, {best[COLUMN] * space.step_kb} KB to the {column} and"
            f" {best[TILE] * space.step_kb} KB to the {tile}, whose size changes"
            f" {'no cycle' if tile_gain == 0 else f'up to {tile_gain:,} cycles'};"
            f" {int((cycles <= 1.01 * cycles.min()).sum())} of the {space.num_designs} sizings lie"
            f" within 1% of the fewest cycles and {int((cycles <= 1.05 * cycles.min()).sum())}"
            " within 5%."
        )
        summary[flow.name] = {
            "workload": name,
            "stall_share_smallest": float(share[0, 0]),
            "stall_share_largest": float(share[-1, -1]),
            "tile_operand_cycles": tile_gain,
        }
    sentences.append(
        f"Each is the workload, of those of the first {len(part):,} that use up their budget if"
        " there are any, that loses most without either of its two larger SRAMs. Below the dashed"
        " line sizings keep to the budget; a star is the best of them."
    )
    return Exhibit(
        name="stall_surface",
        title="Stalls over the sizes of two SRAMs",
        text=" ".join(sentences),
        figure=figure,
        rows=rows,
        summary=summary,
    )


def _stall_free(case: BufferCase, workload: Int[np.ndarray, "features 1"]) -> int:
    """Compute cycles of a workload."""
    _, m, n, k, row, col, dataflow, _ = (int(value) for value in workload[:, 0])
    design = ArrayDesign(rows=1 << row, cols=1 << col, dataflow=Dataflow(dataflow))
    report = evaluate(Gemm(m=m, n=n, k=k), design, runtime_model=case.runtime_model)
    return int(report.compute_cycles)


@styled
def earners(case: BufferCase, sample: Sample) -> Exhibit:
    """Which operand gets the memory, over the budget and over the sizes of the operands."""
    step = case.space.step_kb
    budget, dataflow = sample.workloads[0], sample.workloads[6]
    levels = case.space.levels[sample.design_ids]
    roles = role_levels(case, sample.design_ids, dataflow)
    beyond = roles[:, [SWEPT, COLUMN]] - 1
    given = beyond.sum(axis=1)
    swept_share = np.where(given > 0, beyond[:, 0] / np.maximum(given, 1), np.nan)
    swept, column = (np.log2(size / MB) for size in operand_bytes(case, sample.workloads))
    figure, axes = panels(2, len(Dataflow), width=12, height=7.4)
    rows: list[list[Any]] = [
        ["dataflow", "budget_kb", "workloads", "ifmap_kb", "filter_kb", "ofmap_kb"]
    ]
    grid = Grid(x=np.linspace(-8, 7, 41), y=np.linspace(-8, 2, 41))
    sentences, summary = [], {}
    image: Any = None
    for number, flow in enumerate(Dataflow):
        here = dataflow == flow
        top, low = axes[:, number]
        budgets = np.unique(budget[here])
        means = np.array([levels[here & (budget == b)].mean(axis=0) for b in budgets]) * step
        for operand, (color, marker) in enumerate(((BLUE, "o"), (ORANGE, "s"), (GREEN, "^"))):
            top.plot(
                budgets * step, means[:, operand], color=color, marker=marker, markersize=3.5,
                label=memory.OPERANDS[operand],
            )  # fmt: skip
        rows += [
            [flow.name, int(b) * step, int((here & (budget == b)).sum()), *map(float, mean)]
            for b, mean in zip(budgets, means, strict=True)
        ]
        top.set_title(f"{flow.name}: {percent(here.mean())} of workloads", fontsize=SMALL)
        top.set_xlabel("SRAM budget (KB)")
        top.set_xlim(left=0)
        wants = here & (given > 0)
        image = grid.draw(
            low,
            grid.mean(swept[wants], column[wants], swept_share[wants]),
            cmap="RdBu_r",
            vmin=0,
            vmax=1,
        )
        names = memory.ROLES[flow]
        low.set_xlabel(f"log2({names[SWEPT]} in MB)")
        low.set_ylabel(f"log2({names[COLUMN]} tile of a column fold in MB)")
        least = float((roles[here, TILE] == 1).mean())
        small = np.log2(case.space.step_bytes / 2 / MB)  # the working half of the smallest SRAM
        fitting = np.concatenate(
            [
                roles[here & (size <= small), role] == 1
                for size, role in ((swept, SWEPT), (column, COLUMN))
            ]
        )
        mean_share = float(swept_share[wants].mean()) if wants.any() else None
        sentences.append(
            f"{flow.name}: {percent((given[here] > 0).mean())} of workloads want more than the"
            " smallest sizes"
            + (
                f"; there the {names[SWEPT]}, which is swept once for each column fold, gets"
                f" {percent(mean_share)} of what is given beyond them, and the {names[COLUMN]},"
                " used again with each row fold, the rest"
                if wants.any()
                else ""
            )
            + f". The {names[TILE]} gets the smallest SRAM in {percent(least)}."
            + (
                f" Where the whole {names[SWEPT]}, or a column fold of the {names[COLUMN]}, fits"
                f" into half of the smallest SRAM, it gets no more in {percent(fitting.mean())}."
                if len(fitting)
                else ""
            )
        )
        summary[flow.name] = {"swept_share": mean_share, "tile_operand_smallest_share": least}
    axes[0, 0].set_ylabel("mean best size (KB)")
    legend_below(figure, axes[0, :1], columns=3)
    for top in axes[0]:
        top.set_ylim(0, max(top.get_ylim()[1] for top in axes[0]))
    figure.colorbar(image, ax=list(axes[1]), label="mean share of the swept operand")
    return Exhibit(
        name="earners",
        title="Which operand earns the memory",
        text=f"{sample.name} workloads. " + " ".join(sentences),
        figure=figure,
        rows=rows,
        summary=summary,
    )
