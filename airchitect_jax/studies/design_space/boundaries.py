"""How often a step of one in an input changes the label."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from airchitect_jax.reporting.style import GREEN, PURPLE, RED, Figure, legend_below, styled
from airchitect_jax.studies.design_space.exhibit import (
    Exhibit,
    captioned,
    grouped_bars,
    look,
    panels,
)
from airchitect_jax.studies.design_space.samples import Sample, labels_of, letter_of

_MOST_JUDGED = 20_000
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
    """The middle of each octave of values, and the share that changed in it, NaN where none did."""
    octave = np.floor(np.log2(values)).astype(int)
    counts, hits = np.bincount(octave), np.bincount(octave, changed)
    seen = counts >= 100
    return 2.0 ** (np.flatnonzero(seen) + 0.5), np.where(
        hits[seen] > 0, hits[seen] / counts[seen], np.nan
    )


def _draw(found: Sequence[tuple[Sample, Mapping[str, Steps]]], names: Sequence[str]) -> Figure:
    height = max(4.2, 1.8 + 0.3 * len(names))
    figure, ((left, right),) = panels(1, 2, width=11, height=height)
    for group, (sample, steps) in enumerate(found):
        for letter, own in _OF_DIM.items():
            taken = [one for name, one in steps.items() if letter_of(name) == letter]
            if taken:
                values = np.concatenate([one.values for one in taken])
                changed = np.concatenate([one.changed for one in taken])
                line = {**look(sample), **own, "label": f"{letter}, {sample.name}"}
                left.plot(*by_octave(values, changed), **line)
        grouped_bars(right.barh, group, [one.share for one in steps.values()], sample)
    left.set(xlabel="value of the dimension before the step", xscale="log")
    left.set_ylabel("share of labels that change")
    if any(np.isfinite(line.get_ydata()).any() for line in left.lines):
        left.set_yscale("log")  # which needs a value above zero
        right.set_xscale("log")
    right.set_yticks(range(len(names)), names)
    right.invert_yaxis()
    right.set_xlabel("share of labels that change with a step of one")
    legend_below(figure, (left, right), columns=1 + len(found))
    return figure


@styled
def boundaries(samples: Sequence[Sample]) -> Exhibit:
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
    return Exhibit(
        name="boundaries",
        title="How often a step of one changes the label",
        caption=captioned(
            "a step of one in m, n or k changes {mean_changed_share_of_dims:.2%} of the labels",
            summary,
        )
        + " The table has the cost of keeping the old label, relative to the new optimum.",
        figure=_draw(found, names),
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
