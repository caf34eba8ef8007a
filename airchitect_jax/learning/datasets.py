"""Labelled workloads: drawn, split, stored, streamed.

A hash of its values assigns each workload to one split, always the same. So training data, stored
or streamed, never contains a workload of the test set, and nothing has to be compared.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import pathlib
import warnings
from collections.abc import Iterator
from typing import Any, Protocol

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from airchitect_jax._support import atomic_path, check_file, check_fits, write_checksum
from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.workloads import Distribution


class Split(enum.IntEnum):
    """Training, validation or test. The value also separates the random numbers of the splits."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2


_BUCKETS = 32  # one for TEST, one for VALIDATION, the rest for TRAIN
_MAX_ROUNDS = 512  # of drawing; about 35 fill a split of one bucket, unless the ranges are tiny
_BLOCK = 1 << 16  # workloads drawn at a time for a stored set: one shape to compile


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """Workloads with their exact best designs.

    Attributes:
      workloads: Int[features, num], raw feature values (int32).
      design_ids: Int[num] (int32).
    """

    workloads: Int[np.ndarray, "features num"]
    design_ids: Int[np.ndarray, "num"]

    def __len__(self) -> int:
        return len(self.design_ids)


def split_of(workloads: Int[Array, features * batch]) -> Int[Array, "*batch"]:
    """The `Split` of each workload: FNV-1a over the features, finished with murmur3's mixer."""
    state = jnp.full(workloads.shape[1:], 2166136261, jnp.uint32)
    for feature in workloads:
        state = (state ^ feature.astype(jnp.uint32)) * jnp.uint32(16777619)
    state = (state ^ (state >> 16)) * jnp.uint32(0x85EBCA6B)
    state = (state ^ (state >> 13)) * jnp.uint32(0xC2B2AE35)
    bucket = (state ^ (state >> 16)) % jnp.uint32(_BUCKETS)
    return jnp.where(bucket > Split.TEST, Split.TRAIN, bucket.astype(jnp.int32))


# How many rounds were drawn, how many workloads found, and the workloads.
_Drawn = tuple[Int[Array, ""], Int[Array, ""], Int[Array, "features count"]]


def _sample(
    case: CaseStudy, key: jax.Array, count: int, small_share: float
) -> Int[Array, "features count"]:
    """Random workloads; a share of each dimension is log-uniform, independently."""
    plain = case.sample(key, count)
    if small_share == 0:
        return plain
    of_small, of_choice = jax.random.split(key)
    log_uniform = dataclasses.replace(case, distribution=Distribution.LOG_UNIFORM)  # type: ignore[type-var]
    is_small = jax.random.bernoulli(of_choice, small_share, plain.shape)
    return jnp.where(is_small, log_uniform.sample(of_small, count), plain)


def draw(
    case: CaseStudy,
    key: jax.Array,
    count: int,
    split: Split | Int[Array, ""],
    small_share: float = 0.0,
) -> Int[Array, "features count"]:
    """`count` random workloads of one split, traceable; zeros if the ranges hold none.

    A share of each dimension, `small_share`, is log-uniform.
    """

    def unfinished(state: _Drawn) -> Bool[Array, ""]:
        turn, filled, _ = state
        return (filled < count) & (turn < _MAX_ROUNDS)

    def append(state: _Drawn) -> _Drawn:
        turn, filled, workloads = state
        fresh = _sample(case, jax.random.fold_in(key, turn), count, small_share)
        chex.assert_shape(fresh, (len(case.features), count))
        wanted = split_of(fresh) == split
        counts = filled + jnp.cumsum(wanted, dtype=jnp.int32)
        # Unwanted workloads, and those past the end, get an index out of range: they are dropped.
        workloads = workloads.at[:, jnp.where(wanted, counts - 1, count)].set(fresh, mode="drop")
        return turn + 1, counts[-1], workloads

    nothing = jnp.zeros((len(case.features), count), jnp.int32)
    return jax.lax.while_loop(unfinished, append, (jnp.int32(0), jnp.int32(0), nothing))[2]


@functools.partial(jax.jit, static_argnames=("case", "count", "small_share"))
def _draw_block(
    case: CaseStudy,
    key: jax.Array,
    block: Int[Array, ""],
    count: int,
    split: Int[Array, ""],
    small_share: float = 0.0,
) -> Int[Array, "features count"]:
    key = jax.random.fold_in(jax.random.fold_in(key, split), block)
    return draw(case, key, count, split, small_share)


def dataset_bytes(case: CaseStudy, num: int) -> int:
    """The least memory in which `sample_dataset` draws `num` workloads."""
    # Workloads as they are drawn, joined, and hashed at the end; labels in parts and joined.
    return num * 4 * (3 * len(case.features) + 2)


def sample_dataset(
    case: CaseStudy, *, seed: int, num: int, split: Split, name: str | None = None
) -> Dataset:
    """`num` labelled workloads of a split; the same seed gives the same ones.

    Args:
      case: the case study that draws and labels them.
      seed: of the random numbers.
      num: how many.
      split: the split to draw from.
      name: the name of `num` in errors; by default from that of the split, as in num_train.

    Raises:
      ValueError: the feature ranges are so small that a split has no workload at all, or `num`
        workloads do not fit into memory.
    """
    check_fits(name or f"num_{split.name.lower()}", num, dataset_bytes(case, num))
    key = jax.random.key(seed)
    drawn = [
        _draw_block(case, key, jnp.int32(block), _BLOCK, jnp.int32(split))
        for block in range(-(-num // _BLOCK))
    ]
    workloads = np.concatenate(jax.device_get(drawn), axis=1)
    size = case.label_batch
    design_ids = [
        np.asarray(case.label(jnp.asarray(workloads[:, first : first + size])))
        for first in range(0, num, size)
    ]
    dataset = Dataset(workloads=workloads[:, :num], design_ids=np.concatenate(design_ids)[:num])
    if np.any(np.asarray(split_of(jnp.asarray(dataset.workloads))) != split):
        ranges = ", ".join(f"{f.name} {f.low}..{f.high}" for f in case.features)
        raise ValueError(f"no workload for the {split.name.lower()} split in {ranges}: widen them")
    return dataset


def save_dataset(path: pathlib.Path, dataset: Dataset, description: dict[str, object]) -> None:
    """Writes an .npz file, whole or not at all, with a description of its origin inside.

    Its checksum goes to a second file, PATH.sha256.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            workloads=dataset.workloads,
            design_ids=dataset.design_ids,
            description=np.array(json.dumps(description, sort_keys=True)),
        )
    write_checksum(path)


def load_dataset(path: pathlib.Path, description: dict[str, object]) -> Dataset | None:
    """Reads what `save_dataset` wrote.

    Returns:
      The data set; None if it has to be made again: there is no file, its origin differs, or it is
      damaged (with a warning).
    """
    if not path.exists():
        return None
    try:
        check_file(path)
    except (ValueError, OSError) as error:
        warnings.warn(f"{error}; the data set is made again", stacklevel=2)
        return None
    with np.load(path, allow_pickle=False) as arrays:
        if str(arrays["description"]) != json.dumps(description, sort_keys=True):
            return None
        return Dataset(workloads=arrays["workloads"], design_ids=arrays["design_ids"])


# Workloads and design ids of several consecutive steps.
Block = tuple[Int[Array, "steps features batch"], Int[Array, "steps *values batch"]]


class BatchSource(Protocol):
    """Training batches, addressed by epoch so that a resumed run sees the same ones."""

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches in an epoch."""
        ...

    def blocks(self, epoch: int, block_steps: int) -> Iterator[Block]:
        """The batches of an epoch in order, `block_steps` at a time; the last may be shorter."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredBatches:
    """A stored data set, shuffled anew each epoch; what fills no batch is left out."""

    dataset: Dataset
    batch_size: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Number of full batches in the data set."""
        return len(self.dataset) // self.batch_size

    def blocks(self, epoch: int, block_steps: int) -> Iterator[Block]:
        """See `BatchSource`."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.dataset))
        steps = order[: self.steps_per_epoch * self.batch_size].reshape(-1, self.batch_size)
        for first in range(0, len(steps), block_steps):
            rows = steps[first : first + block_steps]
            yield (
                jnp.asarray(self.dataset.workloads[:, rows].swapaxes(0, 1)),
                jnp.asarray(self.dataset.design_ids[rows]),
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class StreamedBatches:
    """Fresh workloads, drawn and labelled on the device for every batch; none is stored.

    A share of each dimension, `small_share`, is log-uniform: small ones occur in real networks, but
    hardly ever among uniform draws.
    """

    case: CaseStudy
    batch_size: int
    steps_per_epoch: int
    seed: int
    small_share: float = 0.0

    def blocks(self, epoch: int, block_steps: int) -> Iterator[Block]:
        """See `BatchSource`."""
        key = jax.random.fold_in(jax.random.key(self.seed), epoch)
        for first in range(0, self.steps_per_epoch, block_steps):
            steps = min(block_steps, self.steps_per_epoch - first)
            # Traced numbers, so that few shapes are compiled.
            block, split = jnp.int32(first), jnp.int32(Split.TRAIN)
            workloads = _draw_block(
                self.case, key, block, steps * self.batch_size, split, self.small_share
            )
            design_ids = self.case.label(workloads)
            yield (
                workloads.reshape(-1, steps, self.batch_size).swapaxes(0, 1),
                design_ids.reshape(steps, self.batch_size),
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class CrossedBatches:
    """Fresh workloads, each labelled under every value of one feature, such as a budget.

    For networks that compute what does not depend on that feature once.

    Attributes:
      row: the row of the feature.
      batch_size: the number of labels in a batch, at most; at least one workload is drawn.
      small_share: as for `StreamedBatches`.
    """

    case: CaseStudy
    row: int
    batch_size: int
    steps_per_epoch: int
    seed: int
    small_share: float = 0.0

    def blocks(self, epoch: int, block_steps: int) -> Iterator[Block]:
        """See `BatchSource`; design ids are Int[steps, values, batch], -1 outside of TRAIN."""
        feature = self.case.features[self.row]
        batch = max(self.batch_size // feature.cardinality, 1)
        key = jax.random.fold_in(jax.random.key(self.seed), epoch)
        for first in range(0, self.steps_per_epoch, block_steps):
            steps = min(block_steps, self.steps_per_epoch - first)
            own = jax.random.fold_in(key, first)
            workloads = _sample_jit(self.case, own, steps * batch, self.small_share)
            design_ids = []
            for value in range(feature.low, feature.high + 1):
                crossed, in_train = _with_value(workloads, self.row, jnp.int32(value))
                design_ids.append(jnp.where(in_train, self.case.label(crossed), -1))
            yield (
                workloads.reshape(-1, steps, batch).swapaxes(0, 1),
                jnp.stack(design_ids).reshape(-1, steps, batch).swapaxes(0, 1),
            )


_sample_jit = jax.jit(_sample, static_argnums=(0, 2, 3))


@functools.partial(jax.jit, static_argnames="row")
def _with_value(
    workloads: Int[Array, "features batch"], row: int, value: Int[Array, ""]
) -> tuple[Int[Array, "features batch"], Bool[Array, "batch"]]:
    """The workloads with one feature replaced, and which of them are of the split TRAIN."""
    crossed = workloads.at[row].set(value)
    return crossed, split_of(crossed) == Split.TRAIN


def streamed(
    case: CaseStudy,
    network: Any,
    *,
    batch_size: int,
    steps_per_epoch: int,
    seed: int,
    small_share: float = 0.0,
) -> BatchSource:
    """Fresh batches for a network: crossed if it has a `crossed_row`, plain otherwise."""
    row = getattr(network, "crossed_row", None)
    source = StreamedBatches if row is None else functools.partial(CrossedBatches, row=row)
    return source(
        case=case,
        batch_size=batch_size,
        steps_per_epoch=steps_per_epoch,
        seed=seed,
        small_share=small_share,
    )
