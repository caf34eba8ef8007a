"""AccelForge and ZigZag beside our mappings: the same counts, and the best mappings of each."""

from airchitect_jax.studies.mappers.agreement import (
    Outcome,
    compare_counts,
    golden_counts,
    outcome,
)
from airchitect_jax.studies.mappers.best import Comparison, Found, Goal, compare_best
from airchitect_jax.studies.mappers.cases import Case, draw, of_row, to_row
from airchitect_jax.studies.mappers.layers import layers
from airchitect_jax.studies.mappers.peers import ACCELFORGE, ZIGZAG, Peer
from airchitect_jax.studies.mappers.report import write_report

__all__ = [
    "ACCELFORGE",
    "ZIGZAG",
    "Case",
    "Comparison",
    "Found",
    "Goal",
    "Outcome",
    "Peer",
    "compare_best",
    "compare_counts",
    "draw",
    "golden_counts",
    "layers",
    "of_row",
    "outcome",
    "to_row",
    "write_report",
]
