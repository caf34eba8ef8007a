"""Traffic, stalls and total cycles of a GEMM with double-buffered SRAMs: `MemoryModel.IDEAL`.

A closed form of this timeline, fold by fold in SCALE-Sim's order (`for col_fold: for row_fold`):

* A double buffer of S bytes has S // 2 to work with; the other half receives what comes next.
* While a fold computes, the interface brings the data of the next fold and takes the results of
  this one. The fold lasts as long as the slower of the two; the difference is a stall. Before the
  first fold its operands have to come: the first fill, a stall as well.
* Three roles cover the three dataflows (`ROLES`):
  - swept: the operand indexed by row folds, swept once for each column fold. What fits into its
    working half stays; the rest comes again with each column fold.
  - column: the operand indexed by column folds only. Within a column fold it is used with every
    row fold. For OS it is the filter, read again as far as its tile does not fit. For WS and IS it
    is the ofmap: partial sums that do not fit are written and read back between row folds.
  - tile: the operand of which each element belongs to one fold: the outputs of OS, the stationary
    operand of WS and IS. It moves once, whatever its buffer.

The sums over folds have few different terms, so nothing loops over folds. As in
`airchitect_jax.cost.compute` one text serves Python integers, NumPy arrays and JAX tracers.

This is a model of a double buffer, not of the scalesim package (that is
`airchitect_jax.scalesim.replay`). The ports option gives each operand the whole bandwidth.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from airchitect_jax._support import dataflow_member, member
from airchitect_jax.cost.arithmetic import (
    Number,
    ceil_div,
    floor_div,
    larger,
    last_tile,
    select,
    smaller,
    weighted_sum,
)
from airchitect_jax.cost.compute import fold_cycles, mapped_dims
from airchitect_jax.types import (
    ArrayShape,
    BufferSizes,
    Dataflow,
    Gemm,
    Interface,
    RuntimeModel,
    Traffic,
)

OPERANDS = ("ifmap", "filter", "ofmap")
# The operands in the roles (swept, column, tile).
ROLES = {
    Dataflow.OS: ("ifmap", "filter", "ofmap"),
    Dataflow.WS: ("ifmap", "ofmap", "filter"),
    Dataflow.IS: ("filter", "ofmap", "ifmap"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tiling:
    """A GEMM cut into folds. Counts and bytes; all fields of one broadcastable shape.

    Attributes:
      s_r, s_c, t: the dimensions mapped to rows, columns and time.
      output_stationary: a bool, or an array of them where dataflows differ along the batch.
      row_folds, col_folds: their numbers.
      rows, cols: of a full fold: those of the array, or the operand's if it is smaller.
      last_rows, last_cols: of the last fold in each direction.
      fold_cycles: compute cycles of a fold.
      element_bytes: width of an element.
    """

    s_r: Number
    s_c: Number
    t: Number
    output_stationary: Any
    row_folds: Number
    col_folds: Number
    rows: Number
    cols: Number
    last_rows: Number
    last_cols: Number
    fold_cycles: Number
    element_bytes: Number

    @property
    def swept_bytes(self) -> Number:
        """The whole swept operand."""
        return self.s_r * self.t * self.element_bytes

    def column_bytes(self, cols: Number) -> Number:
        """The column operand of a column fold."""
        return cols * self.t * self.element_bytes


def tiling(
    s_r: Number,
    s_c: Number,
    t: Number,
    array: ArrayShape,
    *,
    output_stationary: Any,
    cycles_per_fold: Number,
    element_bytes: Number,
) -> Tiling:
    """The folds of mapped dimensions (`mapped_dims`)."""
    row_folds, col_folds = ceil_div(s_r, array.rows), ceil_div(s_c, array.cols)
    return Tiling(
        s_r=s_r,
        s_c=s_c,
        t=t,
        output_stationary=output_stationary,
        row_folds=row_folds,
        col_folds=col_folds,
        rows=smaller(array.rows, s_r),
        cols=smaller(array.cols, s_c),
        last_rows=last_tile(s_r, array.rows, row_folds),
        last_cols=last_tile(s_c, array.cols, col_folds),
        fold_cycles=cycles_per_fold,
        element_bytes=element_bytes,
    )


def tiling_of(
    gemm: Gemm,
    array: ArrayShape,
    dataflow: Dataflow,
    element_bytes: Number,
    runtime_model: RuntimeModel,
) -> Tiling:
    """The folds of a GEMM."""
    dataflow = dataflow_member("dataflow", dataflow)
    s_r, s_c, t = mapped_dims(gemm, dataflow)
    return tiling(
        s_r,
        s_c,
        t,
        array,
        output_stationary=dataflow is Dataflow.OS,
        cycles_per_fold=fold_cycles(array, t, dataflow, runtime_model),
        element_bytes=element_bytes,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sweep:
    """The bytes that one sweep over the row folds of the swept operand fetches.

    Row folds 1 .. row_folds - 2 are resident (nothing to fetch), at most one partial, and
    streamed (fetched whole), in this order; the first and the last have fields of their own.
    """

    first_bytes: Number
    num_resident: Number
    num_partial: Number
    partial_bytes: Number
    num_streamed: Number
    streamed_bytes: Number
    last_bytes: Number
    total_bytes: Number


def sweep(folds: Tiling, resident_bytes: Number) -> Sweep:
    """A sweep whose first `resident_bytes` (at most the operand's) are in the buffer already."""
    whole = folds.rows * folds.t * folds.element_bytes  # the tile of a full row fold
    middle = larger(folds.row_folds - 2, 0)
    tiles_inside = floor_div(resident_bytes, whole)
    started = smaller(tiles_inside, middle)  # row folds 1 .. : resident or partial
    resident = smaller(larger(tiles_inside - 1, 0), middle)
    rest = folds.swept_bytes - resident_bytes
    return Sweep(
        first_bytes=larger(whole - resident_bytes, 0),
        num_resident=resident,
        num_partial=started - resident,
        partial_bytes=(tiles_inside + 1) * whole - resident_bytes,
        num_streamed=middle - started,
        streamed_bytes=whole,
        last_bytes=smaller(folds.last_rows * folds.t * folds.element_bytes, rest),
        total_bytes=rest,
    )


def resident_bytes(operand_bytes: Number, sram_bytes: Number) -> Number:
    """The bytes of an operand that stay in the working half of its double buffer."""
    return smaller(operand_bytes, floor_div(sram_bytes, 2))


def spilled_bytes(operand_bytes: Number, sram_bytes: Number) -> Number:
    """The bytes of an operand that do not fit into the working half of its double buffer."""
    return larger(operand_bytes - floor_div(sram_bytes, 2), 0)


def spills(folds: Tiling, sram_bytes: Number) -> list[Number]:
    """`spilled_bytes` of the column operand in a full and in the last column fold."""
    return [
        spilled_bytes(folds.column_bytes(cols), sram_bytes)
        for cols in (folds.cols, folds.last_cols)
    ]


def busy_bytes(
    folds: Tiling,
    cold: Sweep,
    warm: Sweep,
    spill: Number,
    last_spill: Number,
    bandwidth: Number,
    interface: Interface,
) -> Number:
    """Total cycles times bandwidth.

    In this unit every term is a whole number. Buffer sizes enter through four arguments only, so
    that a search over sizes can compute each once for every size of its buffer.

    Args:
      folds: the GEMM.
      cold: the first sweep of the swept operand, nothing resident.
      warm: each later sweep.
      spill: of the column operand, in a full column fold.
      last_spill: the same in the last column fold.
      bandwidth: bytes per cycle.
      interface: shared, or a port for each operand.
    """
    interface = member("interface", interface, Interface)
    os = folds.output_stationary
    compute = folds.fold_cycles * bandwidth
    middle_cols = larger(folds.col_folds - 2, 0)  # column folds that are neither first nor last
    several = smaller(folds.col_folds - 1, 1)  # whether the last column fold is not the first

    def together(swept: Number, column: Number, tile: Number) -> Number:
        if interface is Interface.SHARED:
            return swept + (column + tile)  # one term for what does not depend on the swept size
        return larger(larger(swept, column), tile)

    def slot(swept: Number, column: Number, tile: Number) -> tuple[Number, ...]:
        """The bytes of each operand that move while a fold computes."""
        return compute, swept, column, tile

    def duration(compute: Number, swept: Number, column: Number, tile: Number) -> Number:
        return larger(compute, together(swept, column, tile))

    def tile_bytes(rows: Number, cols: Number) -> Number:
        return rows * cols * folds.element_bytes

    def within(swept: Sweep, spilled: Number, cols: Number) -> list[tuple[Number, ...]]:
        """The slots of a column fold but the last: they bring row folds 1 .. row_folds - 1."""
        column = select(os, spilled, 2 * spilled)  # read again, or written and read back
        tile = tile_bytes(folds.rows, cols)
        # The outputs of a full fold leave, or the stationary operand of a last fold comes.
        last_tile = select(os, tile, tile_bytes(folds.last_rows, cols))
        return [
            (swept.num_resident, *slot(0, column, tile)),
            (swept.num_partial, *slot(swept.partial_bytes, column, tile)),
            (swept.num_streamed, *slot(swept.streamed_bytes, column, tile)),
            (smaller(folds.row_folds - 1, 1), *slot(swept.last_bytes, column, last_tile)),
        ]

    def turn(next_cols: Number) -> tuple[Number, ...]:
        """The last slot of a full column fold, which brings the first fold of the next."""
        column = select(os, folds.column_bytes(next_cols), folds.column_bytes(folds.cols))
        tile = select(
            os, tile_bytes(folds.last_rows, folds.cols), tile_bytes(folds.rows, next_cols)
        )
        return 1, *slot(warm.first_bytes, column, tile)

    fill = together(
        cold.first_bytes,
        select(os, folds.column_bytes(folds.cols), 0),
        select(os, 0, tile_bytes(folds.rows, folds.cols)),
    )
    end = slot(
        0,
        select(os, 0, folds.column_bytes(folds.last_cols)),
        select(os, tile_bytes(folds.last_rows, folds.last_cols), 0),
    )
    first_spill = select(folds.col_folds > 1, spill, last_spill)
    column_folds = [
        (1, within(cold, first_spill, folds.cols)),
        (middle_cols, [turn(folds.cols), *within(warm, spill, folds.cols)]),
        (several, [turn(folds.last_cols), *within(warm, last_spill, folds.last_cols)]),
        (1, [(1, *end)]),
    ]
    return fill + weighted_sum(duration, column_folds)


def total_cycles(
    folds: Tiling, buffers: BufferSizes, dataflow: Dataflow, bandwidth: Number, interface: Interface
) -> Number:
    """Cycles with stalls: `ceil(busy_bytes / bandwidth)`.

    Without stalls and fill this is folds * fold_cycles, for either runtime model: SCALE-Sim's count
    from zero, one less, applies to the compute cycles only; the difference is a stall.
    """
    swept, column, _ = ROLES[dataflow_member("dataflow", dataflow)]
    return cycles_by_role(
        folds, _sram(buffers, swept), _sram(buffers, column), bandwidth, interface
    )


def cycles_by_role(
    folds: Tiling, swept: Number, column: Number, bandwidth: Number, interface: Interface
) -> Number:
    """`total_cycles` from the sizes of the swept and the column operand's SRAM, which suffice."""
    warm = sweep(folds, resident_bytes(folds.swept_bytes, swept))
    spill, last_spill = spills(folds, column)
    busy = busy_bytes(
        folds, sweep(folds, 0 * folds.swept_bytes), warm, spill, last_spill, bandwidth, interface
    )
    return ceil_div(busy, bandwidth)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moved:
    """The data that one operand moves: SRAM accesses in elements, DRAM traffic in bytes."""

    sram_reads: Number
    sram_writes: Number
    dram_read_bytes: Number
    dram_write_bytes: Number


def swept_moved(folds: Tiling, resident: Number) -> Moved:
    """The swept operand: the array reads each element once for each column fold."""
    fetched = folds.swept_bytes + (folds.col_folds - 1) * (folds.swept_bytes - resident)
    return Moved(
        sram_reads=folds.s_r * folds.t * folds.col_folds,
        sram_writes=floor_div(fetched, folds.element_bytes),
        dram_read_bytes=fetched,
        dram_write_bytes=0 * fetched,
    )


def column_moved(folds: Tiling, spill: Number, last_spill: Number) -> Moved:
    """The column operand: touched once for each row fold.

    As the filter of OS it is read. As the outputs of WS and IS it is written with each row fold
    and, with each but the first, read to be added to; at the end it is read once more, to be
    written to DRAM.
    """
    os = folds.output_stationary
    elements = folds.s_c * folds.t
    spilled = (folds.row_folds - 1) * ((folds.col_folds - 1) * spill + last_spill)
    fetched = select(os, elements * folds.element_bytes + spilled, spilled)
    written = select(os, 0 * spilled, elements * folds.element_bytes + spilled)
    touched = elements * folds.row_folds
    spilled_elements = floor_div(spilled, folds.element_bytes)
    return Moved(
        sram_reads=touched + select(os, 0 * touched, spilled_elements),
        sram_writes=select(os, elements, touched) + spilled_elements,
        dram_read_bytes=fetched,
        dram_write_bytes=written,
    )


def tile_moved(folds: Tiling) -> Moved:
    """The tile operand: each element once in and once out of its SRAM."""
    elements = folds.s_r * folds.s_c
    size = elements * folds.element_bytes
    return Moved(
        sram_reads=elements,
        sram_writes=elements,
        dram_read_bytes=select(folds.output_stationary, 0 * size, size),
        dram_write_bytes=select(folds.output_stationary, size, 0 * size),
    )


def traffic(folds: Tiling, buffers: BufferSizes, dataflow: Dataflow) -> Traffic:
    """SRAM accesses and DRAM traffic of a GEMM."""
    swept, column, tile = ROLES[dataflow_member("dataflow", dataflow)]
    moved = {
        swept: swept_moved(folds, resident_bytes(folds.swept_bytes, _sram(buffers, swept))),
        column: column_moved(folds, *spills(folds, _sram(buffers, column))),
        tile: tile_moved(folds),
    }
    return Traffic(
        ifmap_sram_reads=moved["ifmap"].sram_reads,
        ifmap_sram_writes=moved["ifmap"].sram_writes,
        filter_sram_reads=moved["filter"].sram_reads,
        filter_sram_writes=moved["filter"].sram_writes,
        ofmap_sram_reads=moved["ofmap"].sram_reads,
        ofmap_sram_writes=moved["ofmap"].sram_writes,
        ifmap_dram_read_bytes=moved["ifmap"].dram_read_bytes,
        filter_dram_read_bytes=moved["filter"].dram_read_bytes,
        ofmap_dram_read_bytes=moved["ofmap"].dram_read_bytes,
        ofmap_dram_write_bytes=moved["ofmap"].dram_write_bytes,
    )


def _sram(buffers: BufferSizes, operand: str) -> Number:
    return getattr(buffers, f"{operand}_sram_bytes")
