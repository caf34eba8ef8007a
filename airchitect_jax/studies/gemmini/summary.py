"""How good predictions of measured cycles are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float

from airchitect_jax.studies.gemmini.measurements import Measurement
from airchitect_jax.studies.gemmini.predictions import Calibrated, Predictions

MEASURES = ("spearman", "median_error", "p90_error", "coverage_90")
Scores = dict[str, dict[str, float | None]]


def summarize(predictions: Predictions) -> dict[str, Any]:
    """Measures by prediction.

    Returns:
      `spearman`, `median_error`, `p90_error` and `coverage_90`, each by prediction, null where
      there is none: on the rows that Timeloop predicts as well (all rows, where there are none),
      calibrated on other machines. The same in `by_layer`, calibrated on other layers, and for each
      array in `arrays`; `machines` has them by machine, `auto` for the tiles of Gemmini's library.
    """
    rows = predictions.rows
    shown = compared(rows)
    sides = sorted({row.machine.side for row in rows})
    of_side = {side: np.array([row.machine.side == side for row in rows]) for side in sides}
    machines = {row.machine.name: row.machine for row in rows}
    return {
        "num_rows": int(shown.sum()),
        **_scores(predictions, predictions.by_machine, shown),
        "by_layer": _scores(predictions, predictions.by_layer, shown),
        "arrays": {
            f"{side} x {side}": {
                "num_rows": int(here.sum()),
                "by_machine": _scores(predictions, predictions.by_machine, here),
                "by_layer": _scores(predictions, predictions.by_layer, here),
            }
            for side, here in of_side.items()
        },
        "machines": {
            name: {
                "num_rows": int(here.sum()),
                **_scores(predictions, predictions.by_machine, here),
            }
            for name, machine in sorted(machines.items())
            for here in [np.array([row.machine == machine for row in rows])]
        },
        "auto": _auto_scores(predictions),
    }


def compared(rows: Sequence[Measurement]) -> Bool[np.ndarray, "num"]:
    """Which rows Timeloop predicts as well; all of them, where there are none."""
    has_timeloop = np.array([row.timeloop_cycles is not None for row in rows])
    return has_timeloop if has_timeloop.any() else ~has_timeloop


def score(
    predicted: Float[np.ndarray, "num"], measured: Float[np.ndarray, "num"]
) -> dict[str, float | None]:
    """Rank correlation, and median and 90th percentile of the relative error."""
    error = np.abs(predicted - measured) / measured
    ranks = None
    if len(set(measured)) > 1 and len(set(predicted)) > 1:
        ranks = float(scipy.stats.spearmanr(predicted, measured).statistic)
    return {
        "spearman": ranks,
        "median_error": float(np.median(error)),
        "p90_error": float(np.quantile(error, 0.9)),
    }


def _scores(
    predictions: Predictions, calibrated: Calibrated, here: Bool[np.ndarray, "num"]
) -> Scores:
    measured = np.array([row.cycles for row in predictions.rows])[here]
    timeloop = np.array([row.timeloop_cycles or np.nan for row in predictions.rows])[here]
    inside = (calibrated.low[here] <= measured) & (measured <= calibrated.high[here])
    by_name: dict[str, Mapping[str, float | None]] = {
        "uncalibrated": score(predictions.uncalibrated[here], measured),
        "calibrated": score(calibrated.cycles[here], measured)
        | {"coverage_90": float(inside.mean())},
        "timeloop": {} if np.isnan(timeloop).any() else score(timeloop, measured),
        "tiled": score(predictions.tiled[here], measured),
    }
    return {
        measure: {name: scores.get(measure) for name, scores in by_name.items()}
        for measure in MEASURES
    }


def _auto_scores(predictions: Predictions) -> dict[str, Any]:
    here = ~np.isnan(predictions.auto_uncalibrated)
    if not here.any():
        return {"num_rows": 0}
    measured = np.array([row.auto_cycles or np.nan for row in predictions.rows])[here]
    by_name = {
        "uncalibrated": score(predictions.auto_uncalibrated[here], measured),
        "calibrated": score(predictions.auto_by_machine[here], measured),
    }
    return {
        "num_rows": int(here.sum()),
        **{
            measure: {name: scores[measure] for name, scores in by_name.items()}
            for measure in MEASURES[:3]
        },
    }
