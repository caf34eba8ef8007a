"""The TILED model step by step in plain Python, from its definition, slow and obvious."""

import itertools
import math
from collections import Counter
from fractions import Fraction


def spans(size, length):
    """The (start, stop) of the pieces of at most `length` that cover `size`."""
    return [(start, min(start + length, size)) for start in range(0, size, length)]


def shares(span, cores):
    """The sizes of the parts of a span that each core works on; idle cores have none."""
    size = span[1] - span[0]
    return [stop - start for start, stop in spans(size, math.ceil(Fraction(size, cores)))]


def folds(size, side):
    return math.ceil(Fraction(size, side))


def tiled(dims, tiles, cores, order, dataflow, array, bandwidth, bits, offset=1, passes=None):
    """(compute cycles, total cycles, counts) of a mapping.

    `dims`, `tiles`, `cores`: by "m", "n", "k"; `order`: a text such as "mnk"; `array`: rows and
    columns; `bandwidth`: bytes per cycle, a fraction; `bits`: by "input", "weight", "accumulator",
    "output". `offset`: cycles that the compute cycles leave out; `passes`: how often a fold crosses
    the rows. `counts`: SRAM accesses by (operand, "read" or "write"), DRAM bits by operand, way and
    kind.
    """
    passes = passes or (1 if dataflow == "OS" else 2)
    blocks = {d: spans(dims[d], tiles[d] * cores[d]) for d in "mnk"}
    steps = [
        dict(zip(order, s, strict=True)) for s in itertools.product(*(blocks[d] for d in order))
    ]

    def of(step, pair):
        return step[pair[0]], step[pair[1]]

    def area(spans_):
        return math.prod(stop - start for start, stop in spans_)

    sram, dram = Counter(), Counter()
    seen = set()  # blocks of outputs that have partial sums
    touched = set()  # (block, core) with a partial sum in the core's memory
    holders = {}  # of each block that is resident: the cores with partial sums
    brought, taken, durations = [], [], []
    for index, step in enumerate(steps):
        before = steps[index - 1] if index else None
        after = steps[index + 1] if index + 1 < len(steps) else None
        parts = {d: shares(step[d], cores[d]) for d in "mnk"}
        # What has to come before this step.
        come = 0
        if before is None or of(step, "mk") != of(before, "mk"):
            size = area(of(step, "mk"))
            come += size * bits["input"]
            dram["ifmap", "read"] += size * bits["input"]
            sram["ifmap", "write"] += size * len(parts["n"])
        if before is None or of(step, "kn") != of(before, "kn"):
            size = area(of(step, "kn"))
            come += size * bits["weight"]
            dram["filter", "read"] += size * bits["weight"]
            sram["filter", "write"] += size * len(parts["m"])
        outputs = of(step, "mn")
        if before is None or outputs != of(before, "mn"):
            holders = {"k": set()}
            if outputs in seen:
                come += area(outputs) * bits["accumulator"]
                dram["ofmap", "read"] += area(outputs) * bits["accumulator"]
                sram["ofmap", "write"] += area(outputs)
        seen.add(outputs)
        brought.append(come)
        # The array.
        t, rows, cols = {"OS": "kmn", "WS": "mkn", "IS": "nkm"}[dataflow]
        for a, b, c in itertools.product(parts["m"], parts["n"], range(len(parts["k"]))):
            own = {"m": a, "n": b, "k": parts["k"][c]}
            row_folds, col_folds = folds(own[rows], array[0]), folds(own[cols], array[1])
            ifmap, filter_ = own["m"] * own["k"], own["k"] * own["n"]
            sram["ifmap", "read"] += ifmap * (1 if dataflow == "IS" else col_folds)
            sram["filter", "read"] += (
                filter_ * {"OS": row_folds, "WS": 1, "IS": col_folds}[dataflow]
            )
            writes = 1 if dataflow == "OS" else row_folds
            sram["ofmap", "write"] += a * b * writes
            # Each pass but the first of a core adds to what is there.
            sram["ofmap", "read"] += a * b * (writes - ((outputs, c) not in touched))
        touched |= {(outputs, c) for c in range(len(parts["k"]))}
        holders["k"] |= set(range(len(parts["k"])))
        largest = {d: max(parts[d]) for d in "mnk"}
        fold = passes * array[0] + array[1] + largest[t] - 2
        durations.append(folds(largest[rows], array[0]) * folds(largest[cols], array[1]) * fold)
        # What has to go after this step.
        go = 0
        if after is None or of(after, "mn") != outputs:
            width = bits["output" if step["k"][1] == dims["k"] else "accumulator"]
            go = area(outputs) * width
            dram["ofmap", "write"] += go
            sram["ofmap", "read"] += area(outputs) * len(holders["k"])
        taken.append(go)

    def time(moved):
        return math.ceil(Fraction(moved, 8) / bandwidth)

    total = time(brought[0]) + time(taken[-1])
    for index, duration in enumerate(durations):
        moved = sum(brought[index + 1 : index + 2]) + (taken[index - 1] if index else 0)
        total += max(duration, time(moved))
    return sum(durations) - offset, total, sram, dram
