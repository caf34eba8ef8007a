"""Whether the label depends on the runtime model and on the objective."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.reporting.style import Figure, styled
from airchitect_jax.studies.design_space.exhibit import (
    SMALL,
    Exhibit,
    annotated,
    captioned,
    geomean,
    panels,
)
from airchitect_jax.studies.design_space.samples import Sample, labels_of
from airchitect_jax.types import Objective, RuntimeModel

_MOST_LABELLED = 100_000
_MOST_JUDGED = 20_000


def variants(case: Any) -> dict[str, CaseStudy]:
    """The case study itself, with the other runtime model, and with the other objectives if any.

    Args:
      case: a dataclass with a runtime model that minimises cycles.
    """
    fields = {field.name: getattr(case, field.name) for field in dataclasses.fields(case)}
    quantity = "cycles" if "objective" in fields else "makespan"
    found = {f"{quantity}, {fields['runtime_model'].value}": case}
    for model in RuntimeModel:
        if model is not fields["runtime_model"]:
            found[f"{quantity}, {model.value}"] = dataclasses.replace(case, runtime_model=model)
    return found | {
        one.value: dataclasses.replace(case, objective=one)
        for one in Objective
        if "objective" in fields and one is not Objective.CYCLES
    }


def agreement_of(
    sample: Sample, variants: Mapping[str, CaseStudy]
) -> tuple[Float[np.ndarray, "variants variants"], Float[np.ndarray, "variants variants"]]:
    """Labels under each variant against those under each other.

    Returns:
      The share of equal labels; and the extra cost, in the geometric mean, of labels made for the
      variant of the column under the variant of the row.
    """
    workloads = sample.first(_MOST_LABELLED).workloads
    judged = workloads[:, :_MOST_JUDGED]
    ids = [labels_of(case, workloads) for case in variants.values()]
    equal = np.array([[(a == b).mean() for b in ids] for a in ids])
    surplus = np.zeros_like(equal)
    for row, (judge, case) in enumerate(zip(ids, variants.values(), strict=True)):
        best = case.costs(judged, judge[: judged.shape[1]])
        for column, labels in enumerate(ids):
            ratio = case.costs(judged, labels[: judged.shape[1]]) / best
            surplus[row, column] = geomean(ratio) - 1
    return equal, surplus


def _draw(results: Mapping[str, tuple[Any, Any]], names: Sequence[str]) -> Figure:
    num = len(names)
    size = {"width": 5 + 1.5 * num, "height": (1.7 + 0.6 * num) * len(results)}
    figure, axes = panels(len(results), 2, **size)
    most = max(surplus.max() for _, surplus in results.values())
    for (left, right), (name, (equal, surplus)) in zip(axes, results.items(), strict=True):
        annotated(left, equal)
        annotated(right, surplus, max(most, 1e-9))
        left.set_ylabel("label made for")
        right.set_ylabel("judged by")
        left.set_title(f"{name}: equal labels", fontsize=SMALL)
        right.set_title(f"{name}: extra cost (geometric mean)", fontsize=SMALL)
        for panel in (left, right):
            panel.set_xticks(range(num), names, rotation=30, ha="right")
            panel.set_yticks(range(num), names)
            panel.set_xlabel("label made for")
    return figure


@styled
def label_agreement(samples: Sequence[Sample], variants: Mapping[str, CaseStudy]) -> Exhibit:
    """Labels under the variants of a case study, the usual one first; one row per distribution."""
    names = list(variants)
    results = {sample.name: agreement_of(sample, variants) for sample in samples}
    summary = {
        name: {
            other: {
                "equal_labels": float(equal[0, index]),
                "extra_cost_geomean": float(surplus[0, index]),
                "extra_cost_geomean_reversed": float(surplus[index, 0]),
            }
            for index, other in enumerate(names[1:], start=1)
        }
        for name, (equal, surplus) in results.items()
    }
    num = len(samples[0])
    return Exhibit(
        name="label_agreement",
        title="Labels under other models and objectives",
        caption=f"Against {names[0]}, on {min(num, _MOST_LABELLED):,} workloads per distribution"
        f" (costs: {min(num, _MOST_JUDGED):,}). "
        + captioned(
            "{equal_labels:.1%} equal labels, {extra_cost_geomean:.2%} extra cost,"
            " {extra_cost_geomean_reversed:.2%} the other way round",
            {
                f"{name}, {other}": numbers
                for name, others in summary.items()
                for other, numbers in others.items()
            },
        ),
        figure=_draw(results, names),
        rows=[
            ["distribution", "judged_by", "label_made_for", "equal_labels", "extra_cost_geomean"],
            *(
                [name, a, b, float(equal[i, j]), float(surplus[i, j])]
                for name, (equal, surplus) in results.items()
                for i, a in enumerate(names)
                for j, b in enumerate(names)
            ),
        ],
        summary=summary,
    )
