"""Convolutions and batched products as GEMMs: (m, n, k) and the number of runs.

A convolution is the GEMM of its im2col: output positions x filters x taps. Padding is part of the
input, so its zeros count as work, as on an array that is fed by im2col. A transposed convolution is
the GEMM before col2im: input positions x (filters x taps) x channels; inserted zeros are not
multiplied. (Dumoulin and Visin, "A guide to convolution
arithmetic for deep learning", 2016, section 4.)
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
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
    """A convolution, as one GEMM per group.

    Args:
      batch: number of images.
      out_sides: sides of the output, one per spatial dimension.
      filters: number of filters over all groups.
      taps: positions of a filter.
      channels: channels per group.
      groups: 1 for a plain convolution, all channels for a depthwise one.
    """
    return Product(batch * math.prod(out_sides), filters // groups, taps * channels, groups)


def transposed_convolution(
    *, batch: int, in_sides: Sequence[int], filters: int, taps: int, channels: int, groups: int
) -> Product:
    """A transposed convolution, one GEMM per group; `channels` per group, `filters` of all."""
    return Product(batch * math.prod(in_sides), filters // groups * taps, channels, groups)


class Axis(NamedTuple):
    """A spatial dimension of a convolution whose input may be dilated.

    Input i, tap j and output o meet where `o * stride + j * dilation = i * spacing + padding`.

    Attributes:
      inputs, taps, outputs: the number of each.
      stride: stride of the window.
      dilation: distance of neighbouring taps.
      spacing: distance of neighbouring inputs, with zeros inserted between them.
      padding: zeros before the first input; negative where inputs are cut off.
    """

    inputs: int
    taps: int
    outputs: int
    stride: int
    dilation: int
    spacing: int
    padding: int

    def gemms(self) -> Counter[tuple[int, int, int]]:
        """The dimension's factors of m, n and k, with counts, in the form with the fewest MACs.

        Two of input, tap and output determine the third, so there are three forms:
        input x tap (summed by col2im), input x output (the filter as a Toeplitz matrix, which is
        the gradient of a transposed convolution's weights) and output x tap (im2col). In each,
        the pairs with a matching third index form residue classes, one GEMM per class.
        """
        inputs = self.inputs, -self.spacing
        taps = self.taps, self.dilation
        outputs = self.outputs, self.stride
        by_col2im = _pairs(inputs, taps, self.stride, self.padding)
        by_toeplitz = _pairs(inputs, outputs, self.dilation, self.padding)
        by_im2col = _pairs(outputs, taps, self.spacing, self.padding)
        forms = [
            Counter({(i, j, 1): times for (i, j), times in by_col2im.items()}),
            Counter({(1, o, i): times for (i, o), times in by_toeplitz.items()}),
            Counter({(o, 1, j): times for (o, j), times in by_im2col.items()}),
        ]
        return min(forms, key=lambda form: sum(math.prod(dims) * form[dims] for dims in form))


def _pairs(
    xs: tuple[int, int], ys: tuple[int, int], modulus: int, offset: int
) -> Counter[tuple[int, int]]:
    """Pairs x, y with `x * step_x + y * step_y = offset` modulo `modulus`.

    Args:
      xs: the number of x, and their step.
      ys: the same for y.
      modulus: at least 1.
      offset: any whole number.

    Returns:
      Blocks (number of x, number of y), in which all pairs count, with their multiplicity.
    """
    of_y = _residues(*ys, modulus)
    blocks: Counter[tuple[int, int]] = Counter()
    for residue, num_x in _residues(*xs, modulus).items():
        num_y = of_y.get((offset - residue) % modulus, 0)
        if num_y:
            blocks[num_x, num_y] += 1
    return blocks


def _residues(count: int, step: int, modulus: int) -> dict[int, int]:
    """The number of `0, step, 2 * step, ..` (`count` of them) per residue."""
    period = modulus // math.gcd(step, modulus)
    return {
        first * step % modulus: -(-(count - first) // period) for first in range(min(count, period))
    }


def dilated_convolution(
    *, batch: int, axes: Sequence[Axis], filters: int, channels: int, groups: int
) -> Iterator[Product]:
    """A convolution over an input with inserted zeros, which are not multiplied.

    It has several GEMMs where outputs of different residues meet different taps.

    Args:
      batch: number of images per group.
      axes: the spatial dimensions.
      filters: number of filters over all groups.
      channels: channels per group.
      groups: 1 for a plain convolution.
    """
    for choice in itertools.product(*(axis.gemms().items() for axis in axes)):
        ms, ns, ks = (math.prod(dims[factor] for dims, _ in choice) for factor in range(3))
        times = math.prod(number for _, number in choice)
        yield Product(batch * ms, filters // groups * ns, channels * ks, groups * times)


def matmul(a: Sequence[int], b: Sequence[int]) -> Product:
    """`numpy.matmul` of shapes: batch dimensions broadcast, vectors allowed.

    A matrix shared by all batches is multiplied once, with the batches side by side.

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
    """Splits `whole` into `parts` that differ by at most one: (size, count), sizes above zero."""
    small, larger = divmod(whole, parts)
    for size, count in ((small + 1, larger), (small, parts - larger)):
        if size and count:
            yield size, count
