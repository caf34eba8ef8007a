"""Every case study goes through one table: what is derived from its cost agrees with its cost."""

import functools

import clocked
import engine_runs
import jax
import jax.numpy as jnp
import numpy as np
import pyarrow.parquet as pq
import pytest
import scripts

from airchitect_jax._support import find, registered
from airchitect_jax.case_studies import ArrayDataflowCase, BufferCase, ScheduleCase
from airchitect_jax.labelling import SampledSource
from airchitect_jax.labelling.tasks import CaseTask
from airchitect_jax.learning import (
    Recommender,
    Split,
    StreamedBatches,
    TrainConfig,
    evaluate_recommender,
    fit,
    loss_fn,
    sample_dataset,
)
from airchitect_jax.learning.models import make_model, recipes
from airchitect_jax.search import repair
from airchitect_jax.search.case_problem import CaseProblem
from airchitect_jax.spaces import DEFAULT_ARRAYS, RelaxedPoint
from airchitect_jax.types import Objective

CASES = {
    "array_dataflow": ArrayDataflowCase(max_dim=300),
    "array_dataflow, energy": ArrayDataflowCase(max_dim=300, objective=Objective.ENERGY),
    "buffers": BufferCase(max_dim=300),
    "buffers, energy": BufferCase(max_dim=300, objective=Objective.ENERGY),
    "schedules": ScheduleCase(max_dim=300, arrays=DEFAULT_ARRAYS[:3]),
    "clocked": clocked.ClockedCase(max_dim=300),
}
SEARCHED = [name for name in CASES if "energy" not in name]
# Of two objectives one compiles long.
every_case = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name == "buffers" else []) for name in CASES],
)
every_searched_case = pytest.mark.parametrize("name", SEARCHED)
NUM = 8


@functools.cache
def workloads(name):
    return np.asarray(CASES[name].sample(jax.random.key(1), NUM))


def python_design(case, design_id):
    """The parameters of a design as the cost function takes them."""
    design = {key: int(value) for key, value in case.space.fields(design_id).items()}
    return design | {
        key: values[values.index(design[key])] for key, values in case.space.choices.items()
    }


@functools.cache
def python_costs(name, row):
    """Costs of all designs in Python integers, None where infeasible."""
    case = CASES[name]
    workload = {key: int(value) for key, value in case.by_name(workloads(name)[:, row]).items()}
    designs = [python_design(case, design_id) for design_id in range(case.space.num_designs)]
    return [case.cost(workload, d) if case.fits(workload, d) else None for d in designs]


def test_every_registered_case_study_is_in_the_table():
    assert {find("case_study", name) for name in registered("case_study")} == {
        type(case) for case in CASES.values()
    }


@every_case
def test_labels_are_the_first_of_the_cheapest_feasible_designs(name):
    case = CASES[name]
    labels = case.exact(workloads(name))
    assert (np.asarray(case.label(jnp.asarray(workloads(name)))) == labels.design_id).all()
    for row in range(2):
        costs = python_costs(name, row)
        least = min(cost for cost in costs if cost is not None)
        assert labels.cost[row] == least
        if name == "schedules":  # ties go by the sum of cycles first
            assert costs[labels.design_id[row]] == least
        else:
            assert labels.design_id[row] == costs.index(least)
        columns = case.columns(workloads(name).astype(np.int64))
        assert case.label_in_python(*(int(column[row]) for column in columns)) == (
            labels.design_id[row],
            labels.cost[row],
        )


@every_case
def test_costs_and_their_logarithms_are_those_of_the_cost_function(name):
    case = CASES[name]
    number = case.space.num_designs
    ids = np.broadcast_to(np.arange(number), (NUM, number))
    costs = case.costs(workloads(name), ids)
    logs = np.asarray(jax.jit(case.log_costs)(jnp.asarray(workloads(name))))
    feasible = np.asarray(case.feasible(workloads(name)))
    assert costs.shape == logs.shape == feasible.shape == (NUM, number)
    assert (np.isfinite(logs) == feasible).all()
    np.testing.assert_allclose(logs[feasible], np.log(costs[feasible]), atol=1e-3)
    expected = python_costs(name, 0)
    assert [cost is not None for cost in expected] == feasible[0].tolist()
    assert all(cost in (None, ours) for cost, ours in zip(expected, costs[0], strict=True))
    one_each = case.costs(workloads(name), ids[0][:NUM])
    assert (one_each == costs[np.arange(NUM), np.arange(NUM)]).all()


@every_searched_case
def test_the_search_problem_has_the_designs_and_their_costs(name):
    case, problem = CASES[name], CaseProblem(case=CASES[name])
    points = case.space.points
    assert points.shape == (case.space.num_designs, len(problem.layout.cardinalities))
    assert (points < np.array(problem.layout.cardinalities)).all()
    assert len(np.unique(points, axis=0)) == len(points)
    workload = workloads(name)[:, 0]
    feasible = np.asarray(case.feasible(workload[:, None]))[0]
    some = np.random.default_rng(0).choice(np.flatnonzero(feasible), 20)
    with jax.enable_x64(True):
        at = jax.jit(jax.vmap(lambda point: problem.cost(jnp.asarray(workload), point)))
        costs = np.asarray(at(jnp.asarray(points[some])))
        mended = np.asarray(jax.jit(lambda p: repair(problem, jnp.asarray(workload), p))(points))
    assert costs.tolist() == [python_costs(name, 0)[design_id] for design_id in some]
    assert (mended[feasible] == points[feasible]).all()
    places = {tuple(point): design_id for design_id, point in enumerate(points.tolist())}
    assert all(feasible[places[tuple(point)]] for point in mended.tolist())


@every_searched_case
def test_the_relaxed_cost_converges_to_the_cost(name):
    case = CASES[name]
    layout, workload = case.space.layout, jnp.asarray(workloads(name)[:, 0])
    num_sizes, num_choices = len(layout.sizes), len(layout.choices)

    def log_cost(point, assignment, temperature):
        chosen = point[num_sizes : num_sizes + num_choices]
        certain = RelaxedPoint(
            sizes=point[:num_sizes].astype(jnp.float32),
            choices=tuple(
                jax.nn.one_hot(value, count, dtype=jnp.float32)
                for value, count in zip(chosen, layout.choices, strict=True)
            ),
            assignment=assignment,
        )
        return case.log_relaxed_cost(workload, certain, temperature)

    with jax.enable_x64(True):
        compiled = jax.jit(log_cost)
        feasible = np.flatnonzero(np.asarray(case.feasible(workload[:, None]))[0])
        for design_id in np.random.default_rng(2).choice(feasible, 4):
            point = case.space.points[design_id]
            assignment = None
            if layout.permuted:
                order = case.space.permutations[point[-1]]
                assignment = jnp.asarray(np.eye(layout.permuted, dtype=np.float32)[order])
            cost = compiled(jnp.asarray(point), assignment, jnp.float32(1e-4))
            expected = python_costs(name, 0)[design_id]
            np.testing.assert_allclose(np.exp(cost), expected, rtol=2e-2)


@every_case
def test_files_are_labelled_with_the_exact_optima(name, tmp_path):
    case = CASES[name]
    source = SampledSource(case=case, num_rows=NUM, shard_rows=NUM, seed=0)
    engine_runs.run(source, tmp_path, CaseTask(case=case))
    (path,) = (tmp_path / "labels").glob("*.parquet")
    table = pq.read_table(path)
    key = jax.random.fold_in(jax.random.key(0), 0)
    expected = case.exact(np.asarray(case.sample(key, NUM)))
    assert table["design_id"].to_pylist() == expected.design_id.tolist()
    assert table[case.objective.value].to_pylist() == expected.cost.tolist()
    assert table.schema.metadata[b"case_study"].decode() == case.name


@pytest.mark.slow
@every_case
def test_a_network_learns_from_the_labels(name):
    case = CASES[name]
    recipe = recipes(case)["paper"]
    validation = sample_dataset(case, seed=0, num=256, split=Split.VALIDATION)
    source = StreamedBatches(case=case, batch_size=256, steps_per_epoch=32, seed=0)
    model = make_model(case, "paper", embedding_dim=4, hidden_sizes=(16,), seed=0)
    config = TrainConfig(epochs=1, learning_rate=recipe.learning_rate)
    with jax.numpy_dtype_promotion("standard"):  # as Optax needs it
        fitted = fit(model, source, validation, config, loss_fn(case, recipe.loss_of(case)))
    losses = [row["validation_loss"] for row in fitted.history if "validation_loss" in row]
    metrics = evaluate_recommender(case, Recommender(case, fitted.model), validation).metrics
    assert np.isfinite(losses).all()
    assert 0 < metrics["geomean_normalized_performance"] <= 1


@pytest.mark.slow
def test_a_registered_case_study_goes_through_every_script(tmp_path):
    """Those that the page does not show; the others run with the documented commands."""
    (tmp_path / "clocked.py").write_text(clocked.SOURCE)
    for module, *sizes in (
        ("compare_models", "--models=heuristics,majority,paper", "--seeds=1", "--num_test=100"),
        ("generalisation", "--models=paper", "--trained_max_dim=500", "--num_test=100"),
    ):
        result = scripts.run(
            f"experiments.{module}",
            *("--plugin=clocked", "--case_study=clocked", "--max_dim=1000", f"--workdir={module}"),
            *("--budget_seconds=0.2", "--num_validation=100", "--batch_size=128", *sizes),
            folder=tmp_path,
        )
        assert result.returncode == 0, result.stderr
