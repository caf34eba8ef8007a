"""The model in plain Python integers, written anew from its definition, slow and obvious."""

import itertools
import math
from fractions import Fraction


def cycles(m, n, k, rows, cols, dataflow, runtime_model):
    """Stall-free cycles; dataflow "OS", "WS" or "IS"; model "scalesim" or "ispass2020"."""
    s_r, s_c, t = {"OS": (m, n, k), "WS": (k, n, m), "IS": (k, m, n)}[dataflow]
    folds = math.ceil(Fraction(s_r, rows)) * math.ceil(Fraction(s_c, cols))
    if runtime_model == "ispass2020":
        return folds * (2 * rows + cols + t - 2)
    if dataflow == "OS":
        return folds * (rows + cols + t - 2) - 1
    return folds * (2 * rows + cols + t - 2) - 1


def designs(max_mac_exponent=18):
    """(rows, cols, dataflow) in tie order: fewer MACs, then fewer rows, then OS, WS, IS."""
    sides = [2**exponent for exponent in range(1, max_mac_exponent)]
    return sorted(
        (
            (rows, cols, dataflow)
            for rows in sides
            for cols in sides
            for dataflow in ("OS", "WS", "IS")
            if rows * cols <= 2**max_mac_exponent
        ),
        key=lambda d: (d[0] * d[1], d[0], ("OS", "WS", "IS").index(d[2])),
    )


def best(mac_budget, m, n, k, runtime_model, max_mac_exponent=18):
    """(design id, cycles): the first of the cheapest feasible designs."""
    costs = [
        (cycles(m, n, k, rows, cols, dataflow, runtime_model), design_id)
        for design_id, (rows, cols, dataflow) in enumerate(designs(max_mac_exponent))
        if rows * cols <= mac_budget
    ]
    cost, design_id = min(costs)
    return design_id, cost


def memory(m, n, k, rows, cols, dataflow, srams, bandwidth, width, runtime_model, shared=True):
    """(total cycles, DRAM bytes by operand and direction) of the IDEAL model, fold by fold.

    `srams`: bytes of ifmap, filter, ofmap. Loops over the folds in order, and for each lists what
    the interface has to bring before it and to take after it.
    """
    s_r, s_c, t = {"OS": (m, n, k), "WS": (k, n, m), "IS": (k, m, n)}[dataflow]
    names = {"OS": ("ifmap", "filter"), "WS": ("ifmap", "ofmap"), "IS": ("filter", "ofmap")}
    swept, column = names[dataflow]
    half = {name: size // 2 for name, size in zip(("ifmap", "filter", "ofmap"), srams, strict=True)}
    folds = [
        (slice(c, min(c + cols, s_c)), slice(r, min(r + rows, s_r)))
        for c in range(0, s_c, cols)
        for r in range(0, s_r, rows)
    ]
    kept = min(s_r * t * width, half[swept])  # bytes of the swept operand that stay
    brought, taken = [], []
    for c, r in folds:
        bring = dict.fromkeys(("ifmap", "filter", "ofmap"), 0)
        take = dict.fromkeys(("ifmap", "filter", "ofmap"), 0)
        high, wide = r.stop - r.start, c.stop - c.start
        first_byte, last_byte = r.start * t * width, r.stop * t * width
        if c.start == 0:
            bring[swept] += last_byte - first_byte
        else:
            bring[swept] += max(0, last_byte - max(first_byte, kept))
        slab = wide * t * width
        beyond = max(0, slab - half[column])
        if dataflow == "OS":
            bring["filter"] += slab if r.start == 0 else beyond
            take["ofmap"] += high * wide * width
        else:
            stationary = "filter" if dataflow == "WS" else "ifmap"
            bring[stationary] += high * wide * width
            bring["ofmap"] += 0 if r.start == 0 else beyond
            take["ofmap"] += slab if r.stop == s_r else beyond
        brought.append(bring)
        taken.append(take)

    def time(*loads):
        by_operand = [sum(load[name] for load in loads) for name in ("ifmap", "filter", "ofmap")]
        return Fraction(sum(by_operand) if shared else max(by_operand), bandwidth)

    passes = 1 if dataflow == "OS" and runtime_model == "scalesim" else 2
    fold = passes * rows + cols + t - 2
    total = time(brought[0])
    for this, coming in zip(taken, [*brought[1:], {}], strict=True):
        total += max(fold, time(this, coming) if coming else time(this))
    traffic = {
        f"{name}_{way}": sum(load[name] for load in loads)
        for way, loads in (("read", brought), ("write", taken))
        for name in ("ifmap", "filter", "ofmap")
    }
    return math.ceil(total), traffic


def energy(m, n, k, rows, cols, dataflow, srams, moved, width):
    """Femtojoules by Horowitz's table: MACs, SRAM accesses by size, DRAM traffic.

    `moved`: the traffic from `memory`. What the array reads and writes is counted here: the swept
    operand once a column fold, the column operand once a row fold, the other once; outputs that
    are accumulated over row folds are written each time and read each time but the first.
    """
    s_r, s_c = {"OS": (m, n), "WS": (k, n), "IS": (k, m)}[dataflow]
    row_folds, col_folds = math.ceil(Fraction(s_r, rows)), math.ceil(Fraction(s_c, cols))
    if dataflow == "OS":
        array = {"ifmap": m * k * col_folds, "filter": k * n * row_folds, "ofmap": m * n}
    elif dataflow == "WS":
        array = {"ifmap": m * k * col_folds, "filter": k * n, "ofmap": m * n * (2 * row_folds - 1)}
    else:
        array = {"ifmap": m * k, "filter": k * n * col_folds, "ofmap": m * n * (2 * row_folds - 1)}
    total = 230 * m * n * k + 162_500 * sum(moved.values())
    for name, size in zip(("ifmap", "filter", "ofmap"), srams, strict=True):
        with_dram = moved[f"{name}_read"] // width + moved[f"{name}_write"] // width
        price = round(10_000 / 8 * (size / 8192) ** (math.log(10) / math.log(128)))
        total += (array[name] + with_dram) * width * price
    return total


def schedules(num_arrays):
    """(workload of each array, dataflow of each array) in the order of the ids."""
    flows = list(itertools.product(("OS", "WS", "IS"), repeat=num_arrays))
    return [(order, flow) for order in itertools.permutations(range(num_arrays)) for flow in flows]


def best_schedule(workloads, arrays, runtime_model):
    """(design id, makespan): least makespan, then least sum, then lowest id, of all designs.

    `workloads`: (m, n, k) each; `arrays`: (rows, cols) each.
    """
    table = {
        (w, a, flow): cycles(*workloads[w], *arrays[a], flow, runtime_model)
        for w in range(len(workloads))
        for a in range(len(arrays))
        for flow in ("OS", "WS", "IS")
    }
    best = None
    for design_id, (order, flows) in enumerate(schedules(len(arrays))):
        each = [table[w, a, flow] for a, (w, flow) in enumerate(zip(order, flows, strict=True))]
        rank = (max(each), sum(each), design_id)
        best = rank if best is None else min(best, rank)
    return best[2], best[0]
