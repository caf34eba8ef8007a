"""Curves and tables of searches by hand, budgets, and python -m experiments.compare_search."""

import csv as csv_module
import dataclasses
import json
import math

import figure_checks
import jax
import numpy as np
import pytest
import scripts

from airchitect_jax.case_studies import ArrayDataflowCase, ScheduleCase
from airchitect_jax.reporting.style import to_png
from airchitect_jax.search import (
    Searches,
    Subject,
    case_subject,
    prepare,
    registry,
    search,
    simple,
    steps_within,
)
from airchitect_jax.spaces import DEFAULT_ARRAYS
from airchitect_jax.studies.search import plots, spread, spread_plots
from airchitect_jax.studies.search import rows as search_rows

SMALL = ScheduleCase(arrays=DEFAULT_ARRAYS[:2], max_dim=60)


@pytest.fixture(scope="module")
def subject():
    return case_subject(SMALL, np.asarray(SMALL.sample(jax.random.key(0), 20)))


def two_searches(**changes):
    """Two workloads with optimum 10; three steps of which each spends 4, the last a gradient."""
    return Searches(
        **{
            "points": np.zeros((2, 1), np.int32),
            "costs": np.array([[40.0, 10.0, 10.0], [np.inf, 20.0, 20.0]]),
            "evaluations": np.array([[4, 8, 11], [4, 8, 11]]),
            "gradients": np.array([[0, 0, 1], [0, 0, 1]]),
            "seconds": 0.006,
        }
        | changes
    )


def by_hand(answers=(10, 20)):
    return Subject(
        name="by hand",
        title="two workloads",
        settings={},
        problem=None,
        workloads=np.zeros((2, 1)),
        optimal_costs=np.array([10, 10]),
        exact_costs=lambda workloads, points: np.array(answers),
    )


def test_a_run_by_hand():
    row = search_rows.measured(two_searches(), by_hand(), evaluations=10)
    assert (row["workloads"], row["evaluations"], row["gradients"]) == (2, 11, 1)
    assert row["geomean_normalized_performance"] == pytest.approx(math.sqrt(0.5))
    assert row["optimal_set_accuracy"] == 0.5
    assert row["milliseconds"] == pytest.approx(3)
    assert row["searches_per_second"] == pytest.approx(2 / 0.006)
    # The curve begins where both have an answer, and ends with what was spent.
    assert [point["spent"] for point in row["curve"]] == [8, 12]
    assert [point["milliseconds"] for point in row["curve"]] == pytest.approx([2, 3])


def test_what_a_searcher_reports_is_checked():
    with pytest.raises(ValueError, match=r"workload 1: .* cost of 20, but its answer .* costs 21"):
        search_rows.measured(two_searches(), by_hand(answers=(10, 21)), evaluations=10)


def test_checkpoints_are_dense_and_end_with_the_limit():
    assert search_rows.checkpoints(1) == [1]
    assert search_rows.checkpoints(13) == [1, 2, 3, 4, 6, 8, 12, 13]
    assert search_rows.checkpoints(16)[-2:] == [12, 16]


def test_curves_have_what_all_seeds_have():
    def row(searcher, seed, spent, share):
        point = dict.fromkeys(search_rows.CURVE_KEYS, share)
        return {
            "searcher": searcher,
            "seed": seed,
            "curve": [{"spent": number, **point} for number in spent],
        }

    rows = [row("a", 0, (4, 8), 0.5), row("a", 1, (8, 12), 0.7), row("=b", 0, (8,), 1.0)]
    first, second = search_rows.curves(rows)
    assert (first.spent, second.spent) == ((8,), (8,))
    (spread,) = first.spreads["optimal_set_accuracy"]
    assert spread.mean == pytest.approx(0.6)
    assert spread.deviation == pytest.approx(0.1 * math.sqrt(2))
    read = list(csv_module.DictReader(search_rows.curves_csv([first, second]).splitlines()))
    assert read[1]["searcher"] == "'=b"
    assert read[1]["optimal_set_accuracy_std"] == ""
    assert float(read[0]["optimal_set_accuracy_mean"]) == pytest.approx(0.6)
    figures = plots.figures([first, second])
    assert len(figures) == 4
    for caption, figure in figures.values():
        assert "one panel per searcher" in caption
        assert [axes.get_title() for axes in figure.axes] == ["a", "=b"]
        assert to_png(figure).startswith(b"\x89PNG")
        figure_checks.check(figure)


@pytest.mark.parametrize("case", [SMALL, ArrayDataflowCase(max_dim=100)], ids=lambda c: c.name)
def test_answers_are_scored_by_the_case_study(case):
    workloads = np.asarray(case.sample(jax.random.key(1), 5))
    subject = case_subject(case, workloads)
    best = subject.points[case.exact(workloads).design_id]
    np.testing.assert_array_equal(
        subject.exact_costs(subject.workloads, best), subject.optimal_costs
    )
    few = subject.first(2)
    assert (len(few), few.workloads.shape[0]) == (2, 2)


def test_an_infeasible_answer_is_refused():
    case = ArrayDataflowCase()
    subject = case_subject(case, np.array([[5], [9], [9], [9]]))
    with pytest.raises(ValueError, match=r"point \[16, 0, 0\] at row 0 is not feasible"):
        subject.exact_costs(subject.workloads, np.array([[16, 0, 0]]))


@pytest.mark.slow
def test_a_budget_is_kept_and_spent(subject):
    random = simple.random(subject.problem, batch=8)
    steps = steps_within(random, subject.workloads, 30)
    assert steps == 3
    kept = search(random, subject.workloads, key=jax.random.key(0), num_steps=9, budget=30)
    assert kept.evaluations.max() == kept.evaluations[:, -1].min() == 24
    free = search(random, subject.workloads, key=jax.random.key(0), num_steps=3)
    np.testing.assert_array_equal(kept.costs[:, :3], free.costs)
    np.testing.assert_array_equal(kept.points, free.points)
    # The first step is taken, whatever it spends.
    assert steps_within(random, subject.workloads, 3) == 1
    first = search(random, subject.workloads, key=jax.random.key(0), num_steps=2, budget=3)
    assert first.evaluations.tolist() == [[8, 8]] * len(subject)


@pytest.mark.slow
def test_the_same_budget_in_python(subject):
    random = dataclasses.replace(simple.random(subject.problem, batch=8), traceable=False)
    few = subject.first(2).workloads
    assert steps_within(random, few, 30) == 30
    run = prepare(random, few, num_steps=30, budget=30)
    kept = run(jax.random.key(0))
    assert kept.evaluations[:, [0, 2, 3, 29]].tolist() == [[8, 24, 24, 24]] * 2
    traced = search(
        simple.random(subject.problem, batch=8), few, key=jax.random.key(0), num_steps=3
    )
    np.testing.assert_array_equal(kept.points, traced.points)


def test_what_ends_by_itself_takes_no_more_steps_than_that(subject):
    ranked = simple.exhaustive(subject.problem, subject.points[:12], batch=8)
    assert steps_within(ranked, subject.workloads, 100) == 2


def test_what_a_subject_can_be_searched_with(subject):
    every = registry.entries(subject)
    assert list(every)[:2] == ["random", "exhaustive"]
    assert set(registry.chosen(["all"], every)) == set(every) - set(registry.left_out(every))
    assert list(registry.chosen(["rerank", "random"], every)) == ["random", "rerank"]
    with pytest.raises(ValueError, match="searchers: 'rnd' is not allowed; expected all or some"):
        registry.chosen(["rnd"], every)
    large = dataclasses.replace(subject, points=None, case=None)
    assert {"exhaustive", "surrogate", "rerank"} == set(every) - set(registry.entries(large))


def test_a_searcher_whose_library_is_missing_is_left_out_or_says_so(monkeypatch, subject):
    every = registry.entries(subject)
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None)
    assert registry.left_out(every) == {
        "cma_es": "cma_es needs evosax: pip install 'airchitect-jax[search]'",
        "tpe": "tpe needs optuna: pip install 'airchitect-jax[search]'",
        "ppo": "ppo needs stable_baselines3: pip install 'airchitect-jax[agents]'",
    }
    assert set(every) - set(registry.chosen(["all"], every)) == {"cma_es", "tpe", "ppo"}
    with pytest.raises(
        ValueError, match=r"searchers: tpe needs optuna: pip install .*, or name searchers that do"
    ):
        registry.chosen(["random", "tpe"], every)
    with pytest.raises(ValueError, match="searchers: ppo needs stable_baselines3: pip install"):
        registry.chosen(["all", "ppo"], every)


def test_the_spread_over_seeds_by_hand():
    def row(searcher, *geomeans):
        points = zip((5, 6, 12, 24, 48), geomeans, strict=True)
        curve = [{"spent": at, "geomean_normalized_performance": x} for at, x in points if x]
        return {"searcher": searcher, "curve": curve}

    assert [spread.budgets_of(limit) for limit in (1, 2, 48, 100)] == [
        [1],
        [1, 2],
        [6, 12, 24, 48],
        [12, 24, 48, 100],
    ]
    rows = [row("a|b", 0.2, 0.5, 0.6, x, x) for x in (0.6, 0.7, 0.8, 1.0)]
    rows += [row("c", None, None, None, 0.5, x) for x in (0.5, 1.0)]
    found = spread.spread_over_seeds(rows, 48)
    assert [(one["searcher"], one["budget"]) for one in found] == [
        *(("a|b", budget) for budget in (6, 12, 24, 48)),
        ("c", 24),
        ("c", 48),
    ]
    quantiles = {"worst": 0.6, "q1": 0.675, "median": 0.75, "q3": 0.85, "best": 1.0}
    assert found[3] == {"searcher": "a|b", "budget": 48, "seeds": 4} | {
        name: pytest.approx(value) for name, value in quantiles.items()
    }
    text = spread.spread_markdown(found)
    assert r"| a\|b | 48 | 4 | 60.000% | 67.500% | 75.000% | 85.000% | 100.000% |" in text
    read = list(csv_module.DictReader(spread.spread_csv(found).splitlines()))
    assert (read[5]["searcher"], float(read[5]["q1"])) == ("c", 0.625)
    figure = spread_plots.seeds_of_searchers(found)
    assert to_png(figure).startswith(b"\x89PNG")
    figure_checks.check(figure)
    assert [axes.get_title() for axes in figure.axes] == [
        f"budget of {budget}" for budget in (6, 12, 24, 48)
    ]


def test_optimisers_by_name():
    assert registry.optimizer_named("rmsprop", 0.1).init is not None
    with pytest.raises(
        ValueError, match=r"optimizer: 'adamm' is not allowed; expected one of .*adam"
    ):
        registry.optimizer_named("adamm", 0.1)
    with pytest.raises(ValueError, match="optimizer: 'lbfgs' is not allowed; it needs more than"):
        registry.optimizer_named("lbfgs", 0.1)


@pytest.mark.slow
def test_a_network_is_trained_and_asked(subject):
    with jax.numpy_dtype_promotion("standard"):  # as Optax needs it
        network = search_rows.train_network(SMALL, seed=0, seconds=0.1)
    measure = search_rows.measurer(
        "rerank",
        registry.entries(subject)["rerank"],
        subject,
        registry.Tools(network=network),
        evaluations=18,
        python_workloads=1,
    )
    row = measure(0)
    assert (row["network"], row["train_seconds"]) == ("symmetric", network.train_seconds)
    assert row["optimal_set_accuracy"] == 1.0  # there are no more than 18 designs
    assert row["evaluations"] <= 18


TINY = ["--case_study=3", "--max_dim=60", "--num_workloads=6", "--evaluations=24", "--seed=3"]
TINY += ["--train_seconds=0.1", "--tpe_workloads=1"]


@pytest.mark.slow
def test_the_script_end_to_end_and_only_what_is_missing_again(tmp_path):
    arguments = [*TINY, "--searchers=exhaustive,random,tpe", f"--workdir={tmp_path}"]
    result = scripts.run("experiments.compare_search", *arguments, "--seeds=1")
    assert result.returncode == 0, result.stderr
    written = json.loads((tmp_path / "comparison.json").read_text())
    lines = {line["searcher"]: line for line in written["searchers"]}
    assert list(lines) == ["random", "exhaustive", "tpe"]
    assert lines["exhaustive"]["optimal_set_accuracy"] == {"mean": 1.0, "std": None}
    assert lines["exhaustive"]["evaluations"]["mean"] == 1944
    assert lines["random"]["evaluations"]["mean"] == 24
    assert lines["tpe"]["workloads"]["mean"] == 1
    assert lines["random"]["train_seconds"] is None
    for name in ("quality_against_evaluations", "quality_against_seconds"):
        assert (tmp_path / "figures" / f"{name}.png").stat().st_size > 5000
    assert "on 1 of the 6 workloads" in (tmp_path / "comparison.md").read_text()
    assert "| random | 24 | 1 |" in (tmp_path / "spread.md").read_text()
    kept = {path.name: path.read_bytes() for path in (tmp_path / "rows").iterdir()}
    assert len(kept) == 3
    # A seed more is asked for, of fewer searchers.
    more = [*TINY, "--seeds=2", "--searchers=random", f"--workdir={tmp_path}", "--resume"]
    result = scripts.run("experiments.compare_search", *more)
    assert result.returncode == 0, result.stderr
    now = {path.name: path.read_bytes() for path in (tmp_path / "rows").iterdir()}
    assert set(now) == {*kept, "random-4.json"}
    assert all(now[name] == kept[name] for name in kept)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert list(summary["optimal_set_accuracy"]) == ["random"]
    shares = [json.loads(now[f"random-{seed}.json"])["optimal_set_accuracy"] for seed in (3, 4)]
    assert summary["optimal_set_accuracy"]["random"] == pytest.approx(np.mean(shares))
    error = scripts.error_of("experiments.compare_search", *more, "--evaluations=25")
    assert "--evaluations: 25 is not allowed; expected 24" in error
    error = scripts.error_of("experiments.compare_search", *more, "--optimizer=adamm")
    assert "optimizer: 'adamm' is not allowed" in error
