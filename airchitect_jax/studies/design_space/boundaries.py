"""How close the borders between labels lie: how often one step of an input changes the label."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from airchitect_jax.reporting.style import GREEN, PURPLE, RED, legend_below, styled
from airchitect_jax.studies.design_space.exhibit import (
    Exhibit,
    extra,
    listed,
    looks,
    panels,
    percent,
)
from airchitect_jax.studies.design_space.samples import Sample, labels_of

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


def step(sample: Sample, place: int) -> Steps:
    """Raises the feature at `place` by one."""
    case = sample.case
    room = sample.workloads[place] < case.features[place].high
    moved = sample.workloads[:, room].copy()
    moved[place] += 1
    before, after = sample.design_ids[room], labels_of(case, moved)
    changed = before != after
    some = np.flatnonzero(changed)[:_MOST_JUDGED]
    if len(some):
        costs = case.costs(moved[:, some], np.stack([before[some], after[some]], axis=1))
        stale = costs[:, 0] / costs[:, 1]
    else:
        stale = np.empty(0)
    return Steps(values=moved[place] - 1, changed=changed, stale=stale)


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


@styled
def boundaries(samples: Sequence[Sample]) -> Exhibit:
    """How often a step of one changes the label, over the size of the dimension and overall."""
    case = samples[0].case
    names = [feature.name for feature in case.features]
    figure, ((left, right),) = panels(1, 2, width=11, height=max(4.2, 1.8 + 0.3 * len(names)))
    rows: list[list[Any]] = [
        ["distribution", "input", "steps", "changed_share", "stale_median", "stale_p99"]
    ]
    sentences, summary = [], {}
    for number, (sample, style) in enumerate(zip(samples, looks(samples), strict=True)):
        shares: dict[str, float] = {}
        of_letter: dict[str, list[Steps]] = {}
        stale = []
        for place, name in enumerate(names):
            taken = step(sample, place)
            shares[name] = float(taken.changed.mean())
            letter = name.rstrip("0123456789")
            if letter in _OF_DIM:
                of_letter.setdefault(letter, []).append(taken)
                stale.append(taken.stale)
            quantiles = np.quantile(taken.stale, (0.5, 0.99)) if len(taken.stale) else (1.0, 1.0)
            rows.append(
                [sample.name, name, len(taken.values), shares[name], *map(float, quantiles)]
            )
        for letter, steps in of_letter.items():
            left.plot(
                *by_octave(
                    np.concatenate([taken.values for taken in steps]),
                    np.concatenate([taken.changed for taken in steps]),
                ),
                label=f"{letter}, {sample.name}",
                linestyle=style["linestyle"],
                markersize=4,
                **_OF_DIM[letter],
            )
        right.barh(
            np.arange(len(names)) + 0.4 * (number - 0.5),
            list(shares.values()),
            0.36,
            color=style["color"],
            label=sample.name,
        )
        in_dims = {name: shares[name] for name in names if name.rstrip("0123456789") in _OF_DIM}
        others = [f"{name} {percent(shares[name])}" for name in names if name not in in_dims]
        costs = np.concatenate(stale)
        mean = float(np.mean(list(in_dims.values())))
        sentences.append(
            f"{sample.name}: one more in m, n or k changes {percent(mean)} of the labels, from"
            f" {percent(min(in_dims.values()))} ({min(in_dims, key=in_dims.__getitem__)}) to"
            f" {percent(max(in_dims.values()))} ({max(in_dims, key=in_dims.__getitem__)})"
            + (f"; one step of the other inputs: {listed(others)}" if others else "")
            + "."
            + (
                f" Where it does, the old design would cost {extra(np.median(costs) - 1)} more"
                f" in the median and {extra(np.quantile(costs, 0.99) - 1)} at the 99th"
                " percentile."
                if len(costs)
                else ""
            )
        )
        summary[sample.name] = {"changed_share": shares, "mean_changed_share_of_dims": mean}
    left.set_xscale("log")
    if any(one["mean_changed_share_of_dims"] for one in summary.values()):  # or a log has no value
        left.set_yscale("log")
        right.set_xscale("log")
    left.set_xlabel("value of the dimension before the step")
    left.set_ylabel("share of labels that change")
    right.set_yticks(range(len(names)), names)
    right.invert_yaxis()
    right.set_xlabel("share of labels that change with a step of one")
    legend_below(figure, (left, right), columns=1 + len(samples))
    return Exhibit(
        name="boundaries",
        title="How often a step of one changes the label",
        text=" ".join(sentences),
        figure=figure,
        rows=rows,
        summary=summary,
    )
