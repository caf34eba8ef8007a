"""The requests of the array, line by line, as the scalesim 3.0.0 package lays them out.

The array computes fold by fold, row folds innermost. In a fold an operand is a tile of its matrix
that starts on some line of the fold. A streamed operand is skewed: each column of the array is a
line later than the one to its left. The stationary operand is not; it is read bottom row first.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from jaxtyping import Int64

from airchitect_jax.scalesim.lines import skew
from airchitect_jax.scalesim.lines.compute_counts import row_wise_line_words
from airchitect_jax.scalesim.lines.folds import Folds, folds_of
from airchitect_jax.scalesim.lines.matrices import Operands
from airchitect_jax.scalesim.settings import Settings

# Folds share a block up to this size. A block is large enough to hide the cost of Python calls,
# and small enough for a cache.
_BLOCK_WORDS = 1 << 17


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Lines:
    """Consecutive lines: addresses that each port of the array asks for; -1 is no request.

    With row-wise sparsity a line of the ifmap is rows * block_size words wide.
    """

    ifmap: Int64[np.ndarray, "lines ifmap_ports"]
    filter: Int64[np.ndarray, "lines filter_ports"]
    ofmap: Int64[np.ndarray, "lines cols"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Port:
    """How an operand's tiles lie in the lines of a fold.

    Attributes:
      words: the operand; its rows follow each other in time.
      height, width: of a tile. `width` is that of a line, too.
      row_step: rows of `words` from a row fold to the next.
      col_steps: columns of `words` from a row fold, and from a column fold, to the next.
      start: line of a fold on which the tile starts.
      skewed: each column is a line later than the one to its left.
      bottom_first: the last row of the tile is on the first line.
    """

    words: Int64[np.ndarray, "rows columns"]
    height: int
    width: int
    start: int = 0
    row_step: int = 0
    col_steps: tuple[int, int] = (0, 0)
    skewed: bool = True
    bottom_first: bool = False

    def lines(
        self, folds: Sequence[tuple[int, int]], lines_per_fold: int
    ) -> Int64[np.ndarray, "lines width"]:
        """The lines of some (column fold, row fold)."""
        out = np.full((len(folds) * lines_per_fold, self.width), -1)
        tiles = skew.tiles_in(
            out, start=self.start, step=lines_per_fold, height=self.height, skewed=self.skewed
        )
        if self.bottom_first:
            tiles = tiles[:, ::-1]
        for tile, (col_fold, row_fold) in zip(tiles, folds, strict=True):
            row = row_fold * self.row_step
            col = row_fold * self.col_steps[0] + col_fold * self.col_steps[1]
            skew.write(tile, self.words[row : row + self.height, col : col + self.width])
        return out


def demand(settings: Settings, operands: Operands) -> Iterator[Lines]:
    """All lines of a run in blocks of whole folds, or of parts of a fold where lines are wide."""
    shape = folds_of(settings, *operands.ifmap.shape, *operands.filter.shape)
    folds = itertools.product(range(len(shape.cols_used)), range(len(shape.rows_used)))
    ports = _ports(settings, operands, shape)
    fill = shape.cols if settings.dataflow == "os" else shape.rows + shape.cols
    lines_per_fold = shape.t + shape.rows + fill - 2
    if settings.dataflow == "ws" and settings.sparsity and settings.optimized_mapping:
        yield from _row_wise_demand(settings, operands, ports, folds, lines_per_fold)
        return
    block = max(1, _BLOCK_WORDS // (lines_per_fold * sum(port.width for port in ports)))
    while part := tuple(itertools.islice(folds, block)):
        ifmap, weights, ofmap = (port.lines(part, lines_per_fold) for port in ports)
        yield Lines(ifmap=ifmap, filter=weights, ofmap=ofmap)


def _ports(settings: Settings, operands: Operands, folds: Folds) -> tuple[_Port, _Port, _Port]:
    """The ports of ifmap, filter and ofmap."""
    rows, cols, t = folds.rows, folds.cols, folds.t
    by_row_fold, by_col_fold = (rows, 0), (0, cols)
    match settings.dataflow:
        case "os":
            return (
                _Port(words=operands.ifmap.T, height=t, width=rows, col_steps=by_row_fold),
                _Port(words=operands.filter, height=t, width=cols, col_steps=by_col_fold),
                _Port(
                    words=operands.ofmap,
                    height=rows,
                    width=cols,
                    start=t - 1,
                    row_step=rows,
                    col_steps=by_col_fold,
                    bottom_first=True,
                ),
            )
        case "ws":
            streamed, stationary = operands.ifmap, operands.filter
            outputs = operands.ofmap
        case _:
            streamed, stationary = operands.filter.T, operands.ifmap.T
            outputs = operands.ofmap.T
    # The stationary tile is loaded, then the others stream.
    streamed_port = _Port(words=streamed, height=t, width=rows, start=rows, col_steps=by_row_fold)
    stationary_port = _Port(
        words=stationary,
        height=rows,
        width=cols,
        row_step=rows,
        col_steps=by_col_fold,
        skewed=False,
        bottom_first=True,
    )
    output_port = _Port(
        words=outputs, height=t, width=cols, start=2 * rows - 1, col_steps=by_col_fold
    )
    if settings.dataflow == "ws":
        return streamed_port, stationary_port, output_port
    return stationary_port, streamed_port, output_port


def _row_wise_demand(
    settings: Settings,
    operands: Operands,
    ports: tuple[_Port, _Port, _Port],
    folds: Iterable[tuple[int, int]],
    lines_per_fold: int,
) -> Iterator[Lines]:
    """Lines of WS with row-wise sparsity, whose ifmap has two blocks for each row of the array.

    A fold covers the columns of two tiles. Each block of columns is asked for block_size / 2 times
    on successive lines, by as many ports of block_size words each.
    """
    rows, size = settings.rows, settings.block_size
    copies = size // 2
    width = row_wise_line_words(settings)
    _, filter_port, ofmap_port = ports
    step = max(1, _BLOCK_WORDS // width)
    for fold in folds:
        weights, ofmap = (port.lines([fold], lines_per_fold) for port in (filter_port, ofmap_port))
        tile = operands.ifmap[:, fold[1] * 2 * rows : (fold[1] + 1) * 2 * rows]
        for first in range(0, lines_per_fold, step):
            last = min(first + step, lines_per_fold)
            ifmap = np.full((last - first, width), -1)
            for port in range(width // size):
                words = tile[:, port // copies * size : (port // copies + 1) * size]
                start = rows + port - first  # line of the block on which the port starts
                skipped = max(0, -start)
                words = words[skipped : max(skipped, last - first - start)]
                lines = ifmap[start + skipped : start + skipped + len(words)]
                lines[:, port * size : port * size + words.shape[1]] = words
            yield Lines(ifmap=ifmap, filter=weights[first:last], ofmap=ofmap[first:last])
