"""The joint search against brute force over every design and every choice of dataflows."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airchitect_jax import (
    ArrayDesign,
    ArrayShape,
    BufferSpace,
    Dataflow,
    Gemm,
    Interface,
    Memory,
    Objective,
    RuntimeModel,
    evaluate_memory,
    load_network,
    network_names,
)
from airchitect_jax.cost import Platform
from airchitect_jax.oracle.joint import design_costs, front
from airchitect_jax.oracle.joint.edp import best_product, least_product
from airchitect_jax.oracle.joint.pareto import nondominated
from airchitect_jax.oracle.joint.survey import survey
from airchitect_jax.spaces import JointSpace
from airchitect_jax.workloads import GemmCounts

SPACE = JointSpace.within(64, 6 * 1024, BufferSpace(step_kb=1, num_levels=3))
MOST = 4  # GEMMs: the reference is compiled for one shape
SIDES = st.one_of(st.integers(1, 9), st.integers(1, 300))
GEMMS = st.lists(st.tuples(SIDES, SIDES, SIDES), min_size=1, max_size=MOST)
PLATFORMS = st.builds(
    lambda models, **rest: Platform(runtime_model=models[0], interface=models[1], **rest),
    st.sampled_from(
        [
            (RuntimeModel.SCALESIM, Interface.SHARED),
            (RuntimeModel.ISPASS2020, Interface.PORTS),
        ]
    ),
    bandwidth_bytes_per_cycle=st.integers(1, 40),
    element_bytes=st.sampled_from([1, 2]),
)


def reports(gemms, space, platform):
    """Cycles and energy from `evaluate_memory`: [gemms, dataflows, shapes, sizings]."""
    padded = [*gemms, *[(1, 1, 1)] * (MOST - len(gemms))]
    dims = np.array(padded).T[:, :, None, None, None]
    flows = np.array(Dataflow)[None, :, None, None]
    rows, cols = (sides[None, None, :, None] for sides in (space.rows, space.cols))
    report = evaluate_memory(
        Gemm(m=dims[0], n=dims[1], k=dims[2]),
        ArrayDesign(rows=rows, cols=cols, dataflow=flows),
        Memory(
            buffers=space.sizes(np.arange(len(space.sizings))),
            bandwidth_bytes_per_cycle=platform.bandwidth_bytes_per_cycle,
            element_bytes=platform.element_bytes,
        ),
        runtime_model=platform.runtime_model,
        interface=platform.interface,
    )
    return report.total_cycles[: len(gemms)], report.energy_fj[: len(gemms)]


def flow_of(costs, others, axis):
    """The cheapest dataflow, of equals that of less of the other cost, then the first."""
    tied = costs == costs.min(axis=axis, keepdims=True)
    return np.where(tied, others, np.iinfo(np.int64).max).argmin(axis=axis, keepdims=True)


def in_tie_order(space, costs):
    """The best design by sorting all of them, slowly."""
    return min(
        itertools.product(range(len(space.rows)), range(len(space.sizings))),
        key=lambda place: (
            costs[place],
            space.num_macs[place[0]],
            space.sram_bytes[place[1]],
            place,
        ),
    )


@given(GEMMS, PLATFORMS, st.sampled_from(Objective))
@settings(max_examples=25)
def test_survey_equals_brute_force(gemms, platform, objective):
    workload = GemmCounts.of(gemms, range(1, len(gemms) + 1))
    found = survey(workload, SPACE, platform, objective)
    cycles, energy = reports(workload.gemms, SPACE, platform)
    counts = np.array(workload.counts)[:, None, None]
    policies = ((Objective.CYCLES, cycles, energy), (Objective.ENERGY, energy, cycles))
    for policy, costs, others in policies:
        flow = flow_of(costs, others, axis=1)
        for table, of in ((found.cycles, cycles), (found.energy_fj, energy)):
            chosen = np.take_along_axis(of, flow, axis=1)[:, 0]
            np.testing.assert_array_equal(table[policy], (chosen * counts).sum(axis=0))
    product = (cycles.astype(object) * energy).astype(float)
    costs = {Objective.CYCLES: cycles, Objective.ENERGY: energy, Objective.EDP: product}[objective]
    for index, own in enumerate(found.own_best):
        lowest = costs[index].min(axis=0)
        assert (own.shape, own.sizing) == in_tie_order(SPACE, lowest)
        other = energy if objective is Objective.CYCLES else cycles
        place = index, slice(None), own.shape, own.sizing
        flow = flow_of(costs[place], other[place], axis=0).item()
        assert own.cycles == cycles[index, flow, own.shape, own.sizing]
        assert own.energy_fj == energy[index, flow, own.shape, own.sizing]


@given(GEMMS, PLATFORMS)
@settings(max_examples=15)
def test_the_best_product_equals_brute_force(gemms, platform):
    """Over every design and every combination of dataflows."""
    workload = GemmCounts.of(gemms, range(1, len(gemms) + 1))
    found = best_product(survey(workload, SPACE, platform, Objective.EDP))
    cycles, energy = (
        (costs.astype(object) * np.array(workload.counts, object)[:, None, None, None])
        for costs in reports(workload.gemms, SPACE, platform)
    )
    layers = range(len(workload.gemms))
    products = np.stack(
        [
            sum(cycles[i, flow] for i, flow in zip(layers, flows, strict=True))
            * sum(energy[i, flow] for i, flow in zip(layers, flows, strict=True))
            for flows in itertools.product(Dataflow, repeat=len(layers))
        ]
    )
    assert found.product == products.min()
    assert (found.shape, found.sizing) == in_tie_order(SPACE, products.min(axis=0))
    chosen = [
        sum(costs[i, flow, found.shape, found.sizing] for i, flow in enumerate(found.dataflows))
        for costs in (cycles, energy)
    ]
    assert chosen[0] * chosen[1] == found.product


POINTS = st.tuples(st.integers(1, 30), st.integers(1, 30))


@given(st.lists(st.tuples(st.lists(POINTS, min_size=3, max_size=3), st.integers(1, 4)), max_size=5))
@settings(max_examples=200)
def test_least_product_equals_brute_force(layers):
    options, counts = [points for points, _ in layers], [count for _, count in layers]

    def product(choice):
        chosen = [
            (points[place], count)
            for points, place, count in zip(options, choice, counts, strict=True)
        ]
        return sum(p[0] * count for p, count in chosen) * sum(p[1] * count for p, count in chosen)

    least, choice = least_product(options, counts)
    assert least == product(choice)
    assert least == min(map(product, itertools.product(range(3), repeat=len(layers))))


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 4), min_size=1, max_size=60))
def test_nondominated_equals_brute_force(rows):
    kept = nondominated(np.array(rows))
    beats = [
        place
        for place, row in enumerate(rows)
        if not any(
            other != row and all(a <= b for a, b in zip(other, row, strict=True)) for other in rows
        )
        and row not in rows[:place]
    ]
    assert sorted(kept) == beats


def test_the_front_holds_the_best_designs():
    workload = GemmCounts.of([(50, 30, 200), (7, 90, 40)], [3, 1])
    found = survey(workload, SPACE, Platform(bandwidth_bytes_per_cycle=4), Objective.CYCLES)
    points = front(found)
    assert min(point.cycles for point in points) == found.cycles[Objective.CYCLES].min()
    assert min(point.energy_fj for point in points) == found.energy_fj[Objective.ENERGY].min()
    for point in points:
        place = point.shape, point.sizing
        assert point.cycles == found.cycles[point.dataflows][place]
        assert point.num_macs == SPACE.rows[point.shape] * SPACE.cols[point.shape]


def test_costs_beyond_int64_are_counted_in_python_integers():
    gemm, count = (8192, 14336, 4096), 10**9
    space = JointSpace.within(16384, 300 * 1024)
    found, once = (
        survey(GemmCounts.of([gemm], [times]), space, Platform(), Objective.ENERGY)
        for times in (count, 1)
    )
    for table, single in ((found.cycles, once.cycles), (found.energy_fj, once.energy_fj)):
        for policy in (Objective.CYCLES, Objective.ENERGY):
            assert table[policy].dtype == object
            np.testing.assert_array_equal(table[policy], single[policy].astype(object) * count)


def test_what_int64_cannot_hold_is_refused():
    workload = GemmCounts.of([(2**31 - 1, 2**31 - 1, 5)], [1])
    with pytest.raises(ValueError, match=r"m=2147483647, .* limited to int64"):
        survey(workload, SPACE, Platform(), Objective.CYCLES)


def test_space_and_its_budgets():
    space = JointSpace.within(100, 400 * 1024)
    assert (space.num_macs <= 64).all()
    assert len(space.rows) == 15  # sides 2 .. 32, products 4 .. 64
    assert list(space.sram_bytes // 1024) == [300, 400, 400, 400]
    assert space.num_designs == 60
    with pytest.raises(ValueError, match="mac_budget: 3 is not allowed"):
        JointSpace.within(3, 10**6)
    with pytest.raises(ValueError, match="sram_budget: 100 KB is not allowed; expected at least"):
        JointSpace.within(64, 100 * 1024)


def test_equal_gemms_are_counted_together():
    workload = GemmCounts.of([(1, 2, 3), (4, 5, 6), (1, 2, 3)], [1, 2, 3])
    assert workload == GemmCounts(gemms=((1, 2, 3), (4, 5, 6)), counts=(4, 2))


def test_arrays_of_any_sides_and_several_chunks():
    """A space of more designs than one chunk, with sides that are no powers of two."""
    sides = np.arange(3, 60)
    rows, cols = (side.ravel() for side in np.meshgrid(sides, sides[:5]))
    space = JointSpace(rows=rows, cols=cols, sizings=np.arange(1000))
    assert space.num_designs > 1 << 17
    platform, gemm = Platform(), (1000, 77, 513)
    found = survey(GemmCounts.of([gemm], [1]), space, platform, Objective.CYCLES)
    few = JointSpace(rows=rows[-4:], cols=cols[-4:], sizings=np.arange(1000))
    cycles, _ = reports([gemm], few, platform)
    np.testing.assert_array_equal(found.cycles[Objective.CYCLES][-4:], cycles[0].min(axis=0))
    own = found.own_best[0]
    assert (own.shape, own.sizing) == space.best(found.cycles[Objective.CYCLES])


def least_points(workload, space, platform):
    """(cycles, energy, MACs, SRAM) of each design: its fastest and its thriftiest dataflows."""
    shapes, sizings = (x.ravel() for x in np.indices((len(space.rows), len(space.sizings))))
    array = ArrayShape(rows=space.rows[shapes], cols=space.cols[shapes])
    layers = []
    for gemm in workload.gemms:
        cycles, energy = design_costs(gemm, array, space.sizes(sizings), platform)
        layers.append((cycles.T.tolist(), energy.T.tolist()))
    for place, (shape, sizing) in enumerate(zip(shapes, sizings, strict=True)):
        fast, thrifty = [0, 0], [0, 0]
        for (cycles, energy), count in zip(layers, workload.counts, strict=True):
            points = list(zip(cycles[place], energy[place], strict=True))
            for total, point in (
                (fast, min(points)),
                (thrifty, min(points, key=lambda point: (point[1], point[0]))),
            ):
                total[0] += count * point[0]
                total[1] += count * point[1]
        sides = int(space.num_macs[shape]), int(space.sram_bytes[sizing])
        yield from ((*total, *sides) for total in (fast, thrifty))


def test_no_design_dominates_a_point_of_a_front():
    """Dataflows that tie in one cost are chosen by the other."""
    space, platform = (
        JointSpace.within(16, 8 * 1024, BufferSpace(step_kb=2, num_levels=2)),
        Platform(),
    )
    for name in network_names():
        workload = GemmCounts.of_layers(load_network(name).layers)
        points = [
            (point.cycles, point.energy_fj, point.num_macs, point.sram_bytes)
            for point in front(survey(workload, space, platform, Objective.CYCLES))
        ]
        others = set(least_points(workload, space, platform))
        assert set(points) <= others
        for point in points:
            assert not any(
                other != point and all(x <= y for x, y in zip(other, point, strict=True))
                for other in others
            ), (name, point)


def test_the_front_of_bert():
    workload = GemmCounts.of_layers(load_network("bert_base").layers)
    found = survey(workload, JointSpace.within(4096, 3000 * 1024), Platform(), Objective.CYCLES)
    assert len(front(found)) == 465
