"""Cycles of a convolution or GEMM on Gemmini, where that machine differs from TILED.

Gemmini (Genc et al., "Gemmini: Enabling Systematic Deep-Learning Architecture Evaluation via
Full-Stack Integration", DAC 2021) works on one tile of a layer per step. As in TILED, the DMA moves
operands of one step while the array computes another, a slot lasts as long as the slower of the
two, and the first operands and the last results are exposed. The differences, from its public RTL
(github.com/ucb-bar/gemmini) and library:

* The weights of a step are blocks as large as the array. Each is loaded once per step and meets the
  pixels of one output row at a time, at most as many as the array has rows (`LoopConv`).
* Such a run occupies the inputs of the array for one cycle per pixel and at least 4, and with new
  weights for as many cycles as the array has rows (`ExecuteController`).
* A run takes `2 block + pixels - 2` cycles from its first input to its last output, and the array
  holds 5 of them (`MeshWithDelays`). So on average one starts in every fifth of that time.
* Every step brings both inputs, with the overlap of neighbouring windows. Partial sums stay in the
  accumulator; outputs leave with the last step over input channels and filter.

Bytes per cycle and the overheads in `GemminiTiming` may be fitted to measurements: cycles are real
numbers.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, NamedTuple

from airchitect_jax._support import real_number, settle
from airchitect_jax.cost.arithmetic import Number, ceil_div, larger, last_tile, smaller
from airchitect_jax.types import Gemm, Mapping

_RUNS_IN_FLIGHT = 5
_FEWEST_INPUT_CYCLES = 4
_REQUEST_BYTES = 64  # of a DMA request, at most


class Convolution(NamedTuple):
    """The loops of a layer, or of a tile of it. A GEMM has p = m, k = n and c = k.

    Attributes:
      n: images.
      q, p: rows and columns of the output.
      k: output channels.
      r, s: rows and columns of the filter.
      c: input channels.
    """

    n: Number = 1
    q: Number = 1
    p: Number = 1
    k: Number = 1
    r: Number = 1
    s: Number = 1
    c: Number = 1


class GemminiStep(NamedTuple):
    """What a step computes and moves.

    Attributes:
      compute_cycles: of the array.
      read_bytes, read_requests: of inputs and weights.
      written_bytes, written_requests: of outputs.
    """

    compute_cycles: Number
    read_bytes: Number
    read_requests: Number
    written_bytes: Number
    written_requests: Number


class GemminiSteps(NamedTuple):
    """The steps of a layer but the last, in kinds of equal cost.

    Attributes:
      kinds: the number of steps of a kind, which may be 0, and one of them.
      first, last: the first step and the last.
    """

    kinds: tuple[tuple[Number, GemminiStep], ...]
    first: GemminiStep
    last: GemminiStep


@dataclasses.dataclass(frozen=True, kw_only=True)
class GemminiTiming:
    """What the RTL alone does not determine; the defaults are fitted to nothing.

    Attributes:
      bytes_per_cycle: of the path to DRAM; 8 in DOSA's description of the measured machines
        (Hong et al., MICRO 2023, `dataset/hw/gemmini/arch/arch.yaml`).
      cycles_per_request: of each DMA request, beside its bytes.
      exposed_share: of the shorter of computing and moving, which is not hidden by the longer.
      startup_cycles: once per layer.

    Raises:
      ValueError: a field is not a number in range.
    """

    bytes_per_cycle: float = 8.0
    cycles_per_request: float = 0.0
    exposed_share: float = 0.0
    startup_cycles: float = 0.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("bytes_per_cycle", 1e-3, 1e6),
            ("cycles_per_request", 0, 1e6),
            ("exposed_share", 0, 1),
            ("startup_cycles", 0, 1e9),
        ):
            settle(self, **{name: real_number(name, getattr(self, name), low=low, high=high)})


def gemmini_steps(
    layer: Convolution, tile: Convolution, stride: Number, block: Number
) -> GemminiSteps:
    """The steps of a layer.

    Args:
      layer: the whole loops.
      tile: the loops of a step, at most those of the layer; what is left is in the last trip.
      stride: of the filter, in rows and columns.
      block: rows and columns of the array.
    """
    trips = Convolution(*map(ceil_div, layer, tile))
    edge = Convolution(*map(last_tile, layer, tile, trips))
    kinds = []
    for ends in itertools.product((False, True), repeat=len(layer)):
        counts = [1 if end else trip - 1 for end, trip in zip(ends, trips, strict=True)]
        if all(ends) or any(isinstance(count, int) and not count for count in counts):
            continue
        sizes = Convolution(*(e if end else t for end, t, e in zip(ends, tile, edge, strict=True)))
        *_, r, s, c = ends
        kinds.append((_product(counts), _step(sizes, stride, block, writes=r and s and c)))
    return GemminiSteps(
        kinds=tuple(kinds),
        first=_step(Convolution(*map(smaller, layer, tile)), stride, block, writes=False),
        last=_step(edge, stride, block, writes=True),
    )


def gemmini_mapping_steps(gemm: Gemm, mapping: Mapping, block: Number) -> GemminiSteps:
    """The steps of a GEMM in the tiles of a mapping on one core."""
    return gemmini_steps(
        Convolution(p=gemm.m, k=gemm.n, c=gemm.k),
        Convolution(p=mapping.tile_m, k=mapping.tile_n, c=mapping.tile_k),
        1,
        block,
    )


def gemmini_cycles(steps: GemminiSteps, timing: GemminiTiming) -> Number:
    """Total cycles: fill, slots and drain.

    A slot moves what its own step reads and writes; the last one nothing.
    """
    cycles = timing.startup_cycles + _reading(steps.first, timing) + steps.last.compute_cycles
    for count, step in steps.kinds:
        moving = moving_cycles(step, timing)
        longer = larger(step.compute_cycles, moving)
        shorter = smaller(step.compute_cycles, moving)
        cycles = cycles + count * (longer + timing.exposed_share * shorter)
    return cycles + _writing(steps.last, timing)


def moving_cycles(step: GemminiStep, timing: GemminiTiming) -> Number:
    """Cycles of the DMA for what a step reads and writes."""
    return _reading(step, timing) + _writing(step, timing)


def _reading(step: GemminiStep, timing: GemminiTiming) -> Number:
    return step.read_bytes / timing.bytes_per_cycle + step.read_requests * timing.cycles_per_request


def _writing(step: GemminiStep, timing: GemminiTiming) -> Number:
    return (
        step.written_bytes / timing.bytes_per_cycle
        + step.written_requests * timing.cycles_per_request
    )


def _step(tile: Convolution, stride: Number, block: Number, *, writes: bool) -> GemminiStep:
    rows, cols = (tile.q - 1) * stride + tile.r, (tile.p - 1) * stride + tile.s
    pixels, weights = tile.n * rows * cols, tile.r * tile.s * tile.c
    outputs, written = tile.n * tile.q * tile.p, smaller(block, _REQUEST_BYTES)
    return GemminiStep(
        compute_cycles=_compute_cycles(tile, block),
        read_bytes=pixels * tile.c + weights * tile.k,
        read_requests=pixels * ceil_div(tile.c, _REQUEST_BYTES)
        + weights * ceil_div(tile.k, _REQUEST_BYTES),
        written_bytes=outputs * tile.k if writes else 0,
        written_requests=outputs * ceil_div(tile.k, written) if writes else 0,
    )


def _compute_cycles(tile: Convolution, block: Number) -> Number:
    """Blocks of weights times their runs, the first of which brings the weights."""
    runs = ceil_div(tile.p, block)
    rest = _run_cycles(last_tile(tile.p, block, runs), block)
    whole = _run_cycles(block, block)
    of_row = (runs - 1) * whole + rest
    first = smaller(tile.p, block)
    blocks = ceil_div(tile.k, block) * ceil_div(tile.c, block) * tile.r * tile.s
    return blocks * (tile.n * tile.q * of_row - _run_cycles(first, block) + whole)


def _run_cycles(pixels: Number, block: Number) -> Number:
    in_flight = (2 * block + pixels - 2) / _RUNS_IN_FLIGHT
    return larger(larger(pixels, _FEWEST_INPUT_CYCLES), in_flight)


def _product(numbers: list[Any]) -> Number:
    product = 1
    for number in numbers:
        product = product * number
    return product
