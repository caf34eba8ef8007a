"""Predicted cycles against the measured ones of Gemmini's RTL."""

from airchitect_jax.studies.gemmini.measurements import (
    Machine,
    Measurement,
    packaged_measurements,
    read_measurements,
)
from airchitect_jax.studies.gemmini.predictions import Predictions, pooled, predict
from airchitect_jax.studies.gemmini.report import (
    calibration_json,
    markdown,
    page,
    predictions_csv,
    rich_tables,
)
from airchitect_jax.studies.gemmini.summary import summarize

__all__ = [
    "Machine",
    "Measurement",
    "Predictions",
    "calibration_json",
    "markdown",
    "packaged_measurements",
    "page",
    "pooled",
    "predict",
    "predictions_csv",
    "read_measurements",
    "rich_tables",
    "summarize",
]
