"""The front of latency, energy and area: brute force over small spaces, limits, tables, figure."""

import csv
import dataclasses
import io
import math

import figure_checks
import machine_reference as reference
import pytest

from airchitect_jax.oracle.machines import (
    Budgets,
    MachineObjective,
    best,
    pareto,
    pareto_front,
)
from airchitect_jax.oracle.machines.pareto import FrontPoint, undominated
from airchitect_jax.recommendation.machines import FRONT_HEADER, front_csv, front_rows
from airchitect_jax.recommendation.machines.front_plot import front as front_figure

ROUNDING = 1e-11


def beats(one, other):
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def check_front(seed):
    question = reference.draw(seed)
    machines = reference.every_machine(question)
    runs = {
        (run.cycles, run.energy_fj, machine.area_um2)
        for machine in machines
        for run in reference.runs_of(question, machine)
    }
    front = pareto_front(question, num_points=3)
    for point in front:
        assert point.figures in runs
        assert point.optimum.certified_gap <= ROUNDING
        # Only runs of the same energy may beat it.
        energies = [run[1] for run in runs if beats(run, point.figures)]
        assert min(energies, default=math.inf) >= point.energy_fj * (1 - ROUNDING)
    cycles, energy, area = (min(of) for of in zip(*runs, strict=True))
    found = [point.figures for point in front]
    assert found == sorted(found)
    assert not any(beats(one, other) for one in found for other in found)
    assert min(one[0] for one in found) == cycles
    assert min(one[1] for one in found) == pytest.approx(energy, rel=1e-12)
    if reference.runs_of(question, machines[0]):  # the machine with the least of everything
        assert min(one[2] for one in found) == area
    product = min(one[0] * one[1] for one in runs)
    assert min(one[0] * one[1] for one in found) == pytest.approx(product, rel=1e-12)


@pytest.mark.parametrize("seed", range(1, 6))
def test_points_are_on_the_front(seed):
    check_front(seed)


@pytest.mark.slow
def test_points_are_on_the_front_often():
    for seed in range(300, 330):
        check_front(seed)


QUESTION = dataclasses.replace(reference.draw(19), budgets=Budgets(mac_budget=32))


@pytest.fixture(scope="module")
def front():
    told = []
    points = pareto_front(QUESTION, num_points=4, on_progress=lambda *what: told.append(what))
    assert len(points) > 4
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (18, 18)
    return points


def test_budgets_of_the_question_hold(front):
    for point in front:
        hardware, budgets = point.hardware, point.question.budgets
        assert hardware.rows * hardware.cols * hardware.num_cores <= budgets.mac_budget == 32
        assert point.area_um2 <= (budgets.area_budget_um2 or math.inf)
        assert point.cycles <= point.question.most_cycles


def test_points_that_another_beats_are_left_out(front):
    def point(*figures):
        cycles, energy, area = figures
        return dataclasses.replace(front[0], cycles=cycles, energy_fj=energy, area_um2=area)

    given = [(3, 5, 5), (1, 9, 4), (3, 5, 4), (2, 9, 4), (3, 5, 4), (9, 1, 1)]
    kept = undominated([point(*figures) for figures in given])
    assert [one.figures for one in kept] == [(1, 9, 4), (3, 5, 4), (9, 1, 1)]
    assert undominated([]) == ()


def test_no_machine_within_the_budgets_is_no_front():
    question = dataclasses.replace(QUESTION, budgets=Budgets(area_budget_um2=1))
    assert pareto_front(question) == ()
    assert front_csv(()).startswith("latency_ms,energy_mj,area_mm2,")


def test_a_limit_of_time_leaves_valid_bounds():
    question = reference.large_question(MachineObjective.ENERGY)
    points = pareto_front(question, num_points=2, time_limit=0.0)
    assert points
    assert any(point.optimum.certified_gap > 0 for point in points)
    for point in points:
        assert point.optimum.lower_bound <= point.optimum.cost
        assert isinstance(point, FrontPoint)


def test_an_interrupt_ends_the_front_and_not_only_a_search(monkeypatch):
    asked = []

    def interrupted(question, **options):
        asked.append(question)
        found = best.best_machine(question, **options)
        return dataclasses.replace(found, is_interrupted=len(asked) == 3)

    monkeypatch.setattr(pareto, "best_machine", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pareto_front(QUESTION, num_points=4)
    assert len(asked) == 3


def test_a_front_goes_on_from_the_states_of_its_searches(monkeypatch, tmp_path):
    monkeypatch.setattr(best, "_STATE_SECONDS", 0.0)  # written after each step
    folder = tmp_path / "states"

    class KilledError(Exception):
        pass

    def kill(done, total):
        if done == 4:
            raise KilledError

    with pytest.raises(KilledError):
        pareto_front(QUESTION, num_points=4, on_progress=kill, state=folder)
    left = len(list(folder.iterdir()))
    assert left >= 3
    again = pareto_front(QUESTION, num_points=4, state=folder)
    whole = pareto_front(QUESTION, num_points=4)
    assert [point.figures for point in again] == [point.figures for point in whole]
    for one, other in zip(again, whole, strict=True):
        assert one.optimum.lower_bound == other.optimum.lower_bound
        assert one.optimum.boxes_opened == other.optimum.boxes_opened
    assert len(list(folder.iterdir())) > left


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"question": "resnet50"}, TypeError, "question: str is not allowed; expected Question"),
        ({"num_points": 1}, ValueError, "num_points: 1 is not allowed"),
        ({"time_limit": -1}, ValueError, "time_limit: -1 is not allowed"),
        ({"gap": -0.5}, ValueError, "gap: -0.5 is not allowed"),
    ],
)
def test_bad_arguments_take_one_line(arguments, error, message):
    with pytest.raises(error, match=message):
        pareto_front(**{"question": QUESTION} | arguments)


def test_tables_have_every_point(front):
    rows = list(csv.DictReader(io.StringIO(front_csv(front))))
    for row, point in zip(rows, front, strict=True):
        assert tuple(int(row[name]) for name in ("cycles", "energy_fj", "area_um2")) == (
            point.figures
        )
        assert float(row["certified_gap"]) == point.optimum.certified_gap
        assert {axis: int(row[axis]) for axis in point.optimum.machine} == point.optimum.machine
        assert float(row["latency_ms"]) * point.question.platform.clock_hz == pytest.approx(
            1e3 * point.cycles
        )
        limit = point.question.budgets.area_budget_um2
        assert row["area_budget_um2"] == ("" if limit is None else str(limit))
    table = front_rows(front)
    assert len(table) == len(front)
    assert all(len(row) == len(FRONT_HEADER) for row in table)


def test_the_figure_shows_every_point(front):
    figure = front_figure(front)
    figure_checks.check(figure)
    left, right = figure.axes[:2]
    assert len(left.collections[0].get_offsets()) == len(front)
    assert right.get_ylabel() == "area (mm2)"
