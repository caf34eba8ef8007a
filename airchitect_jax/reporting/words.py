"""Headings for names that code uses."""

from __future__ import annotations

_EXPONENTS = {"mac": "MAC budget", "row": "rows", "col": "columns"}
_OTHERS = {
    "bandwidth_bytes_per_cycle": "bandwidth (bytes per cycle)",
    "optimal_set_accuracy": "optimal-set accuracy",
    "edp": "energy-delay product",
}


def in_words(name: object) -> str:
    """A heading for the name of an input, a column or a setting: "mac_budget" is "mac budget"."""
    text = str(name)
    stem = text.removesuffix("_exponent")
    if stem != text:
        return f"log2({_EXPONENTS.get(stem, stem)})"
    return _OTHERS.get(text) or text.replace("_", " ")
