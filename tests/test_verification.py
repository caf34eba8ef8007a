"""The costs and bounds of the checker of certificates, against those of the cost model."""

import contextlib
import dataclasses
import functools
import itertools
import math
import random

import numpy as np
import pytest
import scripts
from certified import GEMMS, LITTLE, SOFTMAX, SPACE, content_of
from hypothesis import given, settings
from hypothesis import strategies as st

from airchitect_jax.cost import (
    area_um2,
    machine_prices,
    mapping_fits,
    operator_costs,
    platform_names,
    read_platform,
    tiled_costs,
    tiled_energy_fj,
)
from airchitect_jax.oracle.machines import (
    Question,
)
from airchitect_jax.oracle.mappings import Weights, best_mapping
from airchitect_jax.spaces import HardwareSpace
from airchitect_jax.types import Dataflow, Gemm, LoopOrder, Mapping
from airchitect_jax.verification import parse_certificate
from airchitect_jax.verification.check import _Mappings
from airchitect_jax.verification.cover import uncovered
from airchitect_jax.verification.incumbent import gemm_costs
from airchitect_jax.verification.machines import Figures
from airchitect_jax.verification.mappings import DATAFLOWS, ORDERS
from airchitect_jax.verification.schedules import least_below
from airchitect_jax.verification.tilings import TILE, tree
from airchitect_jax.verification.values import Rules
from airchitect_jax.workloads import GemmCounts


def empty(platform, gemms=GEMMS, operators=((SOFTMAX, 3),)):
    """A certificate that claims nothing."""
    asked = Question(platform=platform, gemms=gemms, operators=operators)
    claims = {"incumbent": None, "lower_bound": 0, "gap": None, "lines": [], "boxes": []}

    class Nothing:
        machine = totals = None
        cost, lower_bound, boxes, certified_gap = math.inf, 0.0, (), math.inf

    return parse_certificate(content_of(asked, Nothing) | claims)


def a_machine(platform, seed):
    """Indices of a machine of a platform, and the machine."""
    draw = random.Random(seed)
    at = tuple(draw.randrange(len(values)) for values in platform.hardware.axes.values())
    axes = zip(platform.hardware.axes.items(), at, strict=True)
    return (at, at), platform.hardware_of(**{name: values[i] for (name, values), i in axes})


def open_space(platform):
    """More machines than a packaged platform has."""
    axes = platform.hardware.axes
    return dataclasses.replace(
        platform,
        hardware=HardwareSpace(
            **{
                name: sorted({*values, max(values[0] * 3 // 4, 1), values[-1] * 2 + 1})
                for name, values in axes.items()
                if name not in ("rows", "cols")
            },
            rows=sorted({*axes["rows"][:2], 7, 100}),
            cols=sorted({*axes["cols"][:2], 9, 130}),
        ),
    )


@pytest.mark.parametrize("name", platform_names())
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_machines_cost_what_the_model_says(name, seed):
    platform = open_space(read_platform(name))
    space = empty(platform).space
    box, machine = a_machine(platform, seed)
    prices, figures = machine_prices(machine, platform), space.figures(box)
    operators = operator_costs(SOFTMAX, machine, platform, prices)
    assert figures == Figures(
        area_um2=area_um2(machine, platform).total_um2,
        leakage_fj=prices.leakage_fj_per_cycle,
        num_macs=machine.rows * machine.cols * machine.num_cores,
        sram_bytes=machine.num_cores * sum(vars(machine.memory).values()),
        operator_cycles=3 * operators.cycles,
        operator_fj=3 * operators.energy_fj,
    )
    assert space.machine(box).prices[:, 0].tolist() == list(prices[1:4])


@pytest.mark.parametrize("name", platform_names())
@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_mappings_cost_what_the_model_says(name, seed):
    draw = random.Random(seed)
    platform = dataclasses.replace(open_space(read_platform(name)), dataflows=tuple(Dataflow))
    box, machine = a_machine(platform, seed)
    dims = [int(2 ** draw.uniform(0, 9)) for _ in range(3)]
    cores = [draw.randint(1, 3) for _ in range(3)]
    tiles = [draw.randint(1, 2 * dim) for dim in dims]
    flow, order = draw.choice(list(Dataflow)), draw.choice(list(LoopOrder))
    fields = dict(zip(("cores_m", "cores_n", "cores_k"), cores, strict=True))
    fields |= dict(zip(("tile_m", "tile_n", "tile_k"), tiles, strict=True))
    mapping = Mapping(dataflow=flow, order=order, **fields)
    space = empty(platform).space
    named = {"dataflow": flow.name, "order": order.name, **fields}
    if not mapping_fits(mapping, machine, platform):
        with pytest.raises(ValueError, match=r"do not fit|more than the machine has"):
            gemm_costs(space, box, space.machine(box), dims, named)
        return
    gemm = Gemm(**dict(zip("mnk", dims, strict=True)))
    costs = tiled_costs(gemm, mapping, machine, platform)
    prices = machine_prices(machine, platform)._replace(leakage_fj_per_cycle=0)
    energy = tiled_energy_fj(gemm, costs, platform, prices)
    found = gemm_costs(space, box, space.machine(box), dims, named)
    assert found == (costs.total_cycles, energy)


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_lines_of_boxes_are_below_all_machines_in_them(seed):
    """And, for one machine, as high as its best mapping."""
    draw = random.Random(seed)
    dims = tuple(int(2 ** draw.uniform(0, 8)) for _ in range(3))
    given_ = empty(LITTLE, GemmCounts(gemms=(dims,), counts=(1,)), ())
    point, machine = a_machine(LITTLE, seed)
    sizes = [len(values) for values in SPACE.axes.values()]
    low = tuple(draw.randint(0, at) for at in point[0])
    high = tuple(draw.randint(at, size - 1) for at, size in zip(point[0], sizes, strict=True))
    weights = draw.choice([(1.0, 0.0), (0.0, 1.0), (1.0, 1e-4), (1e5, 1.0)])
    prices = machine_prices(machine, LITTLE)._replace(leakage_fj_per_cycle=0)
    gemm = Gemm(**dict(zip("mnk", dims, strict=True)))
    _, cycles, energy = best_mapping(gemm, machine, LITTLE, Weights(*weights), prices)
    value = weights[0] * cycles + weights[1] * energy
    assert least_of(given_, point, weights) == pytest.approx(value, rel=1e-12)
    assert least_of(given_, (low, high), weights) <= value * (1 + 1e-12)


def least_of(given_, box, weights):
    checker = _Mappings(given_, box)
    return checker.least(given_.space.machine(box), np.array(weights))


TINY_GEMMS = GemmCounts(gemms=((4, 3, 5), (2, 5, 3)), counts=(1, 3))
TINY = dataclasses.replace(
    LITTLE,
    hardware=HardwareSpace(
        rows=(2,),
        cols=(2, 3),
        num_cores=(1, 2),
        ifmap_sram_bytes=(32, 64),
        filter_sram_bytes=(32,),
        ofmap_sram_bytes=(64,),
        bandwidth_bytes_per_second=(2 * 10**9, 10**10),
    ),
)


@functools.cache
def all_schedules(seed):
    """A small machine with its mappings, and the cycles and energy of all schedules."""
    asked = empty(TINY, TINY_GEMMS)
    box, _ = a_machine(TINY, seed)
    machine, most = asked.space.machine(box), asked.space.at(box, "num_cores")[0]
    edges = asked.space.at(box, "rows")[0], asked.space.at(box, "cols")[0]
    sums = {(0, 0)}
    for dims, runs in zip(asked.dims, asked.runs, strict=True):
        costs = set()
        for cores in itertools.product(range(1, most + 1), repeat=3):
            if math.prod(cores) > most:
                continue
            trees = (tree(*x, edges, edges) for x in zip(dims, cores, strict=True))
            tiles = [{x for x in one[len(one) // 2 :, TILE] if x < math.inf} for one in trees]
            for flow, order, *each in itertools.product(DATAFLOWS, ORDERS, *tiles):
                mapping = {"dataflow": flow, "order": order}
                mapping |= {f"cores_{x}": y for x, y in zip("mnk", cores, strict=True)}
                mapping |= {f"tile_{x}": int(y) for x, y in zip("mnk", each, strict=True)}
                with contextlib.suppress(ValueError):  # it does not fit
                    costs.add(gemm_costs(asked.space, box, machine, dims, mapping))
        sums = {(t + runs * c, d + runs * e) for t, d in sums for c, e in costs}
    return asked, box, np.array(sorted(sums), float)


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 2**32), overlapped=st.booleans())
def test_schedules_below_a_bound(seed, overlapped):
    """Against the values of all schedules of small machines."""
    draw = random.Random(seed)
    asked, box, sums = all_schedules(draw.randrange(3))
    (fewest, least), (most, _) = sums.min(axis=0), min(sums.tolist(), key=lambda x: x[::-1])
    figures = dataclasses.replace(
        asked.space.figures(box),
        leakage_fj=draw.choice([0, round(least / most / 2)]),
        operator_cycles=draw.randint(0, round(most)),
    )
    beside = 0 if overlapped else figures.operator_cycles
    cycles = draw.uniform(fewest, most) + beside
    power = figures.leakage_fj + (least + figures.operator_fj) * draw.uniform(0.9, 1.3) / cycles
    rules = Rules(
        objective=draw.choice(["latency", "energy", "edp", "throughput_per_area"]),
        budgets={
            **dict.fromkeys(("mac_budget", "sram_budget_bytes", "area_budget_um2")),
            "power_budget_w": draw.choice([None, power * 1e-15]),
            "latency_budget_s": draw.choice([None, cycles]),
        },
        clock_hz=1,
        overlapped=overlapped,
    )
    values = rules.cost(figures, *sums.T)

    def found(bound):
        machine = asked.space.machine(box)
        choices = _Mappings(asked, box).choices
        return least_below(rules, figures, machine, choices, asked.runs, bound)

    best = values.min()
    assert found(best * (1 - 1e-9)) == math.inf
    if best < math.inf:
        assert found(best * (1 + 1e-9)) == pytest.approx(best, rel=2e-9)
        assert found(math.inf) in values


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), overlapped=st.booleans())
def test_least_value_above_lines(seed, overlapped):
    """Against values on a fine grid above the lines."""
    draw = random.Random(seed)
    figures = Figures(
        area_um2=draw.randint(1, 9),
        leakage_fj=draw.randint(0, 3),
        num_macs=1,
        sram_bytes=1,
        operator_cycles=draw.randint(0, 60),
        operator_fj=draw.randint(0, 60),
    )
    rules = Rules(
        objective=draw.choice(["latency", "energy", "edp", "throughput_per_area"]),
        budgets={
            **dict.fromkeys(("mac_budget", "sram_budget_bytes", "area_budget_um2")),
            "power_budget_w": draw.choice([None, draw.uniform(4e-15, 9e-15)]),
            "latency_budget_s": draw.choice([None, draw.uniform(50, 200)]),
        },
        clock_hz=1,
        overlapped=overlapped,
    )
    lines = [(draw.randint(0, 3), draw.randint(0, 3), draw.randint(0, 200)) for _ in range(3)]
    lines = [(a, b, s) for a, b, s in lines if a or b]
    found = rules.least(figures, lines)
    points = np.linspace(0, 250, 501)
    cycles, energy = np.meshgrid(points, points)
    above = np.all([a * cycles + b * energy >= s for a, b, s in lines] or [True], axis=0)
    total, power = rules.busy(cycles, figures.operator_cycles), rules.most_fj_per_cycle
    energy = energy + figures.operator_fj
    total = np.maximum(total, energy / (power - figures.leakage_fj))
    value = rules.value(total, energy + figures.leakage_fj * total, figures.area_um2)
    value = value[above & (total <= rules.most_cycles)]
    assert found <= np.min(value, initial=math.inf) * (1 + 1e-9) + 1e-9
    if value.size:
        assert found >= np.min(value) * 0.97 - 8  # near a point of the grid


@settings(deadline=None, max_examples=100)
@given(seed=st.integers(0, 2**32))
def test_cover(seed):
    draw = random.Random(seed)
    sizes = [draw.randint(1, 5) for _ in range(4)]
    boxes = [([0] * 4, [size - 1 for size in sizes])]
    for _ in range(draw.randint(0, 12)):
        low, high = boxes.pop(draw.randrange(len(boxes)))
        axis = draw.randrange(4)
        place = draw.randint(low[axis], high[axis])
        parts = [(low, high)]
        if place > low[axis]:
            left, right = list(high), list(low)
            left[axis], right[axis] = place - 1, place
            parts = [(low, left), (right, high)]
        boxes += parts
    lows, highs = (np.array(ends) for ends in zip(*boxes, strict=True))
    assert uncovered(sizes, lows, highs) is None
    gone = draw.randrange(len(boxes))
    point = uncovered(sizes, np.delete(lows, gone, 0), np.delete(highs, gone, 0))
    assert all(lows[gone] <= point)
    assert all(point <= highs[gone])


def test_the_checker_imports_nothing_that_it_checks():
    allowed = ("airchitect_jax._support", "airchitect_jax.verification")
    for path in sorted((scripts.ROOT / "airchitect_jax" / "verification").glob("*.py")):
        for line in path.read_text().splitlines():
            words = line.split()
            if words[:1] in (["from"], ["import"]) and words[1].startswith("airchitect_jax"):
                assert words[1].startswith(allowed), f"{path.name}: {line}"
