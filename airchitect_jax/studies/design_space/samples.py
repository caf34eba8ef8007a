"""Labelled random workloads of a case study, and the layers of real networks beside them."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from airchitect_jax._support import check_fits
from airchitect_jax.case_studies import CaseStudy, Feature, out_of_range
from airchitect_jax.learning import Dataset
from airchitect_jax.workloads import Network

_BLOCK = 1 << 16  # workloads drawn at a time: one shape to compile
_MOST_INEXACT = 1000  # labels that Python integers may be asked for


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sample(Dataset):
    """Workloads of one distribution, whose name is in words, and of one case study."""

    name: str
    case: CaseStudy

    def feature(self, name: str) -> Int[np.ndarray, "num"]:
        """The values of one feature."""
        return self.case.by_name(self.workloads)[name]

    def first(self, num: int) -> Sample:
        """The first `num` of them, or all if there are fewer: a random sample as well."""
        return self.where(slice(num))

    def where(self, here: Bool[np.ndarray, "num"] | slice) -> Sample:
        """Some of them."""
        return dataclasses.replace(
            self, workloads=self.workloads[:, here], design_ids=self.design_ids[here]
        )


@functools.partial(jax.jit, static_argnames=("case", "count"))
def _draw(
    case: CaseStudy, key: jax.Array, block: Int[Array, ""], count: int
) -> Int[Array, "features count"]:
    return case.sample(jax.random.fold_in(key, block), count)


def draw(name: str, case: CaseStudy, *, seed: int, num: int) -> Sample:
    """`num` labelled workloads; independent of each other, so some may be drawn twice.

    Raises:
      ValueError: too many optima are beyond the device's exact arithmetic, or `num` workloads do
        not fit into memory.
    """
    check_fits("num_workloads", num, num * 4 * (2 * len(case.features) + 2))
    key = jax.random.key(seed)
    blocks = [_draw(case, key, jnp.int32(block), _BLOCK) for block in range(-(-num // _BLOCK))]
    workloads = np.concatenate(jax.device_get(blocks), axis=1)[:, :num]
    labels = labels_of(case, workloads)
    return Sample(name=name, case=case, workloads=workloads, design_ids=labels)


def labels_of(
    case: CaseStudy, workloads: Int[np.ndarray, "features num"]
) -> Int[np.ndarray, "num"]:
    """Exact best designs of any number of workloads, in calls of one shape.

    Raises:
      ValueError: too many optima are beyond the device's exact arithmetic.
    """
    size, num = case.label_batch, workloads.shape[1]
    results = []
    for first in range(0, num, size):
        batch = workloads[:, first : first + size]
        padding = size - batch.shape[1]
        padded = np.pad(batch, ((0, 0), (0, padding)), mode="edge").astype(np.int32)
        results.append(np.asarray(case.label(jnp.asarray(padded)))[: size - padding])
    ids = np.concatenate(results)
    inexact = ids < 0
    if inexact.sum() > _MOST_INEXACT:
        highest = max(feature.high for feature in case.features)
        raise ValueError(
            f"max_dim: {highest} is not allowed; the costs of {inexact.sum()} of {num} workloads"
            " are too large for fast exact labels; expected a smaller one"
        )
    if inexact.any():
        ids[inexact] = case.exact(workloads[:, inexact]).design_id
    return ids


def dims(case: CaseStudy, workloads: Int[np.ndarray, "features num"]) -> Int[np.ndarray, "3 gemms"]:
    """m, n and k of all GEMMs of the workloads, one GEMM of each workload after the other."""
    rows = list(zip((letter_of(feature.name) for feature in case.features), workloads, strict=True))
    return np.stack([np.concatenate([row for of, row in rows if of == one]) for one in "mnk"])


def letter_of(name: str) -> str:
    """M of the features m, m0, m1 and so on."""
    return name.rstrip("0123456789")


def entropy_bits(category: Int[np.ndarray, "num"]) -> float:
    """Entropy of the categories in a sample."""
    counts = np.bincount(category)
    shares = counts[counts > 0] / len(category)
    return float(-(shares * np.log2(shares)).sum())


def shape_axes(
    gemms: Int[np.ndarray, "3 gemms"],
) -> tuple[Float[np.ndarray, "gemms"], Float[np.ndarray, "gemms"]]:
    """log2(m / n) and log2(k / sqrt(m n)): the shape of a GEMM, whatever its size."""
    m, n, k = np.log2(gemms)
    return m - n, k - (m + n) / 2


def _by_logarithm(feature: Feature) -> bool:
    return feature.low >= 1 and feature.high > 32 * feature.low


def input_names(case: CaseStudy) -> list[str]:
    """The names of the columns of `inputs`, for example "log m"."""
    return [
        f"log {feature.name}" if _by_logarithm(feature) else feature.name
        for feature in case.features
    ]


def inputs(
    case: CaseStudy, workloads: Int[np.ndarray, "features num"]
) -> Float[np.ndarray, "num features"]:
    """Features as distances are measured in them, one range wide.

    Those that span more than a factor of 32 count by their logarithm, the others as they are.
    """
    columns = []
    for feature, row in zip(case.features, workloads, strict=True):
        if _by_logarithm(feature):
            column = np.log2(row / feature.low) / np.log2(feature.high / feature.low)
        else:
            column = (row - feature.low) / max(feature.high - feature.low, 1)
        columns.append(column.astype(np.float32))
    return np.stack(columns, axis=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layers:
    """The layers of real networks as workloads, one in each context of the case study.

    Attributes:
      network: the network of each, as an index into `networks`.
      networks: their names.
      workloads: Int[features, num], of any size.
      in_range: which lie within the ranges that are sampled.
    """

    networks: tuple[str, ...]
    network: Int[np.ndarray, "num"]
    workloads: Int[np.ndarray, "features num"]
    in_range: Bool[np.ndarray, "num"]


def layers_of(case: CaseStudy, networks: Sequence[Network]) -> Layers:
    """Every layer of the networks once in each context."""
    parts = [
        (index, case.from_gemms(network.gemms, context))
        for index, network in enumerate(networks)
        for context in case.contexts
    ]
    workloads = np.concatenate([part for _, part in parts], axis=1)
    return Layers(
        networks=tuple(network.name for network in networks),
        network=np.concatenate([np.full(part.shape[1], index) for index, part in parts]),
        workloads=workloads,
        in_range=~out_of_range(case, workloads),
    )
