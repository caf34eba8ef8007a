"""How many machines and mappings a question has."""

from __future__ import annotations

import functools
import math

import numpy as np

from airchitect_jax.oracle.machines.question import Question
from airchitect_jax.oracle.mappings.best import partitions


@functools.lru_cache(100_000)
def _numbers_of_trips(share: int) -> int:
    """How many values ceil(share / tile) has for tiles of 1 to `share`."""
    count, tile = 0, share
    while tile:
        trips = -(-share // tile)
        count, tile = count + 1, -(-share // trips) - 1
    return count


def mapping_points(gemm: tuple[int, int, int], num_cores: int, num_dataflows: int) -> int:
    """Mappings of a GEMM, whether they fit into the memories or not.

    Tiles are those of different numbers of trips. Orders that differ in loops of one trip only are
    one.
    """
    total = 0
    for cores in partitions(num_cores).tolist():
        m, n, k = (
            _numbers_of_trips(-(-dim // parts)) - 1 for dim, parts in zip(gemm, cores, strict=True)
        )
        total += 6 * m * n * k + 2 * (m * n + m * k + n * k) + (m + n + k) + 1
    return total * num_dataflows


def log10_joint_points(question: Question) -> float:
    """The logarithm of the number of pairs of a machine and a mapping of each GEMM on it."""
    space, dataflows = question.platform.hardware, len(question.platform.dataflows)
    per_cores = math.log10(space.num_designs // len(space.num_cores))
    logarithms = [
        per_cores
        + sum(math.log10(mapping_points(gemm, cores, dataflows)) for gemm in question.gemms.gemms)
        for cores in space.num_cores
    ]
    most = max(logarithms)
    return most + math.log10(float(np.sum(10.0 ** (np.array(logarithms) - most))))
