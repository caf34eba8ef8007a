"""The best schedules by values that rise with cycles and energy: brute force, limits, sums."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapping_reference import draw, front_of, sums_of_fronts

from airchitect_jax.cost import MachinePrices, Platform
from airchitect_jax.oracle.mappings import (
    Weights,
    best_schedule,
    fronts,
    network_optimum,
    schedules,
)
from airchitect_jax.types import BufferSizes, Hardware, Objective
from airchitect_jax.workloads import GemmCounts, load_network

MACHINE = Hardware(
    rows=8,
    cols=8,
    num_cores=2,
    memory=BufferSizes(ifmap_sram_bytes=128, filter_sram_bytes=128, ofmap_sram_bytes=256),
    bandwidth_bytes=4,
    bandwidth_cycles=1,
)
PRICES = MachinePrices(230, 1250, 1300, 1400, 20_000, 0, 0)
WORKLOAD = GemmCounts(gemms=((11, 24, 12), (24, 24, 24), (30, 5, 16)), counts=(3, 2, 5))
QUESTION = WORKLOAD, MACHINE, Platform(), PRICES
OBJECTIVES = {
    "latency": lambda cycles, energy_fj: cycles,
    "energy": lambda cycles, energy_fj: energy_fj,
    "edp": lambda cycles, energy_fj: cycles * energy_fj,
    "throughput_per_area": lambda cycles, energy_fj: cycles * 77,
}


def value_of(objective, operators, is_overlapped, leakage, power, limit):
    """A value with operators, a power budget in femtojoules per cycle and a limit of cycles."""
    more_cycles, more_energy = operators

    def value(cycles, energy_fj):
        cycles = max(cycles, more_cycles) if is_overlapped else cycles + more_cycles
        energy_fj += more_energy
        if power < math.inf:
            cycles = max(cycles, math.ceil(energy_fj / (power - leakage)))
        if cycles > limit:
            return math.inf
        return OBJECTIVES[objective](cycles, energy_fj + leakage * cycles)

    return value


@st.composite
def cases(pick):
    """A workload on a machine with all of its sums, and a value."""
    dims, machine, platform, prices = draw(pick(st.integers(0, 10**6)))
    prices = prices._replace(leakage_fj_per_cycle=0)
    sides = st.tuples(*3 * [st.integers(1, 20)])
    gemms = (tuple(dims), *pick(st.lists(sides, max_size=2)))
    workload = GemmCounts.of(gemms, pick(st.tuples(*len(gemms) * [st.integers(1, 6)])))
    sums = sums_of_fronts(workload, machine, platform, prices)
    if not sums:
        return None
    cycles, energy = ([min(column), max(column)] for column in zip(*sums, strict=True))
    operators = pick(
        st.sampled_from([(0, 0), (cycles[0] // 3, energy[0] // 2), (sum(cycles) // 2, energy[1])])
    )
    leakage = pick(st.sampled_from([0, 700, 10 * energy[0] // cycles[0]]))
    draws = (energy[0] + operators[1]) / pick(st.integers(cycles[0], 2 * cycles[1]))
    value = value_of(
        pick(st.sampled_from(sorted(OBJECTIVES))),
        operators,
        pick(st.booleans()),
        leakage,
        pick(st.sampled_from([math.inf, leakage + draws])),
        pick(st.sampled_from([math.inf, 1])) * pick(st.integers(cycles[0], sum(cycles))),
    )
    return (workload, machine, platform, prices), sums, value


def check(case, first_sums):
    if case is None:
        return
    question, sums, value = case
    best = min((value(*totals), *totals) for totals in sums)
    for known in (math.inf, best[0] + 1, best[0]):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(schedules, "_SUMS", first_sums)
            found = best_schedule(*question, value, known)
        if best[0] == known:
            assert found is None
            continue
        assert (found.total_cycles, found.energy_fj) == best[1:]
        pairs = zip(question[0].counts, found.layers.energy_fj.tolist(), strict=True)
        assert sum(runs * energy_fj for runs, energy_fj in pairs) == found.energy_fj


@settings(max_examples=25)
@given(cases())
def test_equals_brute_force(case):
    check(case, schedules._SUMS)


@settings(max_examples=15)
@given(cases())
def test_what_is_left_out_at_first_is_found_later(case):
    check(case, 2)


@pytest.mark.slow
@settings(max_examples=300)
@given(cases(), st.sampled_from([1, 8, 1000]))
def test_equals_brute_force_often(case, first_sums):
    check(case, first_sums)


@pytest.fixture(scope="module")
def all_sums():
    return sums_of_fronts(*QUESTION)


def within(limit):
    return lambda cycles, energy_fj: energy_fj if cycles <= limit else math.inf


def test_the_best_within_a_limit_is_inside_the_hull(all_sums):
    inside = 0
    for limit, _ in all_sums:
        found = best_schedule(*QUESTION, within(limit))
        at, energy_fj = found.total_cycles, found.energy_fj
        assert energy_fj == min(y for x, y in all_sums if x <= limit)
        # A line between two others passes below it, so no weights of both lead there.
        inside += any(
            (energy_fj - y) * (v - x) > (w - y) * (at - x)
            for x, y in all_sums
            for v, w in all_sums
            if x < at < v
        )
    assert inside > 5


def test_nothing_is_found_where_nothing_is_allowed(all_sums):
    assert best_schedule(*QUESTION, lambda cycles, energy_fj: math.inf) is None
    fewest = min(cycles for cycles, _ in all_sums)
    assert best_schedule(*QUESTION, within(fewest - 1)) is None
    assert best_schedule(*QUESTION, within(fewest)).total_cycles == fewest


def test_runs_beyond_64_bits(all_sums):
    many = GemmCounts(gemms=WORKLOAD.gemms, counts=[2**70 * runs for runs in WORKLOAD.counts])
    for limit, _ in sorted(all_sums)[::5]:
        few = best_schedule(*QUESTION, within(limit))
        found = best_schedule(many, *QUESTION[1:], within(limit << 70))
        assert found.total_cycles == few.total_cycles << 70
        assert found.energy_fj == few.energy_fj << 70


@pytest.mark.parametrize("rows", [1, 64])
@pytest.mark.parametrize("share", [0.0, 0.02, 100.0])
def test_a_front_equals_brute_force(monkeypatch, rows, share):
    monkeypatch.setattr(fronts, "_ROWS", rows)
    machine = fronts.Machine(
        **dict(zip(("workload", "hardware", "platform", "prices"), QUESTION, strict=True))
    )
    for row, dims in enumerate(WORKLOAD.gemms):
        front = front_of(dims, MACHINE, Platform(), PRICES)
        weights = Weights(float(front[0][1] - front[-1][1] + 1), float(front[-1][0]))
        values = [weights.cycles * x + weights.energy * y for x, y in front]
        cutoff = min(values) * (1 + share)
        found = machine.front(row, weights, cutoff)
        pairs = zip(found.total_cycles.tolist(), found.energy_fj.tolist(), strict=True)
        expected = [one for one, value in zip(front, values, strict=True) if value <= cutoff]
        assert sorted(pairs) == expected


def test_sums_by_hand():
    # Two runs of a GEMM with three mappings, of which (3, 9) is above the line of the others, and
    # one run of a GEMM with two.
    costs = [np.array([[0, 3, 4], [10, 9, 0]]), np.array([[0, 2], [5, 0]])]
    every = fronts.sums_of(costs, (2, 1), [(100, 100)], 1000)
    # (6, 23), (6, 18 + 5) and (8, 18) are dominated by others.
    assert list(zip(every.cycles, every.energy_fj, strict=True)) == [
        (0, 25),
        (2, 20),
        (8, 5),
        (10, 0),
    ]
    assert every.choices.tolist() == [[0, 0], [0, 1], [2, 0], [2, 1]]
    below = fronts.sums_of(costs, (2, 1), [(7, 19), (8, 24)], 1000)
    assert below.cycles.tolist() == [2, 8]
    assert below.is_whole
    assert not fronts.sums_of(costs, (2, 1), [(100, 100)], 1).is_whole
    assert fronts.sums_of(costs, (2, 1), [(7, 19)], 1000).cycles.size == 0


@pytest.mark.parametrize("name", ["mobilenet_v2", "bert_base"])
def test_no_weights_beat_the_schedule_of_a_network(name):
    """With a limit halfway between the fastest and the thriftiest."""
    workload = GemmCounts.of_layers(load_network(name).layers)
    sizes = BufferSizes(ifmap_sram_bytes=2**17, filter_sram_bytes=2**17, ofmap_sram_bytes=2**17)
    machine = Hardware(
        rows=32, cols=64, num_cores=2, memory=sizes, bandwidth_bytes=16, bandwidth_cycles=1
    )

    def optimum(objective):
        return network_optimum(workload, machine, Platform(), objective, PRICES)

    ends = optimum(Objective.CYCLES), optimum(Objective.ENERGY)
    limit = sum(one.total_cycles for one in ends) // 2
    found = best_schedule(workload, machine, Platform(), PRICES, within(limit))
    assert found.total_cycles <= limit
    tried = [optimum(Weights(10.0**power, 1.0)) for power in np.arange(2, 8, 0.25)]
    thrifty = [one.energy_fj for one in tried if one.total_cycles <= limit]
    assert found.energy_fj <= min(thrifty)
    # The line through two neighbours on the hull bounds it from below.
    for one, power in zip(tried, np.arange(2, 8, 0.25), strict=True):
        bound = 10.0**power * one.total_cycles + one.energy_fj
        assert 10.0**power * found.total_cycles + found.energy_fj >= bound * (1 - 1e-12)
