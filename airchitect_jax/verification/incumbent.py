"""The machine that a certificate names, and what it costs: whole numbers, exact."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from airchitect_jax._support import whole_number
from airchitect_jax.verification import mappings, tilings
from airchitect_jax.verification.certificate import Certificate
from airchitect_jax.verification.machines import Box, Space
from airchitect_jax.verification.mappings import DATAFLOWS, ORDERS, Machine

_EXACT = 2.0**53  # whole numbers below it are exact in float64


def cost_of(given: Certificate) -> Any:
    """The cost of the machine, with its mappings; infinite if none is named.

    Raises:
      ValueError: it is not in the space, a mapping is not possible, a budget is exceeded, or its
        figures are not those that are claimed.
    """
    claimed = given.incumbent
    if claimed is None:
        return math.inf
    try:
        return _cost_of(given, claimed)
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"incumbent: malformed: {type(error).__name__}: {error}") from None


def _cost_of(given: Certificate, claimed: dict[str, Any]) -> Any:
    space, rules = given.space, given.rules
    at = []
    for name, values in space.axes.items():
        if claimed["machine"][name] not in values:
            raise ValueError(f"incumbent: {name}: {claimed['machine'][name]} is not in the space")
        at.append(values.index(claimed["machine"][name]))
    box = tuple(at), tuple(at)
    figures, machine = space.figures(box), space.machine(box)
    if rules.exceeds_budgets(figures):
        raise ValueError("incumbent: the machine exceeds a budget of its parts or of power")
    cycles = energy = 0
    for place, (dims, runs, mapping) in enumerate(
        zip(given.dims, given.runs, claimed["mappings"], strict=True)
    ):
        try:
            costs = gemm_costs(space, box, machine, dims, mapping)
        except ValueError as error:
            raise ValueError(f"incumbent: mapping {place}: {error}") from None
        cycles, energy = cycles + runs * costs[0], energy + runs * costs[1]
    busy = int(rules.busy(cycles, figures.operator_cycles))
    switching = energy + figures.operator_fj
    total: float = busy
    if rules.most_fj_per_cycle < math.inf:
        spare = rules.most_fj_per_cycle - figures.leakage_fj
        total = max(total, switching / spare * (1 + 2.0**-50))  # never above the budget
    if total > rules.most_cycles:
        raise ValueError(f"incumbent: {total} cycles exceed the latency budget")
    energy_fj = switching + figures.leakage_fj * total
    cost = rules.value(total, energy_fj, figures.area_um2)
    for name, value in (
        ("array_cycles", cycles),
        ("operator_cycles", figures.operator_cycles),
        ("busy_cycles", busy),
        ("cycles", total),
        ("waiting_cycles", total - busy),
        ("energy_fj", energy_fj),
    ):
        if claimed[name] != value:
            raise ValueError(f"incumbent: {name}: {claimed[name]} is claimed; expected {value}")
    if float(claimed["cost"]) != float(cost):
        raise ValueError(f"incumbent: cost: {claimed['cost']} is claimed; expected {cost}")
    return cost


def gemm_costs(
    space: Space, box: Box, machine: Machine, dims: tuple[int, int, int], mapping: dict[str, Any]
) -> tuple[int, int]:
    """Cycles and energy (fJ, without leakage) of a GEMM on one machine.

    Raises:
      ValueError: the mapping is not possible on the machine.
    """
    flow, order = DATAFLOWS.index(mapping["dataflow"]), ORDERS.index(mapping["order"])
    if mapping["dataflow"] not in space.platform["dataflows"]:
        raise ValueError(f"the platform does not have the dataflow {mapping['dataflow']}")
    cores = [whole_number("cores", mapping[f"cores_{loop}"]) for loop in "mnk"]
    tiles = [whole_number("tile", mapping[f"tile_{loop}"]) for loop in "mnk"]
    if math.prod(cores) > space.at(box, "num_cores")[0]:
        raise ValueError(f"{math.prod(cores)} cores are more than the machine has")
    prices = mappings.prices_of(machine, *map(float, tiles))
    if sum(prices) == math.inf:
        raise ValueError("the tiles do not fit into the memories")
    rows, cols = space.at(box, "rows")[0], space.at(box, "cols")[0]
    m, n, k = (
        tilings.exact_row(dim, parts, tile, rows, cols)
        for dim, parts, tile in zip(dims, cores, tiles, strict=True)
    )
    found = mappings.events(machine, np.array(dims), flow, order, m, n, k)
    cycles = mappings.exact_cycles(machine, flow, order, m, n, k, np.empty((3, 3), np.int64))
    if max(*found, cycles) >= _EXACT:
        raise ValueError("its counts are too large to be checked")
    *accesses, num_bytes = map(int, found[1:])
    sides = machine.widths[:3].tolist()
    sram = sum(
        x * bits * int(price) for x, bits, price in zip(accesses, sides, prices, strict=True)
    )
    mac_fj, dram_fj = space.mac_fj, space.dram_fj
    return int(cycles), math.prod(dims) * mac_fj + -(-sram // 8) + num_bytes * dram_fj
