"""A design space, seen: what is optimal where, and what the labels are like."""

from airchitect_jax.studies.design_space.samples import draw

__all__ = [
    "draw",
]
