"""Learned machines beside the exact ones: every family of networks left out of training once."""

from airchitect_jax.studies.whole_networks.evaluate import (
    Settings,
    left_out,
    names_of,
    summary_of,
    tested,
    trained,
)
from airchitect_jax.studies.whole_networks.report import page

__all__ = ["Settings", "left_out", "names_of", "page", "summary_of", "tested", "trained"]
