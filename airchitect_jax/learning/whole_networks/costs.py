"""Cycles of single GEMMs on many designs, in float32: the targets of training.

A network's cycles on a design are the sum over its GEMMs. Exact ones are in `exact`.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from airchitect_jax.cost import Platform, by_dataflow, memory
from airchitect_jax.spaces import BufferSpace, JointSpace
from airchitect_jax.types import ArrayShape, Gemm


@dataclasses.dataclass(frozen=True, kw_only=True)
class Designs:
    """The joint space under its largest budgets, and the machine around it.

    Attributes:
      max_mac_exponent: arrays have up to two to this power MAC units.
      buffers: the sizings.
      platform: the rest of the machine.
    """

    max_mac_exponent: int = 18
    buffers: BufferSpace = dataclasses.field(default_factory=BufferSpace)
    platform: Platform = dataclasses.field(default_factory=Platform)

    @functools.cached_property
    def space(self) -> JointSpace:
        """All designs."""
        most = 3 * self.buffers.num_levels * self.buffers.step_bytes
        return JointSpace.within(1 << self.max_mac_exponent, most, self.buffers)

    @property
    def num_shapes(self) -> int:
        """Number of arrays."""
        return len(self.space.rows)

    @functools.cached_property
    def mac_exponents(self) -> np.ndarray:
        """Of each array, the logarithm of its MAC units to base 2."""
        return np.log2(self.space.num_macs).round().astype(np.int32)


def equal_memories(
    dims: Float[Array, "*batch 3"], level: Float[Array, "*batch"], designs: Designs
) -> Float[Array, "*batch shapes dataflows"]:
    """Cycles of GEMMs on every array, with three SRAMs of `level` steps each."""
    rows, cols = (
        jnp.asarray(sides, dims.dtype) for sides in (designs.space.rows, designs.space.cols)
    )

    def of_gemm(gemm: Float[Array, "3"], steps: Float[Array, ""]) -> Array:
        size = steps * designs.buffers.step_bytes
        return jax.vmap(lambda r, c: _by_role(gemm, r, c, size, size, designs))(rows, cols)

    flat = jax.vmap(of_gemm)(dims.reshape(-1, 3), level.reshape(-1))
    return flat.reshape(*dims.shape[:-1], *flat.shape[1:])


def by_memories(
    dims: Float[Array, "*batch 3"],
    rows: Float[Array, "*batch"],
    cols: Float[Array, "*batch"],
    designs: Designs,
) -> Float[Array, "*batch levels levels dataflows"]:
    """Cycles of GEMMs, each on one array, by the sizes of the swept and the column operand."""
    steps = jnp.arange(1, designs.buffers.num_levels + 1).astype(dims.dtype)
    sizes = steps * designs.buffers.step_bytes

    def of_gemm(gemm: Float[Array, "3"], r: Float[Array, ""], c: Float[Array, ""]) -> Array:
        return jax.vmap(
            lambda swept: jax.vmap(lambda column: _by_role(gemm, r, c, swept, column, designs))(
                sizes
            )
        )(sizes)

    flat = jax.vmap(of_gemm)(dims.reshape(-1, 3), rows.reshape(-1), cols.reshape(-1))
    return flat.reshape(*dims.shape[:-1], *flat.shape[1:])


def _by_role(
    dims: Float[Array, "3"],
    rows: Float[Array, ""],
    cols: Float[Array, ""],
    swept: Float[Array, ""],
    column: Float[Array, ""],
    designs: Designs,
) -> Float[Array, "dataflows"]:
    platform = designs.platform
    folds = by_dataflow.folds_by_dataflow(
        Gemm(m=dims[0], n=dims[1], k=dims[2]),
        ArrayShape(rows=rows, cols=cols),
        platform,
        platform.element_bytes,
    )
    bandwidth = jnp.asarray(platform.bandwidth_bytes_per_cycle, dims.dtype)
    return memory.cycles_by_role(folds, swept, column, bandwidth, platform.interface)
