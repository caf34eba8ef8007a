"""The labels and the workloads that two random samples share."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from airchitect_jax.reporting.style import Figure, legend_below, styled
from airchitect_jax.studies.design_space.exhibit import Exhibit, captioned, look, panels
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


def first_indices(
    reference: Int[np.ndarray, "num"], wanted: Int[np.ndarray, "tested"]
) -> Int[np.ndarray, "tested"]:
    """Where each wanted value stands first in `reference`; past its end if nowhere."""
    values, indices = np.unique(reference, return_index=True)
    found = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
    return np.where(values[found] == wanted, indices[found], len(reference))


def overlaps(sample: Sample) -> list[Overlap]:
    """For halves of the sample, the first of growing size."""
    half = len(sample) // 2
    tested = slice(half, half + min(half, _MOST_TESTED))
    codes, ids = row_codes(sample.workloads), sample.design_ids
    code_index = first_indices(codes[:half], codes[tested])
    label_index = first_indices(ids[:half], ids[tested])
    sizes = np.unique(np.geomspace(100, half, 13).astype(int))
    results = []
    for size in sizes.tolist():
        ours, theirs = (set(part[:size].tolist()) for part in (ids[:half], ids[half:]))
        results.append(
            Overlap(
                size=size,
                label_seen=float((label_index < size).mean()),
                jaccard=len(ours & theirs) / len(ours | theirs),
                workload_seen=float((code_index < size).mean()),
            )
        )
    return results


def _draw(found: Sequence[tuple[Sample, Sequence[Overlap]]]) -> Figure:
    figure, ((left, right),) = panels(1, 2, width=11, height=4.2)
    for sample, results in found:
        name, line = sample.name, look(sample)
        sizes = [result.size for result in results]
        known = [result.label_seen for result in results]
        left.semilogx(sizes, known, label=f"{name}: workloads with a known label", **line)
        common = [result.jaccard for result in results]
        left.semilogx(
            sizes, common, label=f"{name}: labels in both, of those in either", alpha=0.45, **line
        )
        seen = [result.workload_seen for result in results]
        right.semilogx(sizes, seen, label=name if any(seen) else f"{name}: none", **line)
    left.set(xlabel="workloads of the sample", ylabel="share", ylim=(0, 1.03))
    right.set(xlabel="workloads of the sample", ylabel="share of workloads in the other sample")
    if any(results[-1].workload_seen for _, results in found):
        right.set_yscale("log")
    else:
        right.set_ylim(-0.01, 1)
    legend_below(figure, (left, right), columns=3)
    return figure


@styled
def overlap(samples: Sequence[Sample]) -> Exhibit:
    """Labels and workloads that independent samples of growing size share."""
    found = [(sample, overlaps(sample)) for sample in samples]
    summary = {sample.name: dataclasses.asdict(results[-1]) for sample, results in found}
    return Exhibit(
        name="overlap",
        title="What two random samples share",
        caption=captioned(
            "two samples of {size:,} workloads share {jaccard:.1%} of the labels that occur in"
            " either; {label_seen:.1%} of the workloads of one have a label that occurs in the"
            " other, and {workload_seen:.2%} occur in the other themselves",
            summary,
        )
        + " Data sets are split by a hash of the workload: no workload is in two splits.",
        figure=_draw(found),
        rows=[
            ["distribution", *(field.name for field in dataclasses.fields(Overlap))],
            *(
                [sample.name, *dataclasses.astuple(result)]
                for sample, results in found
                for result in results
            ),
        ],
        summary=summary,
    )
