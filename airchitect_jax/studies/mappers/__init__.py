"""AccelForge and ZigZag beside our mappings: the same counts, and the best mappings of each."""

from airchitect_jax.studies.mappers.agreement import (
    Outcome,
    agreement_summary,
    compare_counts,
    golden_counts,
    golden_rows,
    outcome,
)
from airchitect_jax.studies.mappers.cases import Case, draw, of_row, to_row
from airchitect_jax.studies.mappers.counts import Counts, accelforge_counts, our_counts

__all__ = [
    "Case",
    "Counts",
    "Outcome",
    "accelforge_counts",
    "agreement_summary",
    "compare_counts",
    "draw",
    "golden_counts",
    "golden_rows",
    "of_row",
    "our_counts",
    "outcome",
    "to_row",
]
