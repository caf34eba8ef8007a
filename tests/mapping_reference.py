"""All mappings of a GEMM with their costs, the slow way; random machines."""

import itertools
import math
import random

import numpy as np

from airchitect_jax.cost import (
    CostTerm,
    MachinePrices,
    Platform,
    Widths,
    mapping_fits,
    tiled_costs,
    tiled_energy_fj,
)
from airchitect_jax.types import BufferSizes, Dataflow, Gemm, Hardware, Mapping, Scratchpad

TERMS = (
    CostTerm(name="start", cycles=lambda gemm, array, flow: 5 * (1 + flow) + gemm.m),
    CostTerm(name="pipeline", energy_fj=lambda gemm, array, flow: 100 * array.rows * (2 - flow)),
)


def tiles(dim, cores, sides):
    """The tiles that the docstring of `best_mappings` names, the slow way."""
    share = -(-dim // cores)
    by_trips = {}
    for tile in range(1, share + 1):
        by_trips.setdefault(-(-share // tile), []).append(tile)

    def folds(tile, side):
        steps = [min(tile * cores, dim - start) for start in range(0, dim, tile * cores)]
        return sum(math.ceil(math.ceil(step / cores) / side) for step in steps)

    for options in by_trips.values():
        yield options[0]
        for side in set(sides):
            multiples = [tile for tile in options if tile % side == 0]
            if multiples and folds(multiples[0], side) < folds(options[0], side):
                yield multiples[0]


def all_mappings(dims, machine, platform):
    """Columns: dataflow, order, cores and tiles of m, n and k; those that fit, in the tie order."""
    numbers = range(1, machine.num_cores + 1)
    rows = set()
    for cores in itertools.product(numbers, repeat=3):
        if np.prod(cores) <= machine.num_cores:
            sides = (machine.rows, machine.cols)
            choices = [tiles(d, c, sides) for d, c in zip(dims, cores, strict=True)]
            flows = map(int, platform.dataflows)
            rows |= {
                (flow, order, *cores, *tile)
                for flow, order, tile in itertools.product(
                    flows, range(6), list(itertools.product(*choices))
                )
            }
    table = np.array(sorted(rows), np.int64).T
    return table[:, mapping_fits(as_mapping(table), machine, platform)]


def as_mapping(table):
    names = ["dataflow", "order", *(f"{x}_{d}" for x in ("cores", "tile") for d in "mnk")]
    return Mapping(**dict(zip(names, table, strict=True)))


def brute_force(dims, machine, platform, prices):
    """The mappings with their cycles and energies."""
    table = all_mappings(dims, machine, platform)
    gemm = Gemm(m=dims[0], n=dims[1], k=dims[2])
    costs = tiled_costs(gemm, as_mapping(table), machine, platform)
    return table, costs.total_cycles, tiled_energy_fj(gemm, costs, platform, prices)


def draw(seed):
    """A random machine, platform and prices."""
    r = random.Random(seed)
    widths = Widths(
        input_bits=r.choice([4, 8, 16]),
        weight_bits=r.choice([4, 8, 16]),
        accumulator_bits=r.choice([16, 32]),
        output_bits=r.choice([8, 16]),
    )

    def size():
        return r.choice([r.randint(20, 200), r.randint(20, 2000), 10**6])

    if r.random() < 0.5:
        memory = Scratchpad(scratchpad_bytes=size(), accumulator_bytes=size())
    else:
        memory = BufferSizes(
            ifmap_sram_bytes=size(), filter_sram_bytes=size(), ofmap_sram_bytes=size()
        )
    machine = Hardware(
        rows=r.choice([1, 3, 4, 8]),
        cols=r.choice([2, 4, 5, 16]),
        num_cores=r.choice([1, 1, 2, 3, 4]),
        memory=memory,
        bandwidth_bytes=r.choice([1, 2, 7, 64]),
        bandwidth_cycles=r.choice([1, 3]),
    )
    platform = Platform(
        widths=widths,
        dataflows=tuple(r.sample(list(Dataflow), r.randint(1, 3))),
        terms=r.choice([(), TERMS]),
    )
    prices = MachinePrices(
        *(r.randint(1, 500) for _ in range(4)), r.randint(1, 20000), 0, r.choice([0, 3000])
    )
    dims = [r.choice([r.randint(1, 8), r.randint(1, 30)]) for _ in range(3)]
    return dims, machine, platform, prices


def front_of(dims, machine, platform, prices):
    """(cycles, energy) of the mappings that no other dominates, in the order of cycles."""
    _, cycles, energy = brute_force(dims, machine, platform, prices)
    front, least = [], math.inf
    for point in sorted(set(zip(cycles.tolist(), energy.tolist(), strict=True))):
        if point[1] < least:
            front.append(point)
            least = point[1]
    return front


def sums_of_fronts(workload, machine, platform, prices, start=(0, 0)):
    """(cycles, energy) of all runs, of all schedules with mappings of the fronts."""
    sums = {start}
    for dims, runs in zip(workload.gemms, workload.counts, strict=True):
        front = front_of(dims, machine, platform, prices)
        sums = {(a + runs * c, b + runs * e) for a, b in sums for c, e in front}
    return sums
