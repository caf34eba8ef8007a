"""What only case study 1 shows: budgets, and the cost of all designs for single workloads."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.reporting.style import BLACK, Axes, Figure, legend_below, plain, styled
from airchitect_jax.studies.design_space import exhibit
from airchitect_jax.studies.design_space.array_shapes import by_shape, by_size
from airchitect_jax.studies.design_space.samples import Sample, dims
from airchitect_jax.types import Dataflow
from airchitect_jax.workloads import Layer, Network

_MOST_RETURNS = 20_000  # workloads whose optimum is found for every budget


def _exponents(case: ArrayDataflowCase) -> Int[np.ndarray, "budgets"]:
    """Of the MAC budgets."""
    return np.arange(case.min_mac_exponent, case.max_mac_exponent + 1)


@styled
def unused(case: ArrayDataflowCase, samples: Sequence[Sample]) -> exhibit.Exhibit:
    """When the optimum uses less than the whole budget."""
    exponents = _exponents(case)
    grid = exhibit.Grid(
        x=np.arange(0, np.ceil(3 * np.log2(case.max_dim)) + 1),
        y=np.append(exponents, exponents[-1] + 1) - 0.5,
    )
    usage = [
        exhibit.Usage(
            sample=sample,
            budgets=exponents,
            budget=sample.feature("mac_exponent"),
            size=np.log2(dims(case, sample.workloads).astype(np.float64)).sum(axis=0),
            idle=case.space.mac_exponent[sample.design_ids] < sample.feature("mac_exponent"),
        )
        for sample in samples
    ]
    figure = exhibit.draw_usage(usage, grid, "log2(MAC budget)", "log2(m n k)")
    summary = {
        one.sample.name: {
            "unused_share": float(one.idle.mean()),
            "unused_share_by_budget": {
                str(2**exponent): share
                for exponent, share in zip(exponents.tolist(), one.shares, strict=True)
            },
        }
        for one in usage
    }
    return exhibit.Exhibit(
        name="unused_budget",
        title="When the best design uses less than the whole budget",
        caption=exhibit.captioned(
            "{unused_share:.1%} of the best designs leave half of the budget or more unused",
            summary,
        ),
        figure=figure,
        rows=[
            ["distribution", "mac_budget", "workloads", "unused_share"],
            *(row for one in usage for row in one.rows(2**exponents)),
        ],
        summary=summary,
    )


def best_by_budget(
    case: ArrayDataflowCase, gemms: Int[np.ndarray, "3 num"]
) -> Int[np.ndarray, "budgets num"]:
    """Cycles of the best design for each GEMM under each budget."""
    exponents = _exponents(case)
    budgets = np.repeat(exponents, gemms.shape[1])
    labels = case.exact(np.stack([budgets, *np.tile(gemms, len(exponents))]))
    return np.asarray(labels.cost).reshape(len(exponents), -1)


def _network_speedup(case: ArrayDataflowCase, network: Network) -> Float[np.ndarray, "budgets"]:
    """Of all layers of a network, over the smallest budget."""
    gemms = network.gemms
    cycles = best_by_budget(case, np.stack([gemms.m, gemms.n, gemms.k]))
    total = cycles.astype(np.float64) @ np.array([layer.count for layer in network.layers])
    return total[0] / total


@styled
def returns(
    case: ArrayDataflowCase, samples: Sequence[Sample], networks: Sequence[Network]
) -> exhibit.Exhibit:
    """Best cycles against the budget: the speedup of each doubling, also for real networks."""
    macs = 2 ** _exponents(case)
    rows: list[list[Any]] = [["source", "mac_budget", "speedup", "speedup_p10", "speedup_p90"]]
    means: dict[str, Float[np.ndarray, "budgets"]] = {}
    spreads = []
    for sample in samples:
        cycles = best_by_budget(case, dims(case, sample.first(_MOST_RETURNS).workloads))
        speedups = cycles[0] / cycles
        means[sample.name] = np.array([exhibit.geomean(row) for row in speedups])
        spreads.append(np.quantile(speedups, (0.1, 0.9), axis=1))
        columns = (macs, means[sample.name], *spreads[-1])
        rows += [[sample.name, *row] for row in zip(*(c.tolist() for c in columns), strict=True)]
    summary = {
        name: {"speedup": float(mean[-1]), "last_doubling": float(mean[-1] / mean[-2])}
        for name, mean in means.items()
    }
    for network in networks:
        means[network.name] = _network_speedup(case, network)
        rows += [
            [network.name, int(mac), float(speedup), None, None]
            for mac, speedup in zip(macs, means[network.name], strict=True)
        ]
    return exhibit.Exhibit(
        name="returns",
        title="Best cycles against the budget",
        caption=exhibit.captioned(
            "a speedup of {speedup:,.0f} with {ratio:,} times the MACs (geometric mean), of"
            " {last_doubling:.2f} by the last doubling",
            summary,
            ratio=int(macs[-1] // macs[0]),
        )
        + " Right: one row per distribution and network, in the order of the last doubling.",
        figure=_draw_returns(macs, samples, spreads, means),
        rows=rows,
        summary=summary,
    )


def _draw_returns(
    macs: Int[np.ndarray, "budgets"],
    samples: Sequence[Sample],
    spreads: Sequence[Float[np.ndarray, "2 budgets"]],
    means: Mapping[str, Float[np.ndarray, "budgets"]],
) -> Figure:
    height = max(4.4, 1.6 + 0.19 * len(means))
    figure, ((left, right),) = exhibit.panels(1, 2, width=12, height=height)
    for sample, spread in zip(samples, spreads, strict=True):
        line = exhibit.look(sample)
        left.fill_between(macs, *spread, color=line["color"], alpha=0.15, linewidth=0)
        left.plot(macs, means[sample.name], label=f"{sample.name} (geometric mean)", **line)
    left.plot(macs, macs / macs[0], color=BLACK, linestyle=":", linewidth=1, label="in proportion")
    left.set_xscale("log", base=2)
    left.set_yscale("log", base=2)
    left.set(xlabel="MAC budget", ylabel=f"speedup over {macs[0]} MACs (band: 10th to 90th pct.)")
    legend_below(figure, (left,), columns=3)
    image = _draw_doublings(right, macs, means)
    figure.colorbar(image, ax=right, label="speedup by doubling")
    return figure


def _draw_doublings(axes: Axes, macs: Int[np.ndarray, "budgets"], means: Mapping[str, Any]) -> Any:
    """The speedup of each doubling, one row per name; returns what a colour bar needs."""
    gains = {name: mean[1:] / mean[:-1] for name, mean in means.items()}
    names = sorted(gains, key=lambda name: -gains[name][-1])
    cells = np.array([gains[name] for name in names])
    image = axes.imshow(cells, cmap="viridis", vmin=1, vmax=2, aspect="auto")
    axes.grid(visible=False)
    axes.set_yticks(range(len(names)), [plain(name) for name in names], fontsize=7)
    exponents = np.log2(macs[1:]).astype(int)
    axes.set_xticks(range(len(exponents)), [str(exponent) for exponent in exponents])
    axes.set_xlabel("log2(MAC budget) after the doubling")
    return image


# The layers, by network and name, whose designs are all shown.
LANDSCAPES = (("resnet50", "conv4_1_3x3"), ("gpt2", "mlp_up"), ("mobilenet_v2", "block5_expand"))
_LANDSCAPE_BUDGET = 14  # as a power of two


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Landscape:
    """The cycles of all designs for one layer."""

    name: str
    layer: Layer
    cycles: Int[np.ndarray, "designs"]

    @classmethod
    def of(cls, case: ArrayDataflowCase, name: str, layer: Layer) -> _Landscape:
        space = case.space
        workload = np.array([[space.max_mac_exponent], [layer.m], [layer.n], [layer.k]])
        cycles = case.costs(workload, np.arange(space.num_designs)[None, :])[0]
        return cls(name=name, layer=layer, cycles=cycles)

    @property
    def over(self) -> Any:
        """Cycles over the fewest, Float[designs]."""
        return self.cycles / self.cycles.min()


def _draw_flow(axes: Axes, case: ArrayDataflowCase, one: _Landscape, flow: Dataflow) -> Any:
    space, side = case.space, case.space.max_side_exponent
    cells = np.full((side, side), np.nan)
    here = space.dataflow == flow
    cells[space.row_exponent[here] - 1, space.col_exponent[here] - 1] = one.over[here]
    edges = np.arange(side + 1) + 0.5
    grid = exhibit.Grid(x=edges, y=edges)
    image = grid.draw(axes, np.log2(cells), cmap="viridis_r", vmin=0, vmax=10)
    ends = [0.5, _LANDSCAPE_BUDGET - 0.5]
    axes.plot(ends, ends[::-1], color=BLACK, linestyle="--", linewidth=1)
    allowed = np.flatnonzero(space.feasible(_LANDSCAPE_BUDGET))
    best_allowed = allowed[one.cycles[allowed].argmin()]
    for star, marker in ((one.cycles.argmin(), "*"), (best_allowed, "P")):
        if space.dataflow[star] == flow:
            x, y = space.col_exponent[star], space.row_exponent[star]
            axes.plot(x, y, marker, markersize=9, color="white", markeredgecolor=BLACK)
    axes.set_title(f"{one.name}, {flow.name}", fontsize=9)
    axes.set_xlabel("log2(cols)")
    return image


def _draw_landscapes(case: ArrayDataflowCase, shown: Sequence[_Landscape]) -> Figure:
    figure, axes = exhibit.panels(len(shown), len(Dataflow), width=11, height=3.2 * len(shown))
    for line, one in zip(axes, shown, strict=True):
        images = [
            _draw_flow(panel, case, one, flow) for panel, flow in zip(line, Dataflow, strict=True)
        ]
        line[0].set_ylabel("log2(rows)")
        figure.colorbar(images[-1], ax=list(line), label="log2(cycles / fewest)", extend="max")
    return figure


@styled
def landscapes(case: ArrayDataflowCase, networks: Sequence[Network]) -> exhibit.Exhibit:
    """Cycles of all designs for single workloads, over rows and columns, one panel per dataflow."""
    space = case.space
    shown = [
        _Landscape.of(case, f"{network.name} {layer.name}", layer)
        for network in networks
        for layer in network.layers
        if (network.name, layer.name) in LANDSCAPES
    ]
    summary = {
        one.name: {
            "best": space.describe(int(one.cycles.argmin())),
            "within_1_percent": int((one.over <= 1.01).sum()),
            "within_5_percent": int((one.over <= 1.05).sum()),
            "worst_over_best": float(one.over.max()),
        }
        for one in shown
    }
    return exhibit.Exhibit(
        name="landscapes",
        title="The cost of all designs for single workloads",
        caption=exhibit.captioned(
            "{best} is the best of {num_designs} designs; designs within 1%: {within_1_percent},"
            " within 5%: {within_5_percent}; the worst takes {worst_over_best:,.0f} times as long",
            summary,
            num_designs=space.num_designs,
        )
        + f" Star: the best design; cross: the best within {2**_LANDSCAPE_BUDGET:,} MACs, the"
        " dashed line.",
        figure=_draw_landscapes(case, shown),
        rows=[
            ["workload", "m", "n", "k", "design", "cycles", "over_best"],
            *(
                [
                    one.name,
                    one.layer.m,
                    one.layer.n,
                    one.layer.k,
                    space.describe(design),
                    int(cycles),
                    float(over),
                ]
                for one in shown
                for design, (cycles, over) in enumerate(zip(one.cycles, one.over, strict=True))
            ),
        ],
        summary=summary,
    )


def exhibits(
    case: ArrayDataflowCase, samples: Sequence[Sample], networks: Sequence[Network]
) -> Sequence[exhibit.Maker]:
    """What only this case study shows: name and maker of each exhibit."""
    main = samples[0]
    return (
        ("best by shape", lambda: by_shape(case, main)),
        ("best by size", lambda: by_size(case, main)),
        ("unused budget", lambda: unused(case, samples)),
        ("returns", lambda: returns(case, samples, networks)),
        ("landscapes", lambda: landscapes(case, networks)),
    )
