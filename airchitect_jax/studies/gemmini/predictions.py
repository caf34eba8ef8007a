"""Predicts measured cycles: uncalibrated, calibrated on other machines, and on other layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from airchitect_jax.cost import GemminiTiming, Platform, gemmini_cycles, tiled_costs
from airchitect_jax.learning import (
    FEWEST_LAYERS,
    CycleCalibration,
    fit_calibration,
    stacked,
)
from airchitect_jax.spaces import HardwareSpace
from airchitect_jax.studies.gemmini.measurements import Machine, Measurement
from airchitect_jax.types import Dataflow, Gemm, LoopOrder, Mapping, MemoryModel

COVERAGE = 0.9
_FOLDS = 10  # of layers
_CLOCK_HZ = 10**9  # cycles do not depend on it
_GEMM_LOOP = dict(zip("nqpkrsc", "MMMNKKK", strict=True))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calibrated:
    """Calibrated cycles of each row with their intervals, in float64."""

    low: Float[np.ndarray, "num"]
    cycles: Float[np.ndarray, "num"]
    high: Float[np.ndarray, "num"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predictions:
    """All predictions of the same rows.

    Attributes:
      rows: what was measured.
      uncalibrated: by the equations of Gemmini, fitted to nothing.
      tiled: by the TILED model with the tiles of the mapping, at the same bandwidth.
      by_machine: calibrated on other machines only.
      by_layer: calibrated on other layers only.
      auto_uncalibrated, auto_by_machine: of the tiles that Gemmini's library chooses; NaN where
        they are not known.
    """

    rows: tuple[Measurement, ...]
    uncalibrated: Float[np.ndarray, "num"]
    tiled: Float[np.ndarray, "num"]
    by_machine: Calibrated
    by_layer: Calibrated
    auto_uncalibrated: Float[np.ndarray, "num"]
    auto_by_machine: Float[np.ndarray, "num"]


def predict(
    rows: Sequence[Measurement],
    more: Sequence[Measurement],
    *,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Predicts rows without ever fitting to their machine (or layer).

    A calibration is fitted to the rows of arrays of the same side, or to all where too few have it.

    Args:
      rows: to predict.
      more: that may be fitted to as well; those that are among the rows count once.
      seed: of the folds of layers.
      progress: called with the number of the part that is left out, and of all.
    """
    pool = pooled(rows, more)
    machines = [np.array([row.machine == one for row in rows]) for one in _machines(rows)]
    folds = _layer_folds(rows, seed)
    total = len(machines) + len(folds)
    by_machine, by_layer = _empty(len(rows)), _empty(len(rows))
    auto = np.full(len(rows), np.nan)
    for done, test in enumerate([*machines, *folds]):
        if progress is not None:
            progress(done + 1, total)
        places = np.flatnonzero(test).tolist()
        tested = [rows[place] for place in places]
        is_machine = done < len(machines)
        held = {row.machine if is_machine else row.layer_key for row in tested}
        others = [row for row in pool if (row.machine if is_machine else row.layer_key) not in held]
        target = by_machine if is_machine else by_layer
        for side in sorted({row.machine.side for row in tested}):
            own = [place for place in places if rows[place].machine.side == side]
            calibration = fit_rows(_of_side(others, side))
            steps = stacked(rows[place].steps for place in own)
            target.low[own], target.cycles[own], target.high[own] = calibration.interval(steps)
            if is_machine:
                auto[own] = _auto([rows[place] for place in own], calibration.timing)
    return Predictions(
        rows=tuple(rows),
        uncalibrated=gemmini_cycles(stacked(row.steps for row in rows), GemminiTiming()),
        tiled=np.array([_tiled(row) for row in rows], np.float64),
        by_machine=by_machine,
        by_layer=by_layer,
        auto_uncalibrated=_auto(rows, GemminiTiming()),
        auto_by_machine=auto,
    )


def pooled(rows: Sequence[Measurement], more: Sequence[Measurement]) -> list[Measurement]:
    """The rows and those of the others that are not among them."""
    known = set(map(_identity, rows))
    return [*rows, *(row for row in more if _identity(row) not in known)]


def fit_rows(rows: Sequence[Measurement]) -> CycleCalibration:
    """A calibration on all of these rows.

    Raises:
      ValueError: they have fewer than 10 layers.
    """
    return fit_calibration(
        [row.steps for row in rows],
        np.array([row.cycles for row in rows], np.float64),
        [row.layer_key for row in rows],
        COVERAGE,
    )


def _of_side(rows: list[Measurement], side: int) -> list[Measurement]:
    """Those on arrays of this side, if they have enough layers; else all."""
    found = [row for row in rows if row.machine.side == side]
    return found if len({row.layer_key for row in found}) >= FEWEST_LAYERS else rows


def _identity(row: Measurement) -> tuple[Any, ...]:
    return row.machine, row.layer_key, row.tile, row.order, row.cycles


def _machines(rows: Iterable[Measurement]) -> list[Machine]:
    return sorted({row.machine for row in rows}, key=dataclasses.astuple)


def _layer_folds(rows: Sequence[Measurement], seed: int) -> list[Bool[np.ndarray, "num"]]:
    keys = sorted({row.layer_key for row in rows})
    drawn = np.random.default_rng(seed).permutation(len(keys))
    folds = [{keys[place] for place in drawn[fold::_FOLDS]} for fold in range(_FOLDS)]
    return [np.array([row.layer_key in fold for row in rows]) for fold in folds if fold]


def _empty(num: int) -> Calibrated:
    return Calibrated(low=np.empty(num), cycles=np.empty(num), high=np.empty(num))


def _auto(rows: Sequence[Measurement], timing: GemminiTiming) -> Float[np.ndarray, "num"]:
    """Cycles of the tiles of Gemmini's library."""
    cycles = np.full(len(rows), np.nan)
    known = [(place, row.auto_steps) for place, row in enumerate(rows) if row.auto_steps]
    if known:
        places, steps = zip(*known, strict=True)
        cycles[list(places)] = gemmini_cycles(stacked(steps), timing)
    return cycles


def _tiled(row: Measurement) -> int:
    """Cycles by the TILED model, where the layer is a GEMM without overlap of windows."""
    machine, layer, tile = row.machine, row.layer, row.tile
    platform = Platform(
        memory_model=MemoryModel.TILED,
        clock_hz=_CLOCK_HZ,
        hardware=HardwareSpace(
            rows=(machine.side,),
            cols=(machine.side,),
            scratchpad_bytes=(machine.scratchpad_bytes,),
            accumulator_bytes=(machine.accumulator_bytes,),
            bandwidth_bytes_per_second=(int(GemminiTiming().bytes_per_cycle) * _CLOCK_HZ,),
        ),
    )
    # The loops of the GEMM by their outermost part; those without a loop are the innermost.
    order = "".join(dict.fromkeys([*(_GEMM_LOOP[loop] for loop in row.order), *"MNK"]))
    mapping = Mapping(
        dataflow=Dataflow.WS,
        order=LoopOrder[order],
        tile_m=tile.n * tile.q * tile.p,
        tile_n=tile.k,
        tile_k=tile.r * tile.s * tile.c,
    )
    gemm = Gemm(m=layer.n * layer.q * layer.p, n=layer.k, k=layer.r * layer.s * layer.c)
    costs = tiled_costs(gemm, mapping, platform.hardware_of(), platform)
    return costs.total_cycles
