"""Synthetic networks: random walks that start from the layers of real networks.

A family is a set of real networks. A synthetic network takes layers of one of them and moves m, n
and k in logarithms: by steps that all layers share (batch, sequence length, width) and by steps of
each layer. Many sides are rounded to multiples of 8 or 64 or to powers of two, as real ones often
are. One layer in four is drawn log-uniformly instead, from nothing real.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from airchitect_jax._support import shown
from airchitect_jax.workloads import GemmCounts, load_network, network_names

MAX_EXPONENT = 18  # of the sides and of the counts of synthetic layers

# Packaged networks by family, by the start of their names. A decoding step multiplies matrices with
# few rows; a prefill is a decoder that takes its whole prompt.
FAMILIES: Mapping[str, Sequence[str]] = {
    "convolutions": ("resnet",),
    "depthwise convolutions": ("mobilenet",),
    "encoders": ("bert", "vit"),
    "recommendation": ("dlrm",),
    "prefill": ("gpt2", "llama3_8b_prefill", "mixtral_8x7b_prefill"),
    "decode": ("llama3_8b_decode", "mixtral_8x7b_decode"),
}


def members(family: str) -> list[str]:
    """Names of the packaged networks of a family."""
    return [name for name in network_names() if name.startswith(tuple(FAMILIES[family]))]


class Layers(NamedTuple):
    """Networks as padded lists of layers; what is padded has sides of one and a count of zero.

    Attributes:
      dims: m, n and k.
      counts: numbers of runs.
    """

    dims: Int[Array, "*batch layers 3"]
    counts: Float[Array, "*batch layers"]


def padded(workloads: Sequence[GemmCounts], num_layers: int | None = None) -> Layers:
    """Networks side by side."""
    most = num_layers or max(len(workload.gemms) for workload in workloads)
    dims = np.ones((len(workloads), most, 3), np.int32)
    counts = np.zeros((len(workloads), most), np.float32)
    for number, workload in enumerate(workloads):
        dims[number, : len(workload.gemms)] = workload.gemms
        counts[number, : len(workload.gemms)] = workload.counts
    return Layers(jnp.asarray(dims), jnp.asarray(counts))


@functools.cache
def packaged(name: str) -> GemmCounts:
    """The GEMMs of a packaged network."""
    return GemmCounts.of_layers(load_network(name).layers)


class Seeds(NamedTuple):
    """The packaged networks, and how likely a walk starts from each.

    Attributes:
      layers: one row per network.
      probabilities: zero for networks that are left out; equal sums for all other families.
    """

    layers: Layers
    probabilities: Float[Array | np.ndarray, "networks"]


def seeds(families: Sequence[str]) -> Seeds:
    """The packaged networks of some families; of the others nothing is used.

    Raises:
      ValueError: there is no such family.
    """
    for family in families:
        if family not in FAMILIES:
            raise ValueError(
                f"families: {shown(family)} is not allowed; expected some of {', '.join(FAMILIES)}"
            )
    names = network_names()
    probabilities = np.zeros(len(names), np.float32)
    for family in families:
        own = [names.index(name) for name in members(family)]
        probabilities[own] = 1 / (len(own) * len(families))
    return Seeds(padded([packaged(name) for name in names]), probabilities)


def walk(key: jax.Array, start: Seeds, num: int, num_layers: int) -> Layers:
    """Synthetic networks, each with `num_layers` layers.

    Families are drawn uniformly, then a network, then its layers, with replacement.
    """
    keys = iter(jax.random.split(key, 16))
    network = jax.random.choice(
        next(keys), len(start.probabilities), (num,), p=jnp.asarray(start.probabilities)
    )
    counts = start.layers.counts[network]
    present = (counts > 0).astype(jnp.float32).sum(axis=1, keepdims=True)
    place = jax.random.uniform(next(keys), (num, num_layers)) * present
    layer = place.astype(jnp.int32)
    dims = start.layers.dims[network[:, None], layer]
    counts = jnp.take_along_axis(counts, layer, axis=1)
    # The spread of a walk grows with the square root of its length.
    shared_spread, own_spread = (
        2.0 * jnp.sqrt(jax.random.uniform(next(keys), (num, 1, 1))) for _ in range(2)
    )
    moved = (
        jnp.log2(dims.astype(jnp.float32))
        + shared_spread * jax.random.normal(next(keys), (num, 1, 3))
        + own_spread * jax.random.normal(next(keys), dims.shape)
    )
    free = jax.random.uniform(next(keys), dims.shape) * (MAX_EXPONENT - 1)
    is_free = jax.random.uniform(next(keys), (num, num_layers, 1)) < 0.25
    sides = _rounded(next(keys), 2 ** jnp.clip(jnp.where(is_free, free, moved), 0, MAX_EXPONENT))
    counts = counts * 2 ** (1.5 * jax.random.normal(next(keys), counts.shape))
    counts = jnp.clip(jnp.round(counts), 1, 2**MAX_EXPONENT)
    return Layers(sides, counts)


def _rounded(key: jax.Array, sides: Float[Array, "*shape"]) -> Int[Array, "*shape"]:
    """Whole numbers: any, or multiples of 8 or 64, or powers of two."""
    unit = jnp.array([1.0, 8.0, 64.0, 0.0])[jax.random.randint(key, sides.shape, 0, 4)]
    power = 2 ** jnp.round(jnp.log2(sides))
    multiple = jnp.round(sides / jnp.maximum(unit, 1)) * unit
    # What a multiple would leave at zero stays as it is.
    rounded = jnp.where(unit == 0, power, jnp.where(multiple >= 1, multiple, sides))
    return jnp.maximum(jnp.round(rounded), 1).astype(jnp.int32)
