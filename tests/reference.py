"""The model in plain Python integers, written anew from its definition, slow and obvious."""

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
