"""Tables of a comparison by hand, and python -m experiments.compare_models with every model."""

import csv as csv_module
import json
import math
import statistics

import figure_checks
import jax
import numpy as np
import pytest
import scripts

from airchitect_jax.baselines import Task, competitors, networks, off_the_shelf
from airchitect_jax.case_studies import ScheduleCase
from airchitect_jax.learning import Split, sample_dataset
from airchitect_jax.spaces import DEFAULT_ARRAYS
from airchitect_jax.studies.models import plots
from airchitect_jax.studies.models import rows as model_rows

METRICS = {column.key: 0.5 if column.is_share else 10 for column in model_rows.COLUMNS}
METRICS["told"] = "labels, costs"


def rows():
    return [
        {"model": "a|b", "seed": 0, **METRICS, "test_accuracy": 0.90, "examples": 1000},
        {"model": "a|b", "seed": 1, **METRICS, "test_accuracy": 0.94, "examples": 3000},
        {"model": "=rule", "seed": 0, **METRICS},
    ]


def without_top5(row):
    return {key: value for key, value in row.items() if key != "top5_accuracy"}


def test_means_and_spread_by_hand():
    first, second = model_rows.table([*rows()[:2], without_top5(rows()[2])]).lines
    accuracy = first.spreads["test_accuracy"]
    assert (first.seeds, second.seeds) == (2, 1)
    assert accuracy.mean == pytest.approx(0.92)
    assert accuracy.deviation == pytest.approx(0.02 * math.sqrt(2))
    assert math.isnan(second.spreads["test_accuracy"].deviation)
    assert second.spreads["top5_accuracy"] is None


def test_tables_for_people_and_for_machines():
    both = model_rows.table([*rows()[:2], without_top5(rows()[2])])
    table = both.markdown().splitlines()
    assert table[0].startswith("| model | seeds | accuracy |")
    assert table[2].startswith(r"| a\|b | 2 | 92.000% ± 2.828 | 50.000% |")
    assert table[2].endswith("| labels, costs |")
    assert "| 2,000 ± 1,414 |" in table[2]
    assert table[3].split(" | ")[6].strip() == ""  # no top-5 of a rule
    read = list(csv_module.DictReader(both.csv().splitlines()))
    assert read[1]["model"] == "'=rule"
    assert read[1]["top5_accuracy_mean"] == read[1]["test_accuracy_std"] == ""
    assert float(read[0]["test_accuracy_std"]) == pytest.approx(0.02 * math.sqrt(2))
    as_json = json.loads(json.dumps(both.as_json(), allow_nan=False))
    assert as_json[1]["test_accuracy"] == {"mean": 0.5, "std": None}
    assert as_json[1]["top5_accuracy"] is None


def test_every_row_has_a_file_of_its_own():
    names = ["longest first, on the fastest array left", "mlp1x128", "mlp1x256", "paper"]
    files = {model_rows.row_name(name, seed) for name in names for seed in (0, 1)}
    assert len(files) == 8
    assert "longest_first_on_the_fastest_array_left-1.json" in files


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["majority", "linear_svc", "rbf_svc", "random_forest", "xgboost", "paper", "airchitect"],
)
def test_every_kind_of_model_is_trained_and_scored(monkeypatch, name):
    monkeypatch.setattr(off_the_shelf, "_TREES", 4)
    monkeypatch.setattr(off_the_shelf, "_ROUNDS", 2)
    monkeypatch.setattr(networks, "_EPOCHS", 2)
    case = ScheduleCase(arrays=DEFAULT_ARRAYS[:2], max_dim=60)
    validation, test = (
        sample_dataset(case, seed=0, num=100, split=split)
        for split in (Split.VALIDATION, Split.TEST)
    )
    task = Task(case=case, seed=0, budget_seconds=0.01, num_test=100, validation=validation)
    (model,) = competitors(case, batch_size=4)[name]
    with jax.numpy_dtype_promotion("standard"):  # as Optax's Adam needs it
        row = model_rows.measure(model, task, test)
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert 0 <= row["test_accuracy"] <= row["top5_accuracy"] <= 1
    assert row["test_accuracy"] <= row["optimal_set_accuracy"]
    assert row["parameters"] > 0
    assert row["examples"] >= 64
    assert len(row["performance_at_shares"]) == len(model_rows.SHARES)
    assert all(0 <= point["accuracy"] <= 1 for point in row["curve"])


TINY = [
    "--case_study=3",
    "--max_dim=60",
    "--budget_seconds=0.1",
    "--num_test=300",
    "--num_validation=100",
]


@pytest.mark.slow
def test_the_script_end_to_end_and_only_what_is_missing_again(tmp_path):
    arguments = [*TINY, "--models=heuristics,linear_svc,majority", f"--workdir={tmp_path}"]
    result = scripts.run("experiments.compare_models", *arguments, "--seeds=1")
    assert result.returncode == 0, result.stderr
    written = json.loads((tmp_path / "comparison.json").read_text())
    models = [line["model"] for line in written["models"]]
    assert (models[0], models[-1], len(models)) == ("majority", "linear_svc", 4)
    for name in ("accuracy_against_examples", "cost_above_optimum"):
        assert (tmp_path / "figures" / f"{name}.png").stat().st_size > 5000
    kept = {path.name: path.read_bytes() for path in (tmp_path / "rows").iterdir()}
    assert len(kept) == 4
    (tmp_path / "rows" / "majority-0.json").unlink()
    # A row is missing and a seed more is asked for, of fewer models.
    more = [*TINY, "--seeds=2", "--models=majority,heuristics", f"--workdir={tmp_path}", "--resume"]
    result = scripts.run("experiments.compare_models", *more)
    assert result.returncode == 0, result.stderr
    now = {path.name: path.read_bytes() for path in (tmp_path / "rows").iterdir()}
    assert len(now) == 7
    assert all(now[name] == kept[name] for name in kept if name != "majority-0.json")
    accuracies = [json.loads(now[f"majority-{seed}.json"])["test_accuracy"] for seed in (0, 1)]
    assert accuracies[0] == json.loads(kept["majority-0.json"])["test_accuracy"]
    line = json.loads((tmp_path / "comparison.json").read_text())["models"][0]
    assert line["test_accuracy"]["mean"] == pytest.approx(np.mean(accuracies))
    assert line["test_accuracy"]["std"] == pytest.approx(statistics.stdev(accuracies))
    error = scripts.error_of("experiments.compare_models", *more, "--max_dim=61")
    assert "--max_dim: 61 is not allowed; expected 60" in error
    error = scripts.error_of("experiments.compare_models", *more, "--models=papr")
    assert "--models: 'papr' is not allowed; expected all or some of majority" in error
    error = scripts.error_of("experiments.generalisation", f"--workdir={tmp_path}", "--resume")
    assert "holds a run of compare_models, not of generalisation" in error
    row = tmp_path / "rows" / "majority-0.json"
    row.write_text(row.read_text().replace('"seed": 0', '"seed": 7'))
    error = scripts.error_of("experiments.compare_models", *more)
    assert f"{row}: damaged or edited" in error


def test_figures_have_a_panel_per_model_and_no_empty_ones():
    """More models than there are colours that can be told apart; heuristics are not trained."""
    shares = np.linspace(0.5, 1, len(model_rows.SHARES)).tolist()
    rows = [
        {"model": f"model {number}", "curve": [], "performance_at_shares": shares}
        for number in range(14)
    ]
    assert list(plots.figures(rows)) == ["cost_above_optimum"]
    rows[0]["curve"] = [{"examples": 10, "accuracy": 0.5}, {"examples": 100, "accuracy": 0.75}]
    found = plots.figures(rows)
    assert len(found["accuracy_against_examples"][1].axes) == 1
    figure = found["cost_above_optimum"][1]
    figure_checks.check(figure)
    assert [axes.get_title() for axes in figure.axes] == [row["model"] for row in rows]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()][:2] == [
        "optimal",
        "0.01",
    ]
