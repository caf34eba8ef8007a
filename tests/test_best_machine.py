"""The best machine of a space: brute force, bounds, stopping, resuming."""

import dataclasses
import itertools
import math
import pathlib
import random
import subprocess
import sys

import machine_reference as reference
import pytest
import scripts

from airchitect_jax.cost import (
    machine_prices,
    mapping_fits,
    operator_costs,
    tiled_costs,
    tiled_energy_fj,
)
from airchitect_jax.oracle.machines import MachineObjective, best, best_machine, search
from airchitect_jax.types import Gemm

ROUNDING = 1e-11  # bounds are sums in float64


def boxes_of(boxes, at):
    """The boxes that a machine is in, by its places on the axes."""
    return [
        box
        for box in boxes
        if all(a <= b <= c for a, b, c in zip(box.low, at, box.high, strict=True))
    ]


def check_bounds(question, machines, costs, optimum):
    """Every machine is in a box, and costs no less than the bounds of its boxes and lines say."""
    assert optimum.lower_bound <= min(costs) * (1 + ROUNDING)
    for machine, cost in zip(machines, costs, strict=True):
        boxes = boxes_of(optimum.boxes, machine.at)
        assert boxes, machine.values
        assert cost >= max(box.bound for box in boxes) * (1 - ROUNDING)
        for line in {line for box in boxes for line in box.lines}:
            if boxes_of([line], machine.at):
                for cycles, energy in machine.totals:
                    value = line.cycles_weight * cycles + line.energy_weight * energy
                    assert value >= line.least * (1 - ROUNDING)


def check_totals(question, optimum):
    """The totals are those of the mappings by the equations, and the cost follows from them."""
    totals, platform = optimum.totals, question.platform
    hardware = platform.hardware_of(**optimum.machine)
    full = machine_prices(hardware, platform)
    prices = full._replace(leakage_fj_per_cycle=0)
    array_cycles = operator_cycles = switching = 0
    for row, (m, n, k) in enumerate(question.gemms.gemms):
        mapping, cycles, _ = totals.mappings.at(row)
        gemm, runs = Gemm(m=m, n=n, k=k), question.gemms.counts[row]
        assert mapping_fits(mapping, hardware, platform)
        assert mapping.dataflow in platform.dataflows
        costs = tiled_costs(gemm, mapping, hardware, platform)
        assert costs.total_cycles == cycles
        array_cycles += runs * costs.total_cycles
        switching += runs * tiled_energy_fj(gemm, costs, platform, prices)
    for operator, runs in question.operators:
        cost = operator_costs(operator, hardware, platform, prices)
        operator_cycles += runs * cost.cycles
        switching += runs * cost.energy_fj
    assert (totals.array_cycles, totals.operator_cycles) == (array_cycles, operator_cycles)
    together = platform.vector_unit.overlapped
    assert totals.busy_cycles == (max if together else int.__add__)(array_cycles, operator_cycles)
    assert totals.cycles >= totals.busy_cycles
    assert totals.energy_fj == switching + full.leakage_fj_per_cycle * totals.cycles
    budgets = question.budgets
    seconds = totals.cycles / platform.clock_hz
    if budgets.latency_budget_s is not None:
        assert seconds <= budgets.latency_budget_s
    if budgets.power_budget_w is not None:
        assert totals.energy_fj / 1e15 / seconds <= budgets.power_budget_w * (1 + ROUNDING)
    elif totals.cycles > totals.busy_cycles:
        pytest.fail("it waits without a budget of power")


def check(question, machines):
    """The answer is that of brute force, ties included."""
    costs = [reference.cost_of(question, machine) for machine in machines]
    optimum = best_machine(question)
    assert optimum.is_finished
    assert optimum.num_hardware_points == len(machines)
    num_points = reference.num_points(question)
    assert optimum.log10_joint_points == pytest.approx(math.log10(num_points))
    check_bounds(question, machines, costs, optimum)
    least = min(costs)
    if least == math.inf:
        assert (optimum.machine, optimum.totals) == (None, None)
        assert optimum.cost == optimum.lower_bound == math.inf
        return
    if question.objective in (MachineObjective.LATENCY, MachineObjective.THROUGHPUT_PER_AREA):
        assert optimum.cost == least
    else:
        assert optimum.cost == pytest.approx(least, rel=1e-12)
    assert optimum.certified_gap <= ROUNDING
    check_totals(question, optimum)
    tied = [machine for machine, cost in zip(machines, costs, strict=True) if cost == least]
    first = min(tied, key=lambda machine: (machine.num_macs, machine.sram_bytes))
    found = next(machine for machine in machines if machine.values == optimum.machine)
    assert (found.num_macs, found.sram_bytes) == (first.num_macs, first.sram_bytes)


def check_space(seed):
    """Every objective without budgets, and some with."""
    question = reference.draw(seed)
    machines = reference.every_machine(question)
    for objective in MachineObjective:
        check(dataclasses.replace(question, objective=objective), machines)
    for number in range(4):
        check(reference.with_budgets(question, machines, f"{seed} {number}"), machines)


@pytest.mark.parametrize("seed", range(6))
def test_the_answer_is_that_of_brute_force(seed):
    check_space(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(100, 200, 10))
def test_the_answer_is_that_of_brute_force_often(first):
    for seed in range(first, first + 10):
        check_space(seed)


@pytest.fixture(scope="module")
def whole():
    """A question about a large space, and its exact answer."""
    question = reference.large_question(MachineObjective.ENERGY)
    return question, best_machine(question)


def check_cover(question, optimum):
    """Boxes cover the space: each of some machines, drawn at random, is in one."""
    r = random.Random(0)
    axes = list(question.platform.hardware.axes.values())
    for _ in range(300):
        at = tuple(r.randrange(len(values)) for values in axes)
        assert boxes_of(optimum.boxes, at)


def interrupted(question, num_boxes, **options):
    """A search that is interrupted, as by Ctrl-C, after so many boxes."""

    def told(progress):
        if progress.boxes >= num_boxes:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(best, "_PROGRESS_SECONDS", 0.0)  # after each box
        return best_machine(question, on_progress=told, **options)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
def test_a_search_that_is_stopped_has_a_valid_bound(whole, share):
    question, optimum = whole
    num_boxes = int(share * optimum.boxes_opened)
    if num_boxes:
        stopped = interrupted(question, num_boxes)
        assert stopped.is_interrupted
    else:
        stopped = best_machine(question, time_limit=0.0)
    assert num_boxes <= stopped.boxes_opened < optimum.boxes_opened
    assert not stopped.is_finished
    assert 0 <= stopped.lower_bound <= optimum.cost <= stopped.cost
    assert stopped.lower_bound >= min(box.bound for box in stopped.boxes) * (1 - ROUNDING)
    assert stopped.lower_bound <= min(box.bound for box in stopped.boxes) * (1 + ROUNDING)
    check_cover(question, stopped)
    if stopped.machine is not None:
        check_totals(question, stopped)


@pytest.mark.parametrize("gap", [0.02, 0.1])
def test_a_gap_ends_the_search_earlier(whole, gap):
    question, optimum = whole
    close = best_machine(question, gap=gap)
    assert close.is_finished
    assert close.boxes_opened < optimum.boxes_opened
    assert close.certified_gap <= gap * (1 + ROUNDING)
    assert close.lower_bound <= optimum.cost * (1 + ROUNDING)
    assert optimum.cost <= close.cost
    assert close.lower_bound <= min(box.bound for box in close.boxes) * (1 + ROUNDING)
    check_cover(question, close)


@pytest.mark.slow
def test_searches_of_accelerators_give_the_same_answer(monkeypatch):
    """Where batches of searches of mappings run under jit, as on a GPU."""
    question = reference.draw(5)
    for objective in MachineObjective:
        asked = dataclasses.replace(question, objective=objective)
        whole = best_machine(asked)
        with monkeypatch.context() as patch:
            patch.setattr(search, "are_fast", lambda: True)
            other = best_machine(asked)
        assert (other.cost, other.machine) == (whole.cost, whole.machine)
        assert other.is_finished
        assert other.certified_gap <= ROUNDING


def test_progress_is_told(whole, monkeypatch):
    question, optimum = whole
    monkeypatch.setattr(best, "_PROGRESS_SECONDS", 0.0)  # after each box
    told = []
    best_machine(question, on_progress=told.append)
    for before, after in itertools.pairwise(told):
        assert before.boxes < after.boxes
        assert before.seconds <= after.seconds
        assert before.bound <= after.bound * (1 + ROUNDING)
        assert after.incumbent <= before.incumbent
    assert all(one.bound <= optimum.cost <= one.incumbent for one in told)
    assert told[-1].boxes == optimum.boxes_opened


# --- Killed and resumed ----------------------------------------------------------------------

RUN = """
import pathlib, sys
sys.path.insert(0, {tests!r})
import machine_reference as reference
from airchitect_jax.oracle.machines import MachineObjective, best
best._STATE_SECONDS = 0.02  # written often
question = reference.large_question(MachineObjective.{objective})
print("ready", flush=True)
best.best_machine(question, state=pathlib.Path({state!r}))
"""


def killed(objective, state, delay):
    """Starts a search and kills it after a while; returns whether it had ended before."""
    tests = str(pathlib.Path(__file__).parent)
    code = RUN.format(tests=tests, objective=objective.name, state=str(state))
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=scripts.ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        try:
            assert process.wait(delay) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            return False
    return True


def certificate(optimum):
    """All but the time, as text."""
    return repr(vars(optimum) | {"seconds": 0, "boxes": sorted(optimum.boxes)})


def test_a_stopped_search_goes_on_to_the_same_certificate(whole, tmp_path):
    question, optimum = whole
    state = tmp_path / "state"
    for num_boxes in (1, 50, optimum.boxes_opened // 2):
        stopped = interrupted(question, num_boxes, state=state)
        assert num_boxes <= stopped.boxes_opened < optimum.boxes_opened
    again = best_machine(question, state=state)
    assert certificate(again) == certificate(optimum)
    assert again.seconds > stopped.seconds


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_killed_search_goes_on_to_the_same_certificate(seed, whole, tmp_path):
    question, optimum = whole
    r, state = random.Random(seed), tmp_path / "state"
    for _ in range(3):
        if killed(question.objective, state, r.uniform(0.1, 1.0) * optimum.seconds):
            break
    assert certificate(best_machine(question, state=state)) == certificate(optimum)


def test_a_foreign_or_damaged_state_is_refused(whole, tmp_path):
    question, _ = whole
    state = tmp_path / "state"
    best_machine(question, state=state, time_limit=0.0)
    other = dataclasses.replace(question, objective=MachineObjective.LATENCY)
    with pytest.raises(ValueError, match="the state of another question"):
        best_machine(other, state=state)
    contents = state.read_bytes()
    for damaged in (b"", contents[:100], contents[:-100], b"x" + contents):
        state.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"state: damaged \(.*\); remove it to start again"):
            best_machine(question, state=state)
