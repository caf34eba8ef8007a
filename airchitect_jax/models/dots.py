"""Matrix products of dense layers, in the order of axes that is fast to differentiate."""

from __future__ import annotations

from typing import Any

import jax
from jaxtyping import Array, Float


def dot_by_output(
    inputs: Float[Array, "batch size_in"],
    kernel: Float[Array, "size_in size_out"],
    dimension_numbers: jax.lax.DotDimensionNumbers,
    **options: Any,
) -> Float[Array, "batch size_out"]:
    """`inputs @ kernel` with the kernel's transpose; the `dot_general` of an `nnx.Linear`.

    For layers whose outputs are the designs. On a CPU the lanes of the vector unit lie along the
    last axis. 459 designs leave lanes over, and the gradient of a kernel [size_in, 459] takes a
    third longer than that of its transpose.

    Args:
      inputs: of the layer.
      kernel: of the layer.
      dimension_numbers: the inputs' last axis and the kernel's first, as `nnx.Linear` gives them.
      options: passed on to `jax.lax.dot_general`.
    """
    (contracted, _), batch = dimension_numbers
    # Without the barrier the compiler folds the transpose into the product again.
    rows = jax.lax.optimization_barrier(kernel.T)
    return jax.lax.dot_general(inputs, rows, ((contracted, (1,)), batch), **options)
