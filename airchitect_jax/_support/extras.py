"""Packages that an extra of this distribution brings."""

from __future__ import annotations


class MissingExtraError(ImportError):
    """Packages of an extra are not installed.

    Example:
      >>> str(MissingExtraError("figures need matplotlib", "plots"))
      "figures need matplotlib: pip install 'airchitect-jax[plots]'"
    """

    def __init__(self, reason: str, extra: str) -> None:
        super().__init__(f"{reason}: pip install 'airchitect-jax[{extra}]'")
