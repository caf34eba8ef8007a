"""What a designer computes of a run first: closed forms of each buffer by itself.

They estimate what the scalesim 3.0.0 package does with each buffer while the others never wait
(`airchitect_jax.scalesim.buffers` has the exact rules). The network corrects them.

A buffer of an operand holds half of its size, 50 sets of consecutive words, as a window that only
moves forward, in a circle over the operand, by `step` sets a swap. A place behind the window is a
whole circle away. How the window lies when the run goes back by some distance is taken for random,
evenly over the positions that a swap can leave.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from airchitect_jax.cost import mixed_dims
from airchitect_jax.scalesim.buffers import SETS_A_BUFFER
from airchitect_jax.scalesim.replay_counts import HALF_KB
from airchitect_jax.types import Dataflow, Gemm

_RESIDENT = SETS_A_BUFFER // 2  # sets
_LEAST, _MOST = -3.0, 6.0  # logarithms of relative cycles that the network is shown
_SURE = 1e-3  # below it a chance is taken for none

Sized = Float[Array, "sizes batch"]


class Factors(NamedTuple):
    """Inputs of the network, and first estimates.

    Attributes:
      inputs: of about unit size.
      estimates: log(cycles with the buffer / cycles without stalls) of the operand of row folds,
        that of column folds and the outputs, at each size.
      lines: total cycles of a run without stalls.
    """

    inputs: Float[Array, "inputs batch"]
    estimates: Float[Array, "3 sizes batch"]
    lines: Float[Array, "batch"]


class _Run(NamedTuple):
    """Geometry of runs, [1 batch]; `row` is the operand that row folds cut, `col` the other."""

    streams: Any  # output stationary: both operands are streamed
    s_r: Any
    s_c: Any
    t: Any
    rows: Any
    cols: Any
    bandwidth: Any
    row_folds: Any
    col_folds: Any
    row_width: Any
    col_width: Any
    fold_lines: Any

    @property
    def folds(self) -> Any:
        return self.row_folds * self.col_folds

    @property
    def row_words(self) -> Any:
        return self.s_r * self.t

    @property
    def col_words(self) -> Any:
        return self.s_c * jnp.where(self.streams, self.t, self.s_r)


def factors(workloads: Int[Array, "features batch"], sizes_kb: tuple[int, ...]) -> Factors:
    """The factors of workloads of case study 2, traceable.

    Args:
      workloads: features as in `BufferCase`; the budget plays no part.
      sizes_kb: of each buffer.
    """
    _, m, n, k, row_exponent, col_exponent, dataflow, bandwidth = workloads[:, None]
    run = _run_of(m, n, k, 1 << row_exponent, 1 << col_exponent, dataflow, bandwidth)
    kb = jnp.asarray(sizes_kb, jnp.float32)[:, None]
    row_back = run.row_width * jnp.minimum(run.row_width, run.t)
    col_back = jnp.where(
        run.streams,
        jnp.minimum((run.t + run.col_width - 1) * run.col_width, run.col_words),
        jnp.minimum(run.rows, run.s_r) * run.col_width,
    )
    row_returns = (run.row_folds - 1) * run.col_folds
    row, row_inputs = _operand(
        run, kb, run.row_words, run.col_folds, row_back, lambda missing, _: missing * row_returns
    )
    col, col_inputs = _operand(
        run,
        kb,
        run.col_words,
        1.0,
        col_back,
        lambda missing, again: jnp.where(
            run.streams,
            run.col_folds * _until_caught(missing, run.row_folds - 1),
            again * run.folds,
        ),
    )
    outputs, output_inputs = _outputs(run, kb)
    return Factors(
        inputs=jnp.concatenate([_plain(run), row_inputs, col_inputs, output_inputs]),
        estimates=jnp.stack([row, col, outputs]),
        lines=(run.folds * run.fold_lines)[0],
    )


def _run_of(m: Any, n: Any, k: Any, rows: Any, cols: Any, dataflow: Any, bandwidth: Any) -> _Run:
    s_r, s_c, t = mixed_dims(Gemm(m=m, n=n, k=k), dataflow)
    streams = dataflow == Dataflow.OS
    s_r, s_c, t, rows, cols, bandwidth = (
        jnp.asarray(x, jnp.float32) for x in (s_r, s_c, t, rows, cols, bandwidth)
    )
    return _Run(
        streams=streams,
        s_r=s_r,
        s_c=s_c,
        t=t,
        rows=rows,
        cols=cols,
        bandwidth=bandwidth,
        row_folds=_ceil(s_r, rows),
        col_folds=_ceil(s_c, cols),
        row_width=jnp.minimum(rows, s_r),
        col_width=jnp.minimum(cols, s_c),
        fold_lines=jnp.where(streams, 0, rows) + rows + cols + t - 2,
    )


def _plain(run: _Run) -> Float[Array, "inputs batch"]:
    """Sizes, folds and how full the last folds are."""
    logs = (
        run.s_r,
        run.s_c,
        run.t,
        run.rows,
        run.cols,
        run.bandwidth,
        run.row_folds,
        run.col_folds,
    )
    sums = (
        run.row_width * run.t,
        run.col_width * run.t,
        run.row_words,
        run.col_words,
        run.s_r * run.s_c,
        run.folds * run.fold_lines,
    )
    return jnp.concatenate(
        [
            *(jnp.log2(x) / 8 for x in logs),
            *(jnp.log2(x) / 16 - 0.75 for x in sums),
            jnp.log2(run.t / run.rows) / 8,
            jnp.log2(run.t / run.cols) / 8,
            run.s_r / run.rows - (run.row_folds - 1),
            run.s_c / run.cols - (run.col_folds - 1),
            jnp.where(run.streams, 1.0, 0.0),
        ]
    )


def _operand(
    run: _Run, kb: Sized, words: Any, passes: Any, back: Any, returns: Any
) -> tuple[Sized, Float[Array, "inputs batch"]]:
    """The estimate and the inputs of an operand.

    Args:
      run: the run.
      kb: sizes.
      words: of the operand.
      passes: how often it is read from end to end.
      back: words between the last one of a fold and the first one of the next, or of a fold that
        is read backwards.
      returns: how often a place behind the window is read, of the chance that one fold does and of
        how often it does on average.
    """
    set_words = 2 * HALF_KB * kb / SETS_A_BUFFER
    sets = _floor(words, set_words) + 1
    step = jnp.clip(sets - _RESIDENT, 1, _RESIDENT)
    swaps_around = _ceil(jnp.maximum(sets - _RESIDENT, 0), step)
    behind = jnp.clip(sets - swaps_around * step, 1, _RESIDENT)  # how far a circle leads back
    distance = back / set_words
    missing = jnp.clip((distance - _RESIDENT + step) / step, 0, 1)
    beyond = jnp.where(
        distance < _RESIDENT,
        jnp.maximum(distance - _RESIDENT + step, 0) / 2,
        distance - _RESIDENT + step / 2,
    )
    again = missing * jnp.maximum(1.0, beyond / behind + 0.5)

    fits = sets <= _RESIDENT
    lines = run.folds * run.fold_lines
    swap_cycles = _ceil(HALF_KB * kb, run.bandwidth) + 1
    forward = _ceil(jnp.maximum(passes * sets - _RESIDENT, 0), step)
    least = _log(jnp.where(fits, 0, forward * swap_cycles / lines))
    swaps = forward + returns(missing, again) * sets / step
    estimate = _log(jnp.where(fits, 0, swaps * swap_cycles / lines))
    shown = (
        least / 3,
        estimate / 3,
        missing,
        jnp.minimum(distance / _RESIDENT, 2.0),
        (swaps_around * step - (sets - _RESIDENT)) / step,
        behind / _RESIDENT,
        step / _RESIDENT,
    )
    absent = (-1.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    parts = [jnp.where(fits, none, part) for none, part in zip(absent, shown, strict=True)]
    return estimate, jnp.concatenate(parts)


def _until_caught(missing: Sized, returns: Any) -> Sized:
    """Expected misses of a fold that is read again: the first return without one ends them."""
    caught = 1 - missing
    few = missing * (1 - missing**returns) / jnp.maximum(caught, _SURE)
    return jnp.where(caught > _SURE, few, returns)


def _outputs(run: _Run, kb: Sized) -> tuple[Sized, Float[Array, "inputs batch"]]:
    """The estimate and the inputs of the outputs: `behaviours` derives both."""
    half = HALF_KB * kb
    drain = _ceil(half, run.bandwidth)
    spacing = drain - 1
    height = jnp.where(run.streams, run.row_width, run.t)
    sweep = jnp.where(run.streams, run.s_r, run.t * run.row_folds)
    words = sweep * run.s_c
    together = jnp.minimum(
        jnp.minimum(height, run.col_width) * spacing,
        height * run.col_width * (_floor(spacing, run.fold_lines) + 2),
    )
    calm = (together <= spacing * run.bandwidth) & (run.bandwidth + together < 2 * half)
    late = (words > half) & ~calm
    swept = sweep * run.col_width
    before = _floor(half, swept)
    before = before * run.row_folds + _floor(half - before * swept, height * run.col_width)
    waits = _ceil(jnp.maximum(0, words - 2 * half - 1), drain * run.bandwidth)
    lines = run.folds * run.fold_lines
    cycles = before * run.fold_lines + (waits - 1) * spacing
    estimate = _log(jnp.where((words > half) & (waits > 0), cycles / lines, 0))
    rate = together / jnp.maximum(spacing, 1) / run.bandwidth
    shown = (estimate / 3, jnp.where(late, 1.0, 0.0), jnp.minimum(rate, 3.0))
    return estimate, jnp.concatenate(shown)


def _log(ratio: Any) -> Any:
    return jnp.clip(jnp.log(jnp.maximum(ratio, np.exp(_LEAST))), _LEAST, _MOST)


def _floor(a: Any, b: Any) -> Any:
    """The whole quotient of whole numbers; exact below 2**22."""
    return jnp.floor((a + 0.5) / b)


def _ceil(a: Any, b: Any) -> Any:
    return jnp.floor((a + b - 0.5) / b)
