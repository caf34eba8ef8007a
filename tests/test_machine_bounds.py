"""Bounds of boxes of machines: no schedule of a machine of a box beats them."""

import math

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import export

from airchitect_jax import Operator, OperatorKind
from airchitect_jax.cost import (
    CostTerm,
    Platform,
    VectorUnit,
    Widths,
    area_um2,
    machine_prices,
    network_cycles,
    operator_costs,
)
from airchitect_jax.cost.tiled import mapping_fits, tiled_costs, tiled_energy_fj
from airchitect_jax.oracle.machines import (
    Budgets,
    MachineObjective,
    Question,
    batched,
    batched_search,
    best_machine,
    run_of,
    value_of,
)
from airchitect_jax.oracle.machines.solver import Solver
from airchitect_jax.oracle.mappings.best import Weights, best_mapping, partitions
from airchitect_jax.spaces import HardwareSpace
from airchitect_jax.types import Gemm, Mapping, RuntimeModel
from airchitect_jax.workloads import GemmCounts

MOST_CORES, MOST_SIZES, MOST_DIM = 4, 3, 15  # the same for all, so that programs are shared
NUM_GEMMS = 2


# Their least is not at a corner of a box.
TERM = CostTerm(
    name="setup",
    cycles=lambda gemm, array, dataflow: gemm.n * int(dataflow) + 50 * (array.rows % 3),
    energy_fj=lambda gemm, array, dataflow: 40_000 * gemm.m * (array.cols % 4),
)


def ascending(low, high, most):
    return st.sets(st.integers(low, high), min_size=1, max_size=most).map(
        lambda x: tuple(sorted(x))
    )


@st.composite
def questions(draw, *, with_budgets=False):
    """Small questions of all kinds."""
    sizes = ascending(4, 300, MOST_SIZES)
    if draw(st.booleans()):
        memories = {"scratchpad_bytes": draw(sizes), "accumulator_bytes": draw(sizes)}
    else:
        memories = {f"{x}_sram_bytes": draw(sizes) for x in ("ifmap", "filter", "ofmap")}
    space = HardwareSpace(
        rows=draw(ascending(1, 9, 3)),
        cols=draw(ascending(1, 9, 3)),
        num_cores=(*draw(st.sampled_from(((), (1,), (1, 2), (2, 3)))), MOST_CORES),
        bandwidth_bytes_per_second=tuple(10**8 * x for x in draw(ascending(1, 200, 2))),
        **memories,
    )
    platform = Platform(
        hardware=space,
        runtime_model=draw(st.sampled_from(RuntimeModel)),
        widths=draw(st.sampled_from((Widths(), Widths(input_bits=16, weight_bits=4)))),
        terms=(TERM,) if draw(st.integers(0, 3)) == 0 else (),
        vector_unit=VectorUnit(lanes=2, overlapped=draw(st.booleans())),
    )
    dims = st.tuples(*3 * [st.integers(1, MOST_DIM)])
    gemms = draw(st.lists(dims, min_size=NUM_GEMMS, max_size=NUM_GEMMS, unique=True))
    operator = Operator(
        name="softmax",
        kind=OperatorKind.SOFTMAX,
        operations=draw(st.integers(1, 2000)),
        input_elements=10,
        output_elements=10,
    )
    budgets = {}
    if with_budgets:
        for name, low, high in (
            ("mac_budget", 4, 200),
            ("sram_budget_bytes", 100, 3000),
            ("area_budget_um2", 10_000, 1_000_000),
            ("power_budget_w", 1e-4, 0.05),
            ("latency_budget_s", 1e-7, 1e-5),
        ):
            if draw(st.integers(0, 3)) == 0:
                of = st.integers if isinstance(low, int) else st.floats
                budgets[name] = draw(of(low, high))
    return Question(
        platform=platform,
        gemms=GemmCounts(gemms=tuple(gemms), counts=tuple(draw(st.integers(1, 5)) for _ in gemms)),
        operators=((operator, draw(st.integers(1, 3))),) if draw(st.booleans()) else (),
        objective=draw(st.sampled_from(MachineObjective)),
        budgets=Budgets(**budgets),
    )


def corners(draw, question):
    """The corners of a box and one of its machines."""
    ends = []
    for values in question.platform.hardware.axes.values():
        low = draw(st.integers(0, len(values) - 1))
        high = draw(st.integers(low, len(values) - 1))
        ends.append((low, high, draw(st.integers(low, high))))
    return tuple(zip(*ends, strict=True))


def hardware_at(question, at):
    axes = question.platform.hardware.axes
    return question.platform.hardware_of(
        **{name: values[index] for (name, values), index in zip(axes.items(), at, strict=True)}
    )


def tile(draw, share, any_tile):
    """A tile, or the smallest with its number of trips, which the search knows."""
    size = draw(st.integers(1, share))
    return size if any_tile else -(-share // -(-share // size))


def mapping_of(draw, gemm, hardware, question, any_tile):
    """A mapping at random, or the best by some weights; None if none fits."""
    platform, prices = question.platform, machine_prices(hardware, question.platform)
    if draw(st.booleans()):
        weights = Weights(*draw(st.sampled_from(((1.0, 0.0), (0.0, 1.0), (3000.0, 1.0)))))
        prices = prices._replace(leakage_fj_per_cycle=0)
        try:
            return best_mapping(gemm, hardware, platform, weights, prices)[0]
        except ValueError:
            return None
    cores = draw(st.sampled_from(partitions(hardware.num_cores).tolist()))
    dims = gemm.m, gemm.n, gemm.k
    tiles = [tile(draw, -(-dim // parts), any_tile) for dim, parts in zip(dims, cores, strict=True)]
    mapping = Mapping(
        dataflow=int(draw(st.sampled_from(platform.dataflows))),
        order=draw(st.integers(0, 5)),
        **dict(zip(("cores_m", "cores_n", "cores_k"), cores, strict=True)),
        **dict(zip(("tile_m", "tile_n", "tile_k"), tiles, strict=True)),
    )
    return mapping if mapping_fits(mapping, hardware, platform) else None


def schedule(draw, question, at, any_tile=False):
    """Cycles and switching energy of a schedule over all runs; None if it does not fit."""
    hardware, platform = hardware_at(question, at), question.platform
    prices = machine_prices(hardware, platform)._replace(leakage_fj_per_cycle=0)
    cycles, energy = 0, 0
    for dims, runs in zip(question.gemms.gemms, question.gemms.counts, strict=True):
        gemm = Gemm(**dict(zip("mnk", dims, strict=True)))
        mapping = mapping_of(draw, gemm, hardware, question, any_tile)
        if mapping is None:
            return None
        costs = tiled_costs(gemm, mapping, hardware, platform)
        cycles += runs * costs.total_cycles
        energy += runs * tiled_energy_fj(gemm, costs, platform, prices)
    return cycles, energy


def is_relaxed(low, high):
    return low[:3] != high[:3]


@given(st.data())
@settings(max_examples=80)
def test_no_schedule_beats_the_floors_of_a_box(data):
    question = data.draw(questions())
    low, high, at = corners(data.draw, question)
    total = schedule(data.draw, question, at, any_tile=True)
    solver = Solver(question)
    boxes = batched.boxes_of(solver, [(low, high)], 1)
    floors = batched.screen(batched.work_of(solver), boxes)
    for weights, floor in (((1.0, 0.0), floors.cycles), ((0.0, 1.0), floors.energy_fj)):
        line = solver.solve(low, high, solver.parts.least(low, high), weights).line
        assert 0 < floor[0] <= line.least
        assert total is None or floor[0] <= np.dot(weights, total)


@pytest.mark.slow
@given(st.data())
@settings(max_examples=40)
def test_both_searches_have_the_same_lines_and_no_schedule_beats_them(data):
    question = data.draw(questions())
    low, high, at = corners(data.draw, question)
    if data.draw(st.booleans()):  # one array
        low, at = (*high[:3], *low[3:]), (*high[:3], *at[3:])
    weights = data.draw(st.sampled_from(((1.0, 0.0), (0.0, 1.0), (3000.0, 1.0))))
    total = schedule(data.draw, question, at, any_tile=is_relaxed(low, high))
    solver = Solver(question)
    solved = solver.solve(low, high, solver.parts.least(low, high), weights)
    found = batched_search.search_boxes(
        batched.work_of(solver),
        batched.boxes_of(solver, [(low, high)], MOST_SIZES),
        np.array([weights]),
        is_relaxed=is_relaxed(low, high),
    )[0]
    least = found[:, 0] @ solver.runs
    assert least == pytest.approx(solved.line.least, rel=1e-12)
    for value in (least, solved.line.least):
        assert total is None or value <= np.dot(weights, total) * (1 + 1e-12)


def run_value(question, at, total):
    """The value of a schedule on a machine; infinite beyond the budgets."""
    platform, budgets = question.platform, question.budgets
    hardware = hardware_at(question, at)
    area, prices = area_um2(hardware, platform).total_um2, machine_prices(hardware, platform)
    memories = hardware.num_cores * sum(vars(hardware.memory).values())
    for used, budget in (
        (hardware.rows * hardware.cols * hardware.num_cores, budgets.mac_budget),
        (memories, budgets.sram_budget_bytes),
        (area, budgets.area_budget_um2),
    ):
        if budget is not None and used > budget:
            return math.inf
    cycles, energy = total
    beside = 0
    for operator, runs in question.operators:
        costs = operator_costs(operator, hardware, platform, prices)
        beside += runs * costs.cycles
        energy += runs * costs.energy_fj
    busy = network_cycles(cycles, beside, platform.vector_unit)
    return value_of(question, run_of(question, busy, energy, prices.leakage_fj_per_cycle), area)


@given(st.data())
@settings(max_examples=30)
def test_no_schedule_beats_the_best_machine_or_the_box_that_holds_it(data):
    question = data.draw(questions(with_budgets=True))
    gap = data.draw(st.sampled_from((0.0, 0.0, 0.1)))
    best = best_machine(question, gap=gap)
    assert best.lower_bound <= best.cost
    ends = [len(values) - 1 for values in question.platform.hardware.axes.values()]
    for _ in range(4):
        at = tuple(data.draw(st.integers(0, end)) for end in ends)
        total = schedule(data.draw, question, at)
        if total is None:
            continue
        value = run_value(question, at, total)
        assert max(best.lower_bound, best.cost / (1 + gap)) <= value * (1 + 1e-9)
        held = [
            box
            for box in best.boxes
            if all(low <= one <= high for low, one, high in zip(box.low, at, box.high, strict=True))
        ]
        assert held
        for box in held:
            assert box.bound <= value * (1 + 1e-9)
            for line in box.lines:
                assert line.least <= np.dot(line[2:4], total) * (1 + 1e-9)


def example():
    """Examples of calls that are compiled."""
    question = Question(platform=Platform(), gemms=GemmCounts(gemms=((4, 5, 6),), counts=(1,)))
    solver = Solver(question)
    first = (0,) * len(solver.parts.values)
    return batched.work_of(solver), batched.boxes_of(solver, [(first, first)])


def test_accelerators_can_run_the_floors():
    with jax.enable_x64(True):
        program = export.export(batched.floors_of, platforms=["cuda", "tpu"])
        assert program(*example()).platforms == ("cuda", "tpu")


@pytest.mark.slow
@pytest.mark.parametrize("is_relaxed", [True, False])
def test_accelerators_can_run_the_search(is_relaxed):
    options = {"num_trips": (4, 4, 4), "is_relaxed": is_relaxed, "batch_size": None}
    with jax.enable_x64(True):
        program = export.export(batched_search.found_in, platforms=["cuda", "tpu"])
        assert program(*example(), np.ones((1, 2)), **options).platforms == ("cuda", "tpu")


@given(questions(), st.data())
@settings(max_examples=20)
def test_memories_of_many_boxes_are_those_of_each(question, data):
    parts = Solver(question).parts
    boxes = [corners(data.draw, question)[:2] for _ in range(3)]
    lows, highs = (np.array(x) for x in zip(*boxes, strict=True))
    for box, found in zip(boxes, parts.memories_of_boxes(lows, highs, MOST_SIZES), strict=True):
        alone = parts.memories(*box)
        assert (found[:, : alone.shape[1]] == alone).all()
        assert (found[:, alone.shape[1] :] == alone[:, -1:]).all()  # shorter rows repeat their last
