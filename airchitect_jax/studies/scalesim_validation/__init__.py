"""Validation of the exact replay and the closed form against the scalesim 3.0.0 package."""

from airchitect_jax.studies.scalesim_validation.agreement import Simulate
from airchitect_jax.studies.scalesim_validation.runs import Source
from airchitect_jax.studies.scalesim_validation.timing import TimedLayer
from airchitect_jax.studies.scalesim_validation.validate import Settings, plan

__all__ = [
    "Settings",
    "Simulate",
    "Source",
    "TimedLayer",
    "plan",
]
