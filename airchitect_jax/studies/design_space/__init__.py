"""Analysis of a design space: which design is optimal where, and statistics of the labels."""

from airchitect_jax.studies.design_space.samples import draw

__all__ = ["draw"]
