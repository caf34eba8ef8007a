"""What changes the label: a step of one in an input, another runtime model, another objective."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.reporting.axes import log_from_zero
from airchitect_jax.reporting.style import GREEN, PURPLE, RED, Figure, legend_below, styled
from airchitect_jax.reporting.words import in_words
from airchitect_jax.studies.design_space import exhibit
from airchitect_jax.studies.design_space.samples import Sample, labels_of, letter_of
from airchitect_jax.types import Objective, RuntimeModel

_MOST_JUDGED = 20_000
_LEAST_PERCENT = 0.01  # of labels: fewer are drawn between here and zero
_OF_DIM = {
    "m": {"color": PURPLE, "marker": "o"},
    "n": {"color": RED, "marker": "s"},
    "k": {"color": GREEN, "marker": "^"},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Steps:
    """One input raised by one, in every workload that leaves room for it.

    Attributes:
      values: Int[num], the input before the step.
      changed: Bool[num], whether the label changed.
      stale: what keeping the old label then costs, relative to the new optimum, of some of the
        workloads where it changed.
    """

    values: Int[np.ndarray, "num"]
    changed: Bool[np.ndarray, "num"]
    stale: Float[np.ndarray, "judged"]

    @property
    def share(self) -> float:
        """Share of labels that change."""
        return float(self.changed.mean())

    @property
    def stale_quantiles(self) -> list[float]:
        """Median and 99th percentile of `stale`, 1 where no label changed."""
        return np.quantile(self.stale if len(self.stale) else np.ones(1), (0.5, 0.99)).tolist()


def step(sample: Sample, index: int) -> Steps:
    """Raises the feature at `index` by one."""
    case = sample.case
    room = sample.workloads[index] < case.features[index].high
    moved = sample.workloads[:, room].copy()
    moved[index] += 1
    before, after = sample.design_ids[room], labels_of(case, moved)
    changed = before != after
    some = np.flatnonzero(changed)[:_MOST_JUDGED]
    if len(some):
        costs = case.costs(moved[:, some], np.stack([before[some], after[some]], axis=1))
        stale = costs[:, 0] / costs[:, 1]
    else:
        stale = np.empty(0)
    return Steps(values=moved[index] - 1, changed=changed, stale=stale)


def by_octave(
    values: Int[np.ndarray, "num"], changed: Bool[np.ndarray, "num"]
) -> tuple[Float[np.ndarray, "octaves"], Float[np.ndarray, "octaves"]]:
    """The middle of each octave of 100 values or more, and the share that changed in it."""
    octave = np.floor(np.log2(values)).astype(int)
    counts, hits = np.bincount(octave), np.bincount(octave, changed)
    seen = counts >= 100
    return 2.0 ** (np.flatnonzero(seen) + 0.5), hits[seen] / counts[seen]


def _draw_boundaries(
    found: Sequence[tuple[Sample, Mapping[str, Steps]]], names: Sequence[str]
) -> Figure:
    height = max(4.2, 1.8 + 0.3 * len(names))
    figure, ((left, right),) = exhibit.panels(1, 2, width=11, height=height)
    for group, (sample, steps) in enumerate(found):
        for letter, own in _OF_DIM.items():
            taken = [one for name, one in steps.items() if letter_of(name) == letter]
            if taken:
                values = np.concatenate([one.values for one in taken])
                changed = np.concatenate([one.changed for one in taken])
                line = {**exhibit.look(sample), **own, "label": f"{letter}, {sample.name}"}
                middles, shares = by_octave(values, changed)
                left.plot(middles, 100 * shares, **line)
        shares = 100 * np.array([one.share for one in steps.values()])
        look = {**exhibit.look(sample), "linestyle": "", "label": f"{sample.name}, all values"}
        right.plot(shares, np.arange(len(names)) + 0.2 * (group - 0.5), **look)
    left.set(xlabel="value of the dimension before the step", xscale="log")
    left.set_ylabel("labels that change (%)")
    log_from_zero(left, "y", _LEAST_PERCENT)
    shares = np.concatenate([line.get_xdata() for line in right.lines])
    right.set_xlim(0, 1.05 * max(shares.max(), _LEAST_PERCENT))
    if shares.min() < shares.max() / 20:
        log_from_zero(right, "x", _LEAST_PERCENT)
    right.set_yticks(range(len(names)), [in_words(name) for name in names])
    right.invert_yaxis()
    right.set_xlabel("labels that change with a step of one (%)")
    legend_below(figure, (left, right), columns=1 + len(found))
    return figure


@styled
def boundaries(samples: Sequence[Sample]) -> exhibit.Exhibit:
    """How often a step of one changes the label, over the size of the dimension and overall."""
    names = [feature.name for feature in samples[0].case.features]
    found = [
        (sample, {name: step(sample, index) for index, name in enumerate(names)})
        for sample in samples
    ]
    summary = {
        sample.name: {
            "changed_share": {name: one.share for name, one in steps.items()},
            "mean_changed_share_of_dims": float(
                np.mean([one.share for name, one in steps.items() if letter_of(name) in _OF_DIM])
            ),
        }
        for sample, steps in found
    }
    return exhibit.Exhibit(
        name="boundaries",
        title="How often a step of one changes the label",
        caption=exhibit.captioned(
            "a step of one in m, n or k changes {mean_changed_share_of_dims:.2%} of the labels",
            summary,
        )
        + " The table has the cost of keeping the old label, relative to the new optimum.",
        figure=_draw_boundaries(found, names),
        rows=[
            ["distribution", "input", "steps", "changed_share", "stale_median", "stale_p99"],
            *(
                [sample.name, name, len(one.values), one.share, *one.stale_quantiles]
                for sample, steps in found
                for name, one in steps.items()
            ),
        ],
        summary=summary,
    )


_MOST_LABELLED = 100_000


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
            surplus[row, column] = exhibit.geomean(ratio) - 1
    return equal, surplus


def _draw_agreement(results: Mapping[str, tuple[Any, Any]], names: Sequence[str]) -> Figure:
    num = len(names)
    size = {"width": 7 + 1.3 * num, "height": (2.0 + 0.6 * num) * len(results)}
    figure, axes = exhibit.panels(len(results), 2, **size)
    most = max(surplus.max() for _, surplus in results.values())
    for (left, right), (name, (equal, surplus)) in zip(axes, results.items(), strict=True):
        exhibit.annotated(left, equal)
        exhibit.annotated(right, surplus, max(most, 1e-9))
        left.set_ylabel("label made for")
        right.set_ylabel("judged by")
        left.set_title(f"{name}:\nequal labels", fontsize=exhibit.SMALL)
        right.set_title(f"{name}:\nextra cost (geometric mean)", fontsize=exhibit.SMALL)
        for panel in (left, right):
            panel.set_xticks(range(num), names, rotation=90)
            panel.set_yticks(range(num), names)
            panel.set_xlabel("label made for")
    return figure


@styled
def label_agreement(
    samples: Sequence[Sample], variants: Mapping[str, CaseStudy]
) -> exhibit.Exhibit:
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
    return exhibit.Exhibit(
        name="label_agreement",
        title="Labels under other models and objectives",
        caption=f"Against {names[0]}, on {min(num, _MOST_LABELLED):,} workloads per distribution"
        f" (costs: {min(num, _MOST_JUDGED):,}). "
        + exhibit.captioned(
            "{equal_labels:.1%} equal labels, {extra_cost_geomean:.2%} extra cost,"
            " {extra_cost_geomean_reversed:.2%} the other way round",
            {
                f"{name}, {other}": numbers
                for name, others in summary.items()
                for other, numbers in others.items()
            },
        ),
        figure=_draw_agreement(results, names),
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
