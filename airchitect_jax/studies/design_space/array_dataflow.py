"""What only case study 1 shows, and the cost of all its designs for single workloads."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.reporting.style import BLACK, styled
from airchitect_jax.studies.design_space.array_budgets import returns, unused
from airchitect_jax.studies.design_space.array_shapes import by_shape, by_size
from airchitect_jax.studies.design_space.exhibit import Exhibit, Grid, Maker, panels
from airchitect_jax.studies.design_space.samples import Sample
from airchitect_jax.types import Dataflow, Objective, RuntimeModel
from airchitect_jax.workloads import Network

# The layers, by network and name, whose designs are all shown.
LANDSCAPES = (
    ("resnet50", "conv4_1_3x3"),
    ("gpt2", "mlp_up"),
    ("mobilenet_v2", "block5_expand"),
)
_LANDSCAPE_BUDGET = 14  # as a power of two


def variants(case: ArrayDataflowCase) -> Mapping[str, ArrayDataflowCase]:
    """The case study itself, with the other runtime model, and with the other objectives."""
    other = next(model for model in RuntimeModel if model is not case.runtime_model)
    return {
        f"cycles, {case.runtime_model.value}": case,
        f"cycles, {other.value}": dataclasses.replace(case, runtime_model=other),
        **{
            objective.value: dataclasses.replace(case, objective=objective)
            for objective in (Objective.ENERGY, Objective.EDP)
        },
    }


@styled
def landscapes(case: ArrayDataflowCase, networks: Sequence[Network]) -> Exhibit:
    """Cycles of all designs for single workloads, over rows and columns, a panel a dataflow."""
    space = case.space
    chosen = [
        (f"{network.name} {layer.name}", layer)
        for network in networks
        for layer in network.layers
        if (network.name, layer.name) in LANDSCAPES
    ]
    figure, axes = panels(len(chosen), len(Dataflow), width=11, height=3.2 * len(chosen))
    rows: list[list[Any]] = [["workload", "m", "n", "k", "design", "cycles", "over_best"]]
    sentences, summary = [], {}
    ids = np.arange(space.num_designs)
    side = space.max_side_exponent
    for line, (name, layer) in zip(axes, chosen, strict=True):
        workload = np.array([[space.max_mac_exponent], [layer.m], [layer.n], [layer.k]])
        cycles = case.costs(workload, ids[None, :])[0]
        allowed = space.feasible(_LANDSCAPE_BUDGET)
        best, best_allowed = (
            int(np.where(some, cycles, cycles.max() + 1).argmin())
            for some in (np.ones_like(allowed), allowed)
        )
        over = cycles / cycles[best]
        image: Any = None
        for place, flow in zip(line, Dataflow, strict=True):
            cells = np.full((side, side), np.nan)
            here = space.dataflow == flow
            cells[space.row_exponent[here] - 1, space.col_exponent[here] - 1] = over[here]
            edges = np.arange(side + 1) + 0.5
            image = Grid(x=edges, y=edges).draw(
                place, np.log2(cells), cmap="viridis_r", vmin=0, vmax=10
            )
            place.plot(
                [0.5, _LANDSCAPE_BUDGET - 0.5], [_LANDSCAPE_BUDGET - 0.5, 0.5], color=BLACK,
                linestyle="--", linewidth=1,
            )  # fmt: skip
            for star, marker in ((best, "*"), (best_allowed, "P")):
                if space.dataflow[star] == flow:
                    place.plot(
                        space.col_exponent[star], space.row_exponent[star], marker, markersize=9,
                        color="white", markeredgecolor=BLACK,
                    )  # fmt: skip
            place.set_title(f"{name}, {flow.name}", fontsize=9)
            place.set_xlabel("log2(cols)")
        line[0].set_ylabel("log2(rows)")
        figure.colorbar(image, ax=list(line), label="log2(cycles / fewest)", extend="max")
        rows += [
            [name, layer.m, layer.n, layer.k, space.describe(i), int(one), float(ratio)]
            for i, (one, ratio) in enumerate(zip(cycles, over, strict=True))
        ]
        near = [int((over <= 1 + margin).sum()) for margin in (0.01, 0.05)]
        over_allowed = cycles[allowed] / cycles[best_allowed]
        near_allowed = [int((over_allowed <= 1 + margin).sum()) for margin in (0.01, 0.05)]
        sentences.append(
            f"{name} ({layer.m} x {layer.n} x {layer.k}): of all {space.num_designs} designs"
            f" {space.describe(best)} is best, {near[0] - 1} more lie within 1% of it and"
            f" {near[1] - 1} within 5%, and the worst takes {over.max():,.0f} times as long; within"
            f" {2**_LANDSCAPE_BUDGET:,} MACs {space.describe(best_allowed)} is best, with"
            f" {near_allowed[0] - 1} and {near_allowed[1] - 1} near it."
        )
        summary[name] = {
            "best": space.describe(best),
            "within_1_percent": near[0],
            "within_5_percent": near[1],
            "worst_over_best": float(over.max()),
        }
    sentences.append(
        f"A star is the best design, a cross the best within {2**_LANDSCAPE_BUDGET:,} MACs (the"
        " dashed line)."
    )
    return Exhibit(
        name="landscapes",
        title="The cost of all designs for single workloads",
        text=" ".join(sentences),
        figure=figure,
        rows=rows,
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
