"""The buffers of runs at several sizes: what each does at each size, found once for all sizings.

A sizing of three buffers is made of the behaviours of its parts. Buffers that never wait, whatever
the others do, all behave alike.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Bool, Int

from airchitect_jax.cost import ceil_div, mixed_dims
from airchitect_jax.scalesim.misses import find_misses
from airchitect_jax.scalesim.replay import LARGEST, SLOTS, count_bounds, on_cpu, slots_needed
from airchitect_jax.scalesim.replay_counts import HALF_KB, Setup
from airchitect_jax.scalesim.sizings import MissList, Sizing, merge
from airchitect_jax.types import Dataflow, Gemm

OPERANDS = ("ifmap", "filter", "ofmap")
LENGTH = 1 << 9  # lists or runs of one call: few programs
CAPACITY = 1 << 15  # misses of one call
WIDEST = 1 << 20  # rows and columns of an array
LARGEST_POOL = 1 << 22  # misses of all calls, about; 64 MiB
_SMALLEST_POOL = 1 << 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class Behaviours:
    """What the three buffers do in each workload at each size.

    Attributes:
      setup: the workloads; sizes in it mean nothing.
      sizes_kb: sizes of each buffer.
      late: whether the buffer of a workload and size can ever make its run wait.
      earliest: a lower bound of the total cycles of all sizings with it.
      complete: workloads that are not have counts or lists too large for this; `totals` does not
        serve them.
    """

    setup: Setup
    sizes_kb: Sequence[Int[np.ndarray, "sizes"]]
    late: Sequence[Bool[np.ndarray, "workloads sizes"]]
    earliest: Sequence[Int[np.ndarray, "workloads sizes"]]
    complete: Bool[np.ndarray, "workloads"]
    lists: Sequence[MissList]  # of ifmap and filter; fields as `late`
    lines: Int[Array, "misses"]
    swaps: Int[Array, "misses"]

    @classmethod
    def of(
        cls,
        setup: Setup,
        sizes_kb: Sequence[Int[np.ndarray, "sizes"]],
        used: Sequence[Bool[np.ndarray, "workloads sizes"]],
    ) -> Behaviours:
        """Finds the behaviours of workloads in USER mode, for each buffer at the sizes `used`."""
        complete = _is_small(setup, sizes_kb)
        pool = _Pool()
        late, earliest, lists = [], [], []
        for operand, sizes, wanted in zip(OPERANDS[:2], sizes_kb[:2], used[:2], strict=True):
            workload, size = np.nonzero(wanted & complete[:, None])
            one = _take(setup, workload, {f"{operand}_sram_kb": sizes[size]})
            found = pool.add(one, operand)
            complete[workload[found[0] < 0]] = False
            table = np.zeros((5, *wanted.shape), np.int64)
            table[:, workload, size] = found
            lists.append(MissList(*table[:3]))
            earliest.append(table[3])
            late.append(table[4] > 0)
        every = Setup(*(np.where(complete, column, 1)[:, None] for column in setup))
        waits, least = _of_outputs(every._replace(ofmap_sram_kb=sizes_kb[2][None]))
        lines, swaps = pool.arrays()
        return cls(
            setup=setup,
            sizes_kb=sizes_kb,
            late=(*late, waits),
            earliest=(*earliest, least),
            complete=complete,
            lists=lists,
            lines=lines,
            swaps=swaps,
        )

    def totals(
        self, workload: Int[np.ndarray, "runs"], sizes: Sequence[Int[np.ndarray, "runs"]]
    ) -> Int[np.ndarray, "runs"]:
        """Total cycles of runs: the place of a workload, and of the size of each buffer."""
        code = workload
        for late, size in zip(self.late, sizes, strict=True):
            num = late.shape[1]
            code = code * (num + 1) + np.where(late[workload, size], size, num)
        _, first, places = np.unique(code, return_index=True, return_inverse=True)
        return self._distinct(workload[first], [size[first] for size in sizes])[places]

    def _distinct(
        self, workload: Int[np.ndarray, "runs"], sizes: Sequence[Int[np.ndarray, "runs"]]
    ) -> Int[np.ndarray, "runs"]:
        outputs_kb = np.where(self.late[2][workload, sizes[2]], self.sizes_kb[2][sizes[2]], 0)
        setup = _take(self.setup, workload, {"ofmap_sram_kb": outputs_kb})
        ifmap, filters = (
            _of_late(late[workload, size], MissList(*(field[workload, size] for field in lists)))
            for late, lists, size in zip(self.late[:2], self.lists, sizes[:2], strict=True)
        )
        swapped = setup.dataflow == Dataflow.IS
        rowwise, colwise = (
            MissList(*(np.where(swapped, b, a) for a, b in zip(one, other, strict=True)))
            for one, other in ((ifmap, filters), (filters, ifmap))
        )
        runs = Sizing(setup, rowwise, colwise)
        parts = [np.zeros(0, np.int64)]
        with jax.enable_x64(True), on_cpu():
            for first in range(0, len(workload), LENGTH):
                part = jax.tree.map(functools.partial(_padded, first=first), runs)
                parts.append(np.asarray(merge(part, self.lines, self.swaps, slots=SLOTS[0])))
        return np.concatenate(parts)[: len(workload)]


class _Pool:
    """Lists of misses of several calls, joined."""

    def __init__(self) -> None:
        self.parts = [np.zeros((2, 0), np.int64)]
        self.size = 0

    def add(self, setup: Setup, operand: str) -> Int[np.ndarray, "5 lists"]:
        """The list of an operand of each run: start, stop, swap cycles, earliest, late.

        Start is -1 for a list of more than `CAPACITY` misses, and for all once the pool is full.
        """
        colwise = (setup.dataflow == Dataflow.IS) == (operand == "ifmap")
        stationary = colwise & (setup.dataflow != Dataflow.OS)
        columns = np.zeros((5, len(stationary)), np.int64)
        for kind in (False, True):
            group = np.flatnonzero(stationary == kind)
            waiting = [group[at : at + LENGTH] for at in range(0, len(group), LENGTH)]
            while waiting:
                rows = waiting.pop()
                if self.size >= LARGEST_POOL:
                    columns[0, rows] = -1
                    continue
                misses, known = _find(setup, colwise, rows, stationary=kind)
                stop = known[0]
                if stop[-1] <= CAPACITY:
                    start = np.concatenate([[0], stop[:-1]])
                    columns[:, rows] = self.size + start, self.size + stop, *known[1:]
                    self.parts.append(misses[:, : stop[-1]])
                    self.size += int(stop[-1])
                elif len(rows) == 1:
                    columns[0, rows] = -1
                else:
                    half = len(rows) // 2
                    waiting += [rows[:half], rows[half:]]
        return columns

    def arrays(self) -> tuple[Array, Array]:
        """All lines and swaps, in one of few lengths."""
        size = _SMALLEST_POOL
        while size < self.size:
            size *= 4
        joined = np.pad(np.concatenate(self.parts, axis=1), ((0, 0), (0, size - self.size)))
        with jax.enable_x64(True), on_cpu():
            return jax.device_put(joined[0]), jax.device_put(joined[1])


def _find(
    setup: Setup, colwise: Any, rows: Int[np.ndarray, "lists"], *, stationary: bool
) -> tuple[Int[np.ndarray, "2 misses"], Int[np.ndarray, "4 lists"]]:
    """The misses of some runs, and what is known of each list: the fields of `Misses`."""
    with jax.enable_x64(True), on_cpu():
        found = find_misses(
            Setup(*(_padded(column[rows]) for column in setup)),
            _padded(colwise[rows]),
            stationary=stationary,
            capacity=CAPACITY,
        )
        line, swaps, *known = (np.asarray(field) for field in found)
    return np.stack([line, swaps]), np.stack([field[: len(rows)] for field in known])


def _of_late(late: Bool[np.ndarray, "runs"], misses: MissList) -> MissList:
    """No misses where none is late."""
    return misses._replace(stop=np.where(late, misses.stop, misses.start))


def _padded(column: Any, first: int = 0) -> np.ndarray:
    """A call's part of a column, with runs of a few lines and without misses."""
    part = column[first : first + LENGTH]
    return np.pad(part, (0, LENGTH - len(part)), constant_values=1)


def _take(setup: Setup, rows: np.ndarray, sizes_kb: dict[str, np.ndarray]) -> Setup:
    """Some of the runs, with other sizes: one kilobyte where none is given."""
    ones = np.ones(len(rows), np.int64)
    columns = {name: column[rows] for name, column in setup._asdict().items()}
    columns |= {f"{operand}_sram_kb": ones for operand in OPERANDS}
    return Setup(**(columns | sizes_kb))


def _is_small(setup: Setup, sizes_kb: Sequence[np.ndarray]) -> Bool[np.ndarray, "workloads"]:
    """Whether all counts of a workload fit int64 at any of the sizes, without many slots."""
    smallest = [min(sizes.min(), 2**40) for sizes in sizes_kb]
    largest = max(sizes.max() for sizes in sizes_kb[:2])
    hardest = setup._replace(
        ifmap_sram_kb=min(smallest[:2]), filter_sram_kb=largest, ofmap_sram_kb=smallest[2]
    )
    row_folds, col_folds, lines = folds_of(setup)
    with np.errstate(over="ignore"):
        compute_cycles = np.asarray(row_folds, np.float64) * col_folds * lines
    small = count_bounds(hardest, compute_cycles) <= LARGEST
    small &= np.maximum(setup.rows, setup.cols) <= WIDEST
    words = np.asarray(setup.m, np.float64) * setup.n * row_folds
    small &= words <= LARGEST
    return np.asarray(small & (slots_needed(hardest) <= SLOTS[0]))


def folds_of(setup: Setup) -> tuple[Any, Any, Any]:
    """Row folds, column folds, and lines of a fold."""
    s_r, s_c, t = mixed_dims(Gemm(m=setup.m, n=setup.n, k=setup.k), setup.dataflow)
    load = np.where(setup.dataflow == Dataflow.OS, 0, setup.rows)
    return (
        ceil_div(s_r, setup.rows),
        ceil_div(s_c, setup.cols),
        load + setup.rows + setup.cols + t - 2,
    )


def _of_outputs(setup: Setup) -> tuple[Any, Any]:
    """Whether the buffer of outputs can make a run wait, and a lower bound of its total cycles.

    Let a drain take R rows of B words, of which it frees R B less at most B - 1: it has closed a
    row early. The first one starts when half the buffer H and a word more are used. In n = R - 1
    lines after a start the array hands over at most P words. If P <= n B, then by induction at
    most B words are used after each start, so at most B + P before the next; below 2 H no word
    waits.

    As many words as are beyond 2 H + 1 must have been drained, at most R B at a time. So the last
    word comes after the start of as many drains as that takes, which are n cycles apart.
    """
    half, bandwidth = HALF_KB * setup.ofmap_sram_kb, setup.bandwidth
    rows = ceil_div(half, bandwidth)
    spacing = rows - 1
    s_r, s_c, t = mixed_dims(Gemm(m=setup.m, n=setup.n, k=setup.k), setup.dataflow)
    row_folds, col_folds, lines = folds_of(setup)
    stationary = setup.dataflow == Dataflow.OS
    height = np.where(stationary, np.minimum(setup.rows, s_r), t)
    width = np.minimum(setup.cols, s_c)
    most = np.minimum(height, width)
    together = np.minimum(most * spacing, height * width * (spacing // lines + 2))
    words = np.where(stationary, s_r, t * row_folds) * s_c
    drains = words > half
    calm = (together <= spacing * bandwidth) & (bandwidth + together < 2 * half)
    late = drains & ~(calm & (rows > 1))

    # The first fold whose outputs can use half of the buffer, and the line of the last output.
    sweep = np.where(stationary, s_r, t * row_folds) * width
    before = half // sweep * row_folds + (half % sweep) // (height * width)
    total = row_folds * col_folds * lines
    last_height = np.where(stationary, s_r - (row_folds - 1) * np.minimum(setup.rows, s_r), t)
    last_width = s_c - (col_folds - 1) * width
    load = np.where(stationary, t - 1 + setup.rows - last_height, 2 * setup.rows - 1)
    after = lines - (load + last_height + last_width - 1)
    waits = ceil_div(np.maximum(0, words - 2 * half - 1), rows * bandwidth)
    bound = before * lines + (waits - 1) * spacing + after
    return late, np.where(
        drains & (waits > 0) & (rows > 1), np.maximum(total - 1, bound), total - 1
    )
