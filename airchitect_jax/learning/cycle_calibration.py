"""Calibration of predicted cycles against measured ones, with prediction intervals.

The four numbers of `GemminiTiming` minimise the mean absolute error of the logarithm of cycles.
Intervals are conformal: the residuals of a cross-validation over layers, in units of a scale that
follows from the prediction, give the two quantiles (Lei et al., "Distribution-free predictive
inference for regression", JASA 2018, section 5.2).
"""

from __future__ import annotations

import dataclasses
import functools
import math
import pathlib
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import scipy.optimize
from jaxtyping import Float

from airchitect_jax._support import read_json, real_number, settle
from airchitect_jax.cost import (
    GemminiStep,
    GemminiSteps,
    GemminiTiming,
    gemmini_cycles,
    gemmini_mapping_steps,
    moving_cycles,
)
from airchitect_jax.types import Gemm, Hardware, Mapping, Scratchpad

PACKAGED = pathlib.Path(__file__).parent / "measured" / "gemmini_16x16.json"
FEWEST_LAYERS = 10  # to fit to, and the folds that they are left out in
CALIBRATED_SIDE = 16  # rows and columns of the arrays that the packaged calibration is fitted to

# From where the search for the timing starts, and to where few measurements are pulled.
_START = np.log([8.0, 0.1, 0.05, 500.0])
_PULL = 1e-3
_SMALLEST_RESIDUAL = 0.01  # of a logarithm; keeps scales above it
_BOUND_RATIOS = (-3.0, 1.0)  # of the logarithm of moving over computing; beyond, scales are equal
_RIDGE = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class CycleCalibration:
    """A calibrated prediction of cycles.

    Attributes:
      timing: the fitted parameters.
      spread: the scale of residuals is exp of 1, the bounded logarithm of moving over computing and
        the logarithm of the number of steps, times these.
      low, high: quantiles of the residuals in units of the scale.
      coverage: of the interval between them.

    Raises:
      ValueError: a field is out of range.
    """

    timing: GemminiTiming
    spread: tuple[float, float, float]
    low: float
    high: float
    coverage: float

    def __post_init__(self) -> None:
        spread = tuple(real_number("spread", value, low=-1e3, high=1e3) for value in self.spread)
        if len(spread) != 3:
            raise ValueError(f"spread: {len(spread)} numbers are not allowed; expected 3")
        settle(
            self,
            spread=spread,
            low=real_number("low", self.low, low=-1e6, high=1e6),
            high=real_number("high", self.high, low=self.low, high=1e6),
            coverage=real_number("coverage", self.coverage, low=0, high=1),
        )

    def interval(self, steps: GemminiSteps) -> tuple[Any, Any, Any]:
        """Low end, prediction and high end of total cycles, in the shape of the steps."""
        cycles = gemmini_cycles(steps, self.timing)
        scale = np.exp(_scale_features(steps, self.timing) @ np.array(self.spread))
        return cycles * np.exp(self.low * scale), cycles, cycles * np.exp(self.high * scale)

    def as_json(self) -> dict[str, Any]:
        """JSON-compatible."""
        return dataclasses.asdict(self) | {"spread": list(self.spread)}


def read_calibration(path: pathlib.Path) -> CycleCalibration:
    """Reads what `CycleCalibration.as_json` returns; other keys are ignored.

    Raises:
      ValueError: not such a file; names it.
    """
    values = read_json(path)
    try:
        names = [field.name for field in dataclasses.fields(CycleCalibration)]
        fields = {name: values[name] for name in names}
        return CycleCalibration(**fields | {"timing": GemminiTiming(**fields["timing"])})
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a calibration: {error}") from None


@functools.cache
def gemmini_calibration() -> CycleCalibration:
    """The packaged one, fitted to RTL cycles of 148 layers on eight machines of 16 x 16."""
    return read_calibration(PACKAGED)


def is_calibrated(hardware: Hardware) -> bool:
    """Whether the packaged calibration knows machines like this: one core of 16 x 16."""
    sides = (hardware.rows, hardware.cols)
    is_one_core = isinstance(hardware.memory, Scratchpad) and bool(hardware.num_cores == 1)
    return is_one_core and sides == (CALIBRATED_SIDE, CALIBRATED_SIDE)


def calibrated_cycles(
    gemm: Gemm, mapping: Mapping, calibration: CycleCalibration | None = None
) -> tuple[float, float, float]:
    """Low end, prediction and high end of the cycles of a GEMM on Gemmini.

    Args:
      gemm: m, n, k.
      mapping: its tiles; Gemmini has one core, and its library one order of loops.
      calibration: the packaged one by default, whose intervals cover 90% of measurements.
    """
    steps = gemmini_mapping_steps(gemm, mapping, CALIBRATED_SIDE)
    low, middle, high = (calibration or gemmini_calibration()).interval(stacked([steps]))
    return float(low[0]), float(middle[0]), float(high[0])


def stacked(many: Iterable[GemminiSteps]) -> GemminiSteps:
    """The steps of several layers, each in Python numbers, in arrays; equal kinds become one."""
    merged = []
    for steps in many:
        kinds: dict[GemminiStep, int] = {}
        for count, step in steps.kinds:
            kinds[step] = kinds.get(step, 0) + count
        merged.append((list(kinds.items()), steps))
    width = max(len(kinds) for kinds, _ in merged)
    nothing = (GemminiStep(0, 0, 0, 0, 0), 0)
    padded = [kinds + [nothing] * (width - len(kinds)) for kinds, _ in merged]
    return GemminiSteps(
        kinds=tuple(
            (np.array([row[place][1] for row in padded]), _arrays(row[place][0] for row in padded))
            for place in range(width)
        ),
        first=_arrays(steps.first for _, steps in merged),
        last=_arrays(steps.last for _, steps in merged),
    )


def fit_calibration(
    steps: Sequence[GemminiSteps],
    cycles: Float[np.ndarray, "num"],
    layers: Sequence[Hashable],
    coverage: float = 0.9,
) -> CycleCalibration:
    """Fits the timing, the scale of residuals and their quantiles. Deterministic.

    Args:
      steps: of each measured layer.
      cycles: measured.
      layers: equal for measurements of the same layer, which are left out together.
      coverage: of the intervals.

    Raises:
      ValueError: fewer than 10 different layers.
    """
    names = sorted(set(layers), key=repr)
    if len(names) < FEWEST_LAYERS:
        raise ValueError(
            f"calibration: {len(names)} layers are measured; expected at least {FEWEST_LAYERS}"
        )
    target = np.log(cycles)
    fold_of = dict(zip(names, np.random.default_rng(0).permutation(len(names)), strict=True))
    fold = np.array([fold_of[layer] % FEWEST_LAYERS for layer in layers])
    residuals = np.empty(len(target))
    for number in range(FEWEST_LAYERS):
        train, test = (np.flatnonzero(of).tolist() for of in (fold != number, fold == number))
        timing = _fit_timing(stacked(steps[row] for row in train), target[train])
        predicted = gemmini_cycles(stacked(steps[row] for row in test), timing)
        residuals[test] = target[test] - np.log(predicted)
    everything = stacked(steps)
    timing = _fit_timing(everything, target)
    features = _scale_features(everything, timing)
    ridge = np.diag([0.0, _RIDGE, _RIDGE])
    spread = np.linalg.solve(
        features.T @ features + ridge,
        features.T @ np.log(np.abs(residuals) + _SMALLEST_RESIDUAL),
    )
    scores = np.sort(residuals / np.exp(features @ spread))
    # The ranks of a conformal interval with equal tails.
    rank = (len(scores) + 1) * (1 - coverage) / 2
    place = max(math.floor(rank) - 1, 0)
    return CycleCalibration(
        timing=timing,
        spread=(spread[0], spread[1], spread[2]),
        low=scores[place],
        high=scores[len(scores) - 1 - place],
        coverage=coverage,
    )


def _fit_timing(steps: GemminiSteps, target: Float[np.ndarray, "num"]) -> GemminiTiming:
    def loss(logs: np.ndarray) -> float:
        error = np.abs(np.log(gemmini_cycles(steps, _timing(logs))) - target).mean()
        return float(error + _PULL * np.square(logs - _START).sum())

    # The loss has kinks where a slot turns from computing to moving.
    found = scipy.optimize.minimize(
        loss, _START, method="Nelder-Mead", options={"adaptive": True, "xatol": 1e-3, "fatol": 1e-6}
    )
    return _timing(found.x)


def _timing(logs: np.ndarray) -> GemminiTiming:
    names = [field.name for field in dataclasses.fields(GemminiTiming)]
    values = np.exp(np.clip(logs, -12, 12))
    return GemminiTiming(**dict(zip(names, np.minimum(values, [1e6, 1e6, 1, 1e9]), strict=True)))


def _scale_features(steps: GemminiSteps, timing: GemminiTiming) -> Float[np.ndarray, "num 3"]:
    """1, how much the DMA bounds the layer, and its number of steps."""
    costs = [(1, steps.last), *steps.kinds]
    compute = sum(count * step.compute_cycles for count, step in costs)
    moving = sum(count * moving_cycles(step, timing) for count, step in costs)
    number = sum(count for count, _ in costs)
    ratio = np.clip(np.log(moving / compute), *_BOUND_RATIOS)
    return np.stack(np.broadcast_arrays(1.0, ratio, np.log(number)), axis=-1)


def _arrays(steps: Iterable[GemminiStep]) -> GemminiStep:
    return GemminiStep(*np.array(list(steps), np.float64).T)
