"""Serves one local page that answers `recommend` while its sliders move."""

from airchitect_jax.explore.server import Server

__all__ = ["Server"]
