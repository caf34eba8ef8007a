"""What two random samples share: labels, which makes learning possible, and whole workloads."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from airchitect_jax.reporting.style import legend_below, styled
from airchitect_jax.studies.design_space.exhibit import Exhibit, looks, panels, percent
from airchitect_jax.studies.design_space.samples import Sample

_MOST_TESTED = 100_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Overlap:
    """Between a sample of `size` and an independent one.

    Attributes:
      size: workloads of the first sample.
      label_seen: share of the second's workloads whose label occurs in the first.
      jaccard: of the sets of labels of two samples of this size, shared over all.
      workload_seen: share of the second's workloads that are in the first, value for value.
    """

    size: int
    label_seen: float
    jaccard: float
    workload_seen: float


def row_codes(workloads: Int[np.ndarray, "features num"]) -> Int[np.ndarray, "num"]:
    """A number for each workload, equal where all features are."""
    codes = np.zeros(workloads.shape[1], np.int64)
    for row in workloads:
        paired = codes * (int(row.max()) + 1) + row
        codes = np.unique(paired, return_inverse=True)[1].reshape(-1)
    return codes


def first_places(
    reference: Int[np.ndarray, "num"], wanted: Int[np.ndarray, "tested"]
) -> Int[np.ndarray, "tested"]:
    """Where each wanted value stands first in `reference`; past its end if nowhere."""
    values, places = np.unique(reference, return_index=True)
    found = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
    return np.where(values[found] == wanted, places[found], len(reference))


def overlaps(sample: Sample) -> list[Overlap]:
    """For halves of the sample, the first of growing size."""
    half = len(sample) // 2
    tested = slice(half, half + min(half, _MOST_TESTED))
    codes, ids = row_codes(sample.workloads), sample.design_ids
    code_place = first_places(codes[:half], codes[tested])
    label_place = first_places(ids[:half], ids[tested])
    sizes = np.unique(np.geomspace(100, half, 13).astype(int))
    results = []
    for size in sizes.tolist():
        ours, theirs = (set(part[:size].tolist()) for part in (ids[:half], ids[half:]))
        results.append(
            Overlap(
                size=size,
                label_seen=float((label_place < size).mean()),
                jaccard=len(ours & theirs) / len(ours | theirs),
                workload_seen=float((code_place < size).mean()),
            )
        )
    return results


@styled
def overlap(samples: Sequence[Sample]) -> Exhibit:
    """Labels and workloads that independent samples of growing size share."""
    figure, ((left, right),) = panels(1, 2, width=11, height=4.2)
    rows: list[list[Any]] = [
        ["distribution", *(field.name for field in dataclasses.fields(Overlap))]
    ]
    sentences, summary = [], {}
    for sample, style in zip(samples, looks(samples), strict=True):
        results = overlaps(sample)
        sizes = [result.size for result in results]
        line = {**style, "markersize": 4}
        left.plot(
            sizes,
            [result.label_seen for result in results],
            label=f"{sample.name}: workloads with a known label",
            **line,
        )
        left.plot(
            sizes,
            [result.jaccard for result in results],
            label=f"{sample.name}: labels in both, of those in either",
            **{**line, "alpha": 0.45},
        )
        seen = [result.workload_seen for result in results]
        label = sample.name if any(seen) else f"{sample.name}: none"
        right.plot(sizes, seen, label=label, **line)
        rows += [[sample.name, *dataclasses.astuple(result)] for result in results]
        known = next((result.size for result in results if result.label_seen >= 0.99), None)
        last = results[-1]
        sentences.append(
            f"{sample.name}: "
            + (
                f"{known:,} workloads hold the labels of 99% of all others"
                if known
                else f"{last.size:,} workloads hold the labels of {percent(last.label_seen)} of"
                " all others"
            )
            + f"; two samples of {last.size:,} share {percent(last.jaccard)} of the labels that"
            f" occur in either, and {percent(last.workload_seen)} of the workloads of one are in"
            " the other."
        )
        summary[sample.name] = dataclasses.asdict(last)
    worst = max(samples, key=lambda sample: summary[sample.name]["workload_seen"])
    leak = summary[worst.name]["workload_seen"]
    if leak:
        sentences.append(
            f"So a random split of {worst.name} workloads would leak up to {percent(leak)} of a"
            " test set into training; our data sets are split by a hash of the workload, which"
            " leaks none."
        )
    else:
        sentences.append("So a random split would leak no workload from training into a test set.")
    left.set_ylim(0, 1.03)
    left.set_ylabel("share")
    right.set_ylabel("share of workloads that are in the other sample")
    if leak:
        right.set_yscale("log")
    else:
        right.set_ylim(-0.01, 1)
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_xlabel("workloads of the sample")
    legend_below(figure, (left, right), columns=3)
    return Exhibit(
        name="overlap",
        title="What two random samples share",
        text=" ".join(sentences),
        figure=figure,
        rows=rows,
        summary=summary,
    )
