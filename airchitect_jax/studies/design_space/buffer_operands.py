"""Case study 2: stalls over two sizes, and which operand gets the memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax.case_studies import BufferCase
from airchitect_jax.cost import mapped_dims, memory
from airchitect_jax.cost.evaluate import evaluate
from airchitect_jax.reporting import style
from airchitect_jax.studies.design_space import exhibit
from airchitect_jax.studies.design_space.samples import Sample, dims
from airchitect_jax.types import ArrayDesign, Dataflow, Gemm

_MOST_SEARCHED = 20_000  # workloads among which one is chosen for its surface
MB = 2.0**20
SWEPT, COLUMN, TILE = range(3)
# The index of the operand in each role, for each dataflow.
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
    values = case.by_name(workloads)
    m, n, k = dims(case, workloads).astype(np.float64)
    by_flow = [mapped_dims(Gemm(m=m, n=n, k=k), flow) for flow in Dataflow]
    s_r, s_c, t = (np.choose(values["dataflow"], mapped) for mapped in zip(*by_flow, strict=True))
    tile_cols = np.minimum(s_c, 2 ** values["col_exponent"])
    return s_r * t * case.element_bytes, tile_cols * t * case.element_bytes


def least_gain(case: BufferCase, sample: Sample) -> Float[np.ndarray, "num"]:
    """What the best sizing gains over the better of two: each with one of its SRAMs the smallest.

    Large where both the swept and the column operand need their memory.
    """
    dataflow = sample.feature("dataflow")
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Surface:
    """Cycles of one workload under all sizings.

    Attributes:
      workload: its features.
      cube: total cycles by the levels of the swept, the column and the tile operand.
      stall_share: share of cycles that are stalls by the first two, with the smallest tile operand.
      best: levels of the best sizing by role.
    """

    workload: Mapping[str, int]
    cube: Int[np.ndarray, "levels levels levels"]
    stall_share: Float[np.ndarray, "levels levels"]
    best: Int[np.ndarray, "3"]

    @classmethod
    def of(cls, case: BufferCase, sample: Sample) -> _Surface:
        """Of a sample of one workload."""
        space, ids = case.space, np.arange(case.space.num_designs)
        flow, workload = sample.feature("dataflow"), case.by_name(sample.workloads[:, 0].tolist())
        levels = role_levels(case, ids, np.repeat(flow, len(ids)))
        cube = np.empty((space.num_levels,) * 3, np.int64)
        cube[tuple(levels.T - 1)] = case.costs(sample.workloads, ids[None, :])[0]
        return cls(
            workload=workload,
            cube=cube,
            stall_share=1 - _stall_free(case, workload) / cube[:, :, 0],
            best=role_levels(case, sample.design_ids, flow)[0],
        )

    @property
    def name(self) -> str:
        """Of the workload."""
        one = self.workload
        array = f"{2 ** one['row_exponent']}x{2 ** one['col_exponent']} {self.dataflow.name}"
        bandwidth = one["bandwidth_bytes_per_cycle"]
        return f"{one['m']} x {one['n']} x {one['k']} on {array}, {bandwidth} B/cycle"

    @property
    def dataflow(self) -> Dataflow:
        """Of the workload."""
        return Dataflow(self.workload["dataflow"])


def _stall_free(case: BufferCase, workload: Mapping[str, int]) -> int:
    """Compute cycles of a workload."""
    gemm = Gemm(m=workload["m"], n=workload["n"], k=workload["k"])
    design = ArrayDesign(
        rows=1 << workload["row_exponent"],
        cols=1 << workload["col_exponent"],
        dataflow=Dataflow(workload["dataflow"]),
    )
    report = evaluate(gemm, design, runtime_model=case.runtime_model)
    return int(report.compute_cycles)


def _draw_surface(axes: style.Axes, case: BufferCase, one: _Surface) -> Any:
    step = case.space.step_kb
    edges = (np.arange(case.space.num_levels + 1) + 0.5) * step
    image = exhibit.Grid(x=edges, y=edges).draw(axes, one.stall_share, cmap="viridis_r")
    # Both SRAMs together have the budget less one step, which the tile operand takes.
    ends = edges[-1], (one.workload["budget_steps"] - 1) * step - edges[-1]
    axes.plot(ends, ends[::-1], color=style.BLACK, linestyle="--", linewidth=1)
    x, y = one.best[[COLUMN, SWEPT]] * step
    axes.plot(x, y, "*", color="white", markeredgecolor=style.BLACK, markersize=11)
    swept, column, _ = memory.ROLES[one.dataflow]
    axes.set(xlim=edges[[0, -1]], ylim=edges[[0, -1]])
    axes.set(xlabel=f"{column} SRAM (KB)", ylabel=f"{swept} SRAM (KB)")
    axes.set_title(one.name, fontsize=9)
    return image


@style.styled
def surfaces(case: BufferCase, sample: Sample) -> exhibit.Exhibit:
    """Stalls over the sizes of the two SRAMs that matter, of one workload per dataflow."""
    space, part = case.space, sample.first(_MOST_SEARCHED)
    gain = least_gain(case, part)
    binds = space.levels[part.design_ids].sum(axis=1) == part.feature("budget_steps")
    figure, (axes,) = exhibit.panels(1, len(Dataflow), width=12, height=4.2)
    rows: list[list[Any]] = [
        ["dataflow", "workload", "swept_kb", "column_kb", "total_cycles", "stall_share"]
    ]
    summary = {}
    for panel, flow in zip(axes, Dataflow, strict=True):
        chosen = np.lexsort((gain, binds, part.feature("dataflow") == flow))[-1:]
        one = _Surface.of(case, part.where(chosen))
        image = _draw_surface(panel, case, one)
        figure.colorbar(image, ax=panel, label="share of cycles that are stalls", shrink=0.85)
        cycles = one.cube[:, :, 0]
        rows += [
            [flow.name, one.name, (s + 1) * space.step_kb, (c + 1) * space.step_kb,
             int(cycles[s, c]), float(share)]
            for (s, c), share in np.ndenumerate(one.stall_share)
        ]  # fmt: skip
        summary[flow.name] = {
            "workload": one.name,
            "stall_share_smallest": float(one.stall_share[0, 0]),
            "stall_share_largest": float(one.stall_share[-1, -1]),
            "tile_operand_cycles": int(np.ptp(one.cube, axis=2).max()),
        }
    return exhibit.Exhibit(
        name="stall_surface",
        title="Stalls over the sizes of two SRAMs",
        caption=exhibit.captioned(
            "stalls are {stall_share_smallest:.1%} of the cycles with the smallest sizes and"
            " {stall_share_largest:.1%} with the largest; the size of the tile operand changes"
            " {tile_operand_cycles:,} cycles",
            summary,
        )
        + " Sizings below the dashed line keep to the budget; star: the best of them. Of the first"
        f" {len(part):,} workloads, each is the one that loses most without its two larger SRAMs.",
        figure=figure,
        rows=rows,
        summary=summary,
    )


def _swept_share(levels: Int[np.ndarray, "num 3"]) -> Float[np.ndarray, "num"]:
    """Share of the swept operand in what the best sizings give beyond the smallest, or NaN."""
    beyond = levels[:, [SWEPT, COLUMN]] - 1
    given = beyond.sum(axis=1)
    return np.where(given > 0, beyond[:, 0] / np.maximum(given, 1), np.nan)


def _draw_sizes(axes: Sequence[style.Axes], rows: Sequence[Sequence[Any]]) -> None:
    """Mean best sizes over the budget, one panel per dataflow, from the rows of the table."""
    for panel, flow in zip(axes, Dataflow, strict=True):
        of_flow = [row for row in rows if row[0] == flow.name]
        for operand, (color, marker) in enumerate(
            ((style.BLUE, "o"), (style.ORANGE, "s"), (style.GREEN, "^"))
        ):
            panel.plot(
                [row[1] for row in of_flow], [row[3 + operand] for row in of_flow], color=color,
                marker=marker, markersize=3.5, label=memory.OPERANDS[operand],
            )  # fmt: skip
        total, num = sum(row[2] for row in rows), sum(row[2] for row in of_flow)
        panel.set_title(
            f"{flow.name}: {exhibit.percent(num / total)} of workloads", fontsize=exhibit.SMALL
        )
        panel.set_xlabel("SRAM budget (KB)")
        panel.set_xlim(left=0)
    top = max(panel.get_ylim()[1] for panel in axes)
    for panel in axes:
        panel.set_ylim(0, top)
    axes[0].set_ylabel("mean best size (KB)")


def _draw(
    case: BufferCase, sample: Sample, share: Float[np.ndarray, "num"], rows: Sequence[Sequence[Any]]
) -> style.Figure:
    figure, (tops, lows) = exhibit.panels(2, len(Dataflow), width=12, height=7.4)
    _draw_sizes(tops, rows)
    style.legend_below(figure, tops[:1], columns=3)
    swept, column = (np.log2(size / MB) for size in operand_bytes(case, sample.workloads))
    grid = exhibit.Grid(x=np.linspace(-8, 7, 41), y=np.linspace(-8, 2, 41))
    image: Any = None
    for low, flow in zip(lows, Dataflow, strict=True):
        here = (sample.feature("dataflow") == flow) & ~np.isnan(share)
        cells = grid.mean(swept[here], column[here], share[here])
        image = grid.draw(low, cells, cmap="RdBu_r", vmin=0, vmax=1)
        names = memory.ROLES[flow]
        low.set_xlabel(f"log2({names[SWEPT]} in MB)")
        low.set_ylabel(f"log2({names[COLUMN]} tile of a column fold in MB)")
    figure.colorbar(image, ax=list(lows), label="mean share of the swept operand")
    return figure


@style.styled
def earners(case: BufferCase, sample: Sample) -> exhibit.Exhibit:
    """Which operand gets the memory, over the budget and over the sizes of the operands."""
    step = case.space.step_kb
    budget, dataflow = sample.feature("budget_steps"), sample.feature("dataflow")
    sizes = case.space.levels[sample.design_ids] * step
    roles = role_levels(case, sample.design_ids, dataflow)
    share = _swept_share(roles)
    rows: list[list[Any]] = []
    summary = {}
    for flow in Dataflow:
        of_flow = dataflow == flow
        for one in np.unique(budget[of_flow]):
            here = of_flow & (budget == one)
            means = map(float, sizes[here].mean(axis=0))
            rows.append([flow.name, int(one) * step, int(here.sum()), *means])
        wanting = of_flow & ~np.isnan(share)
        summary[flow.name] = {
            "swept_share": float(share[wanting].mean()) if wanting.any() else None,
            "tile_operand_smallest_share": float((roles[of_flow, TILE] == 1).mean()),
        }
    shares = [
        f"{name} {one['swept_share']:.1%}"
        for name, one in summary.items()
        if one["swept_share"] is not None
    ]
    return exhibit.Exhibit(
        name="earners",
        title="Which operand gets the memory",
        caption=f"{len(sample):,} {sample.name} workloads. Share of the operand that is swept once"
        " per column fold in what the best sizings give beyond the smallest sizes: "
        + ", ".join(shares)
        + ".",
        figure=_draw(case, sample, share, rows),
        rows=[["dataflow", "budget_kb", "workloads", "ifmap_kb", "filter_kb", "ofmap_kb"], *rows],
        summary=summary,
    )
