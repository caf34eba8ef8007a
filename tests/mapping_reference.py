"""All mappings of a GEMM on a machine, listed one by one, slow and obvious."""

import itertools
import math

import numpy as np

from airchitect_jax.cost import mapping_fits, tiled_costs, tiled_energy_fj
from airchitect_jax.types import Gemm, Mapping


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
