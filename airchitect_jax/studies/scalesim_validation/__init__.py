"""Validation of what we compute against the scalesim 3.0.0 package.

Files byte for byte, the exact replay, and the closed form.
"""

from airchitect_jax.studies.scalesim_validation.byte_comparison import (
    Outcome,
    compare_files,
    file_summary,
    file_table,
    our_files,
)
from airchitect_jax.studies.scalesim_validation.random_files import KINDS
from airchitect_jax.studies.scalesim_validation.runs import Simulate, Source
from airchitect_jax.studies.scalesim_validation.timing import TimedLayer
from airchitect_jax.studies.scalesim_validation.validate import Settings, plan

__all__ = [
    "KINDS",
    "Outcome",
    "Settings",
    "Simulate",
    "Source",
    "TimedLayer",
    "compare_files",
    "file_summary",
    "file_table",
    "our_files",
    "plan",
]
