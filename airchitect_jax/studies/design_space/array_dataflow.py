"""What only case study 1 shows; and the cost of all its designs for single workloads."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.reporting.style import BLACK, Axes, Figure, styled
from airchitect_jax.studies.design_space.array_budgets import returns, unused
from airchitect_jax.studies.design_space.array_shapes import by_shape, by_size
from airchitect_jax.studies.design_space.exhibit import Exhibit, Grid, Maker, captioned, panels
from airchitect_jax.studies.design_space.samples import Sample
from airchitect_jax.types import Dataflow
from airchitect_jax.workloads import Layer, Network

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
    grid = Grid(x=edges, y=edges)
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


def _draw(case: ArrayDataflowCase, shown: Sequence[_Landscape]) -> Figure:
    figure, axes = panels(len(shown), len(Dataflow), width=11, height=3.2 * len(shown))
    for line, one in zip(axes, shown, strict=True):
        images = [
            _draw_flow(panel, case, one, flow) for panel, flow in zip(line, Dataflow, strict=True)
        ]
        line[0].set_ylabel("log2(rows)")
        figure.colorbar(images[-1], ax=list(line), label="log2(cycles / fewest)", extend="max")
    return figure


@styled
def landscapes(case: ArrayDataflowCase, networks: Sequence[Network]) -> Exhibit:
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
    return Exhibit(
        name="landscapes",
        title="The cost of all designs for single workloads",
        caption=captioned(
            "{best} is the best of {num_designs} designs; designs within 1%: {within_1_percent},"
            " within 5%: {within_5_percent}; the worst takes {worst_over_best:,.0f} times as long",
            summary,
            num_designs=space.num_designs,
        )
        + f" Star: the best design; cross: the best within {2**_LANDSCAPE_BUDGET:,} MACs, the"
        " dashed line.",
        figure=_draw(case, shown),
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
) -> Sequence[Maker]:
    """What only this case study shows: name and maker of each exhibit."""
    main = samples[0]
    return (
        ("best by shape", lambda: by_shape(case, main)),
        ("best by size", lambda: by_size(case, main)),
        ("unused budget", lambda: unused(case, samples)),
        ("returns", lambda: returns(case, samples, networks)),
        ("landscapes", lambda: landscapes(case, networks)),
    )
