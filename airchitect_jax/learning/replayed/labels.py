"""What replays teach: the fewest cycles of all sizings with a buffer of a size.

A workload is replayed in all sizings, which takes about twice as long as a search for the best one,
and serves all budgets.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from airchitect_jax._support import atomic_path
from airchitect_jax.case_studies import BufferCase
from airchitect_jax.cost.evaluate import evaluate
from airchitect_jax.learning.datasets import Split, draw
from airchitect_jax.scalesim.pool import map_in_order
from airchitect_jax.types import ArrayDesign, Gemm, Interface, MemoryModel

SHARD = 4096  # workloads of one file
_BATCH = 64  # replayed at a time


@dataclasses.dataclass(frozen=True, kw_only=True)
class Replays:
    """Replayed workloads.

    Attributes:
      workloads: raw features; budgets are random, and play no part in `delays`.
      delays: log(fewest cycles of all sizings with the buffer / cycles without stalls) of ifmap,
        filter and ofmap at each size (float32).
      seconds: time of one core that the replays took.
    """

    workloads: Int[np.ndarray, "features num"]
    delays: Float[np.ndarray, "3 sizes num"]
    seconds: float

    def __len__(self) -> int:
        return self.workloads.shape[1]

    def first(self, num: int) -> Replays:
        """The first of them, with their part of the time."""
        return Replays(
            workloads=self.workloads[:, :num],
            delays=self.delays[..., :num],
            seconds=self.seconds * num / len(self),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Shard:
    case: BufferCase
    seed: int
    number: int
    split: Split


def replayed_case(max_dim: int) -> BufferCase:
    """Case study 2 as the package judges it, with m, n and k up to `max_dim`."""
    return BufferCase(
        memory_model=MemoryModel.SCALESIM3, interface=Interface.PORTS, max_dim=max_dim
    )


def exact_delays(
    case: BufferCase, workloads: Int[np.ndarray, "features num"]
) -> Float[np.ndarray, "3 sizes num"]:
    """The attribute of `Replays` (float64), by a replay of every sizing."""
    ids = case.space.id_of_levels
    parts = []
    for first in range(0, workloads.shape[1], _BATCH):
        part = np.asarray(workloads[:, first : first + _BATCH], np.int64)
        costs = case.costs(part, np.broadcast_to(ids.ravel(), (part.shape[1], ids.size)))
        cube = costs.reshape(-1, *ids.shape)
        fewest = np.stack([cube.min(axis=rest) for rest in ((2, 3), (1, 3), (1, 2))])
        parts.append(np.log(fewest / stall_free_cycles(case, part)[:, None]))
    return np.concatenate(parts, axis=1).swapaxes(1, 2)


def stall_free_cycles(
    case: BufferCase, workloads: Int[np.ndarray, "features num"]
) -> Int[np.ndarray, "num"]:
    """Total cycles of each workload in a run that never waits; 1 for one of a single cycle."""
    values = case.by_name(workloads)
    design = ArrayDesign(
        rows=1 << values["row_exponent"],
        cols=1 << values["col_exponent"],
        dataflow=values["dataflow"],
    )
    gemm = Gemm(**{name: values[name] for name in ("m", "n", "k")})
    return np.maximum(evaluate(gemm, design).compute_cycles, 1)


def collect(
    case: BufferCase,
    folder: pathlib.Path,
    *,
    seed: int,
    num: int,
    split: Split,
    jobs: int,
    on_shard: Callable[[int], None] = lambda _: None,
) -> Replays:
    """Draws and replays workloads of a split; those that the folder holds are read.

    Args:
      case: with the replayed memory model.
      folder: for a file of every `SHARD` workloads; of one case and seed only.
      seed: of the random numbers.
      num: how many.
      split: the split to draw from.
      jobs: processes; with 1 it is this one.
      on_shard: is told how many workloads there are, after every file.
    """
    paths = [folder / f"{number:05}.npz" for number in range(-(-num // SHARD))]
    shards = [
        _Shard(case=case, seed=seed, number=number, split=split)
        for number, path in enumerate(paths)
        if not path.exists()
    ]
    folder.mkdir(parents=True, exist_ok=True)
    made = map(_replayed, shards) if jobs == 1 else map_in_order(_replayed, shards, jobs)
    done = len(paths) - len(shards)
    for shard, found in zip(shards, made, strict=True):
        with atomic_path(paths[shard.number]) as temporary, temporary.open("wb") as file:
            np.savez(file, workloads=found.workloads, delays=found.delays, seconds=found.seconds)
        done += 1
        on_shard(min(done * SHARD, num))
    parts = []
    for path in paths:
        with np.load(path, allow_pickle=False) as arrays:
            parts.append({name: arrays[name] for name in arrays})
    return Replays(
        workloads=np.concatenate([part["workloads"] for part in parts], axis=1),
        delays=np.concatenate([part["delays"] for part in parts], axis=2),
        seconds=float(sum(part["seconds"] for part in parts)),
    ).first(num)


def _replayed(shard: _Shard) -> Replays:
    workloads = np.asarray(
        _draw(shard.case, jax.random.key(shard.seed), jnp.int32(shard.number), shard.split)
    )
    start = time.process_time()
    delays = exact_delays(shard.case, workloads).astype(np.float32)
    return Replays(workloads=workloads, delays=delays, seconds=time.process_time() - start)


@functools.partial(jax.jit, static_argnames=("case", "split"))
def _draw(case: BufferCase, key: jax.Array, number: jax.Array, split: Split) -> jax.Array:
    key = jax.random.fold_in(jax.random.fold_in(key, split), number)
    return draw(case, key, SHARD, split)
