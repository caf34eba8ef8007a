"""Random layouts of operands in the lines of the SRAM, as a layout file of the scalesim package."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_HEADER = (
    "Layer name",
    *(f"{part} Intraline Factor" for part in ("IFMAP Height", "IFMAP Width")),
    *(f"{part} Intraline Factor" for part in ("Filter Height", "Filter Width")),
    *(f"{part} Intraline Factor" for part in ("Channel", "Num Filter")),
    *(
        f"{part} {where} Order"
        for where in ("Intraline", "Interline")
        for part in ("IFMAP Height", "IFMAP Width", "Channel")
    ),
    *(
        f"{part} {where} Order"
        for where in ("Intraline", "Interline")
        for part in ("Num Filter", "Channel", "Filter Height", "Filter Width")
    ),
)
_BAD = 0.03  # share of layouts that the package refuses


def layout_text(
    rng: np.random.Generator,
    layers: Sequence[tuple[int, ...]],
    *,
    ifmap_words: int,
    filter_words: int,
) -> str:
    """A row per layer; the package uses the first for all of them.

    Words of a line are as the package demands: up to those of the ifmap's port, exactly those of
    the filter's. The channel's factor is one number for both operands.

    Args:
      rng: of everything random.
      layers: height and width of the ifmap, height and width of a filter, channels, filters.
      ifmap_words: words per cycle of the ifmap's port.
      filter_words: words per cycle of the filter's port.
    """
    rows = [", ".join(_HEADER) + ","]
    for number, (height, width, filter_height, filter_width, channels, _) in enumerate(layers):
        channel = _divisor(rng, filter_words, channels, at_most=ifmap_words)
        first = _divisor(rng, filter_words // channel, filter_height)
        second = _divisor(rng, filter_words // channel // first, filter_width)
        filters = filter_words // channel // first // second
        ifmap_height = _part(rng, ifmap_words // channel, height)
        ifmap_width = _part(rng, ifmap_words // channel // ifmap_height, width)
        if rng.random() < _BAD:
            filters += 1
        factors = (ifmap_height, ifmap_width, first, second, channel, filters)
        orders = (*_orders(rng, 3), *_orders(rng, 4))
        rows.append(", ".join(map(str, (f"Layer{number}", *factors, *orders))) + ",")
    return "\n".join(rows) + "\n"


def _divisor(rng: np.random.Generator, words: int, size: int, *, at_most: int = 1 << 30) -> int:
    """A divisor of the words, mostly no larger than the dimension."""
    limit = min(words, at_most, size if rng.random() < 0.8 else words)
    return int(rng.choice([part for part in range(1, limit + 1) if words % part == 0]))


def _part(rng: np.random.Generator, words: int, size: int) -> int:
    return int(rng.integers(1, min(words, size if rng.random() < 0.8 else words), endpoint=True))


def _orders(rng: np.random.Generator, dims: int) -> list[int]:
    """Order of the dimensions within a line, then from line to line.

    The package transposes 2 * dims axes, those of the lines first, to what the second and then the
    first of these say; any permutation of all axes will do.
    """
    if rng.random() < 0.1:
        axes = rng.permutation(2 * dims)
        return [*map(int, axes[dims:]), *map(int, axes[:dims])]
    return [*map(int, rng.permutation(dims) + dims), *map(int, rng.permutation(dims))]
