"""Convolutions and batched products as GEMMs: (m, n, k) and how often it runs.

A convolution is the GEMM that im2col makes of it: output positions x filters x taps. Padding is
part of the input, so its zeros count as work, as on an array that is fed by im2col. A transposed
convolution is the GEMM before col2im: input positions x (filters x taps) x channels; the zeros that
its definition inserts are never multiplied. (Dumoulin and Visin, "A guide to convolution
arithmetic for deep learning", 2016, section 4.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Product(NamedTuple):
    """A GEMM (m x k) by (k x n) that runs `times` times."""

    m: int
    n: int
    k: int
    times: int


def convolution(
    *, batch: int, out_sides: Sequence[int], filters: int, taps: int, channels: int, groups: int
) -> Product:
    """A convolution, once for each group.

    Args:
      batch: images.
      out_sides: of the output, one a spatial dimension.
      filters: all of them.
      taps: positions of a filter.
      channels: of one group.
      groups: 1 for a plain convolution, all channels for a depthwise one.
    """
    return Product(batch * math.prod(out_sides), filters // groups, taps * channels, groups)


def transposed_convolution(
    *, batch: int, in_sides: Sequence[int], filters: int, taps: int, channels: int, groups: int
) -> Product:
    """A transposed convolution, once for each group; `channels` of one group, `filters` of all."""
    return Product(batch * math.prod(in_sides), filters // groups * taps, channels, groups)


def matmul(a: Sequence[int], b: Sequence[int]) -> Product:
    """`numpy.matmul` of shapes: batch dimensions broadcast, vectors allowed.

    A matrix that all batches share is multiplied once, with the batches side by side.

    Raises:
      ValueError: the shapes do not fit.
    """
    if not a or not b:
        raise ValueError(f"shapes {list(a)} and {list(b)} cannot be multiplied")
    a = (1, *a) if len(a) == 1 else tuple(a)
    b = (*b, 1) if len(b) == 1 else tuple(b)
    *a_batch, m, k = a
    *b_batch, other_k, n = b
    rank = max(len(a_batch), len(b_batch))
    a_batch, b_batch = ([1] * (rank - len(dims)) + dims for dims in (a_batch, b_batch))
    fits = all(x == y or 1 in (x, y) for x, y in zip(a_batch, b_batch, strict=True))
    if k != other_k or not fits:
        raise ValueError(f"shapes {list(a)} and {list(b)} cannot be multiplied")
    if math.prod(b_batch) == 1:
        return Product(m * math.prod(a_batch), n, k, 1)
    if math.prod(a_batch) == 1:
        return Product(m, n * math.prod(b_batch), k, 1)
    batches = math.prod(max(x, y) for x, y in zip(a_batch, b_batch, strict=True))
    return Product(m, n, k, batches)


def even_parts(whole: int, parts: int) -> Iterator[tuple[int, int]]:
    """Cuts `whole` into `parts` that differ by one at most: (size, how many), sizes above zero."""
    small, larger = divmod(whole, parts)
    for size, count in ((small + 1, larger), (small, parts - larger)):
        if size and count:
            yield size, count
