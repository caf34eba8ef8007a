"""The best mappings: brute force, properties, networks, limits."""

import dataclasses
import itertools
import types

import jax
import numpy as np
import pytest
from mapping_reference import TERMS, all_mappings, as_mapping, brute_force, draw, sums_of_fronts

from airchitect_jax._support import compiled
from airchitect_jax.cost import (
    MachinePrices,
    Platform,
    mapping_fits,
    objective_value,
    tiled_costs,
    tiled_energy_fj,
)
from airchitect_jax.cost.arithmetic import ceil_div, floor_div, larger, pick, smaller
from airchitect_jax.oracle.mappings import (
    Weights,
    best_mapping,
    best_mappings,
    compulsory,
    network_optimum,
)
from airchitect_jax.oracle.mappings.text import kernel
from airchitect_jax.types import (
    BufferSizes,
    Dataflow,
    Gemm,
    Hardware,
    Objective,
)
from airchitect_jax.workloads import GemmCounts

OBJECTIVES = [*Objective, Weights(1000.0, 0.5)]


def values(objective, cycles, energy):
    if isinstance(objective, Weights):
        return objective.cycles * cycles + objective.energy * energy
    return objective_value(objective, cycles, energy)


def check_against_brute_force(seed):
    dims, machine, platform, prices = draw(seed)
    table, cycles, energy = brute_force(dims, machine, platform, prices)
    gemm = Gemm(m=dims[0], n=dims[1], k=dims[2])
    for objective in OBJECTIVES:
        if not table.size:
            with pytest.raises(ValueError, match="not even a tile of one element"):
                best_mapping(gemm, machine, platform, objective, prices)
            continue
        found = best_mapping(gemm, machine, platform, objective, prices)
        rank = np.lexsort((energy, cycles, values(objective, cycles, energy)))  # stable
        mapping = jax.tree.map(int, as_mapping(table[:, rank[0]]))
        assert found == (mapping, cycles[rank[0]], energy[rank[0]])


@pytest.mark.parametrize("seed", range(12))
def test_equals_brute_force(seed):
    check_against_brute_force(seed)


@pytest.mark.slow
def test_equals_brute_force_often():
    for seed in range(100, 300):
        check_against_brute_force(seed)


MACHINE = Hardware(
    rows=8,
    cols=8,
    num_cores=1,
    memory=BufferSizes(ifmap_sram_bytes=512, filter_sram_bytes=512, ofmap_sram_bytes=1024),
    bandwidth_bytes=4,
    bandwidth_cycles=1,
)
PRICES = MachinePrices(230, 1250, 1300, 1400, 20_000, 0, 5000)
WORKLOAD = GemmCounts(gemms=((9, 14, 20), (30, 5, 16), (1, 24, 12)), counts=(3, 1, 4))


def test_a_batch_is_each_gemm_by_itself():
    m, n, k = np.array(WORKLOAD.gemms).T
    together = best_mappings(Gemm(m=m, n=n, k=k), MACHINE, Platform(), Objective.EDP, PRICES)
    for row, (m, n, k) in enumerate(WORKLOAD.gemms):
        alone = best_mapping(Gemm(m=m, n=n, k=k), MACHINE, Platform(), Objective.EDP, PRICES)
        assert together.at(row) == alone


@pytest.mark.parametrize("extra", [(0, 0), (5000, 0), (0, 10**9)])
@pytest.mark.parametrize("objective", Objective)
def test_a_network_equals_brute_force(objective, extra):
    """Over all sums of one mapping per GEMM that is not worse than another in both costs."""
    sums = sums_of_fronts(WORKLOAD, MACHINE, Platform(), PRICES, extra)
    found = network_optimum(WORKLOAD, MACHINE, Platform(), objective, PRICES, *extra)
    key = {
        Objective.CYCLES: lambda point: (point[0], point[1]),
        Objective.ENERGY: lambda point: (point[1], point[0]),
        Objective.EDP: lambda point: (point[0] * point[1], point[0]),
    }[objective]
    assert (found.total_cycles, found.energy_fj) == min(sums, key=key)
    assert found.product == found.total_cycles * found.energy_fj
    layers = zip(WORKLOAD.counts, found.layers.total_cycles.tolist(), strict=True)
    assert found.total_cycles == extra[0] + sum(count * cycles for count, cycles in layers)


def test_what_is_found_costs_what_the_model_says():
    gemm = Gemm(m=3136, n=256, k=576)
    sizes = BufferSizes(ifmap_sram_bytes=2**17, filter_sram_bytes=2**17, ofmap_sram_bytes=2**17)
    machine = dataclasses.replace(MACHINE, rows=64, cols=64, memory=sizes, num_cores=4)
    platform = Platform(terms=TERMS)
    for objective in OBJECTIVES:
        mapping, cycles, energy = best_mapping(gemm, machine, platform, objective, PRICES)
        assert mapping_fits(mapping, machine, platform)
        costs = tiled_costs(gemm, mapping, machine, platform)
        assert costs.total_cycles == cycles
        assert tiled_energy_fj(gemm, costs, platform, PRICES) == energy


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_below_what_is_compulsory(seed):
    dims, machine, platform, _ = draw(seed)
    gemm = Gemm(m=dims[0], n=dims[1], k=dims[2])
    least = compulsory(gemm, machine, platform)
    table = all_mappings(dims, machine, platform)
    costs = tiled_costs(gemm, as_mapping(table), machine, platform)
    # The compute cycles of the reports leave the last one out.
    assert (costs.compute_cycles + 1 >= least.compute_cycles).all()
    assert (costs.total_cycles >= least.cycles).all()
    assert (costs.traffic.dram_bytes >= least.dram_bytes).all()


def test_compulsory_by_hand():
    # Two of four cores along m and two along n: 8 x 8 outputs each, one fold of 8 + 8 + 10 - 2.
    machine = dataclasses.replace(MACHINE, num_cores=4)
    least = compulsory(Gemm(m=16, n=16, k=10), machine, Platform(dataflows=(Dataflow.OS,)))
    assert least.compute_cycles == 24
    assert least.dram_bytes == 160 + 160 + 256
    assert least.cycles == (160 + 160 + 256) // 4


def test_energy_is_exact_beyond_float64():
    gemm, prices = Gemm(m=4000, n=3001, k=1001), PRICES._replace(mac_fj=2**24 + 1)
    mapping, cycles, energy = best_mapping(gemm, MACHINE, Platform(), Objective.ENERGY, prices)
    costs = tiled_costs(gemm, mapping, MACHINE, Platform())
    assert energy == tiled_energy_fj(gemm, costs, Platform(), prices) > 2**53
    assert cycles == costs.total_cycles


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gemm": Gemm(m=0, n=1, k=1)}, "m: 0 at row 0 is not allowed"),
        ({"gemm": Gemm(m=2**31 - 1, n=2**31 - 1, k=2**10)}, "limited to 2"),
        ({"hardware": dataclasses.replace(MACHINE, rows=0)}, "rows: 0 is not allowed"),
        ({"objective": "area"}, "objective: 'area' is not allowed"),
        ({"objective": Weights(0, 0)}, "two weights of zero"),
        ({"objective": Weights(-1, 0)}, "cycles: -1 is not allowed"),
        ({"prices": PRICES._replace(mac_fj=-1)}, "prices: mac_fj: -1 is not allowed"),
        (
            {"prices": PRICES._replace(mac_fj=2**39), "gemm": Gemm(m=999, n=999, k=999)},
            "limited to 2",
        ),
    ],
)
def test_wrong_arguments_are_named(changes, message):
    given = {
        "gemm": Gemm(m=4, n=4, k=4),
        "hardware": MACHINE,
        "platform": Platform(),
        "objective": Objective.ENERGY,
        "prices": PRICES,
        **changes,
    }
    with pytest.raises(ValueError, match=message):
        best_mapping(**given)


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
def test_compiled_equations_are_those_of_python(dtype):
    def equations(x, pair):
        a, b = pair
        return (
            (ceil_div(x, b), floor_div(-x, b), larger(x, a), smaller(x, a)),
            (pick(1, x, b), 3 - x + 2 * a, (x > a) & (x <= 9), (x < a) & (1 * a < 9), 7),
        )

    run = kernel(equations, 0, (0, 0))

    @compiled
    def call(x, pair, out):
        run((x, pair), out)

    out = np.empty(9, dtype)
    for x, a, b in itertools.product((0, 1, 8, 9, 10), (0, 5, 9), (1, 3, 7)):
        call(np.array([x]), np.array([a, b]), out)
        assert out.tolist() == jax.tree.leaves(equations(x, (a, b)))


def test_no_gemms_have_no_mappings():
    none = np.empty(0, np.int64)
    found = best_mappings(
        Gemm(m=none, n=none, k=none), MACHINE, Platform(), Objective.CYCLES, PRICES
    )
    assert found.total_cycles.shape == (0,)


def test_compiled_code_is_kept_under_the_checksum_of_the_equations(tmp_path):
    path = tmp_path / "equations.py"
    module = types.ModuleType("equations")
    module.__file__ = str(path)

    def name_with(text):
        path.write_text(text)

        def function(x):
            return x

        return compiled(function, reads=(module,)).__qualname__

    assert name_with("a = 1") == name_with("a = 1") != name_with("a = 2")
