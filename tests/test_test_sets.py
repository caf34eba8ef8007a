"""Fixed test sets: what is asked never changes, and answers are scored by the exact model."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import reference
import scripts

from airchitect_jax import load_network, recommend
from airchitect_jax.case_studies import ArrayDataflowCase
from airchitect_jax.learning import Split, sample_dataset
from airchitect_jax.test_sets import (
    fixed_set,
    fixed_set_names,
    read_predictions,
    write_questions,
)
from airchitect_jax.test_sets.case_sets import CaseSet

NUM = 300
SMALL = CaseSet(
    name="small",
    title="a few workloads",
    sha256="",
    case=ArrayDataflowCase(min_mac_exponent=5, max_mac_exponent=8, max_dim=64),
    num=NUM,
)
MACHINES = fixed_set("machines")
SLOW = ("case_study2", "case_study2_scalesim3", "case_study3")


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in fixed_set_names()],
)
def test_what_is_asked_is_as_recorded(name):
    fixed = fixed_set(name)
    assert fixed.digest() == fixed.sha256


@pytest.mark.slow
def test_case_study1_is_the_test_set_of_its_runs():
    questions = fixed_set("case_study1").questions
    assert len(questions["id"]) == 100_000
    few = sample_dataset(ArrayDataflowCase(), seed=0, num=50, split=Split.TEST)
    np.testing.assert_array_equal(questions["mac_budget"][:50], 1 << few.workloads[0])
    np.testing.assert_array_equal(questions["k"][:50], few.workloads[3])


@pytest.mark.parametrize("fixed", [SMALL, MACHINES], ids=lambda fixed: fixed.name)
def test_exact_answers_score_one(fixed):
    assert fixed.score(fixed.optima) == {
        "accuracy": 1.0,
        "optimal_set_accuracy": 1.0,
        "infeasible_share": 0.0,
        "geomean_normalized_performance": 1.0,
        "p01_normalized_performance": 1.0,
        "min_normalized_performance": 1.0,
    }


def question(number):
    return [int(values[number]) for name, values in SMALL.questions.items() if name != "id"]


def cost(number, design):
    _, m, n, k = question(number)
    return reference.cycles(m, n, k, *reference.designs()[design], "scalesim")


def feasible(number):
    budget = question(number)[0]
    return [i for i, (rows, cols, _) in enumerate(reference.designs()) if rows * cols <= budget]


def test_a_tie_counts_in_the_optimal_set_only():
    for number in range(NUM):
        best = int(SMALL.optima[number])
        ties = [d for d in feasible(number) if d != best and cost(number, d) == cost(number, best)]
        if ties:
            break
    chosen = SMALL.optima.copy()
    chosen[number] = ties[0]
    score = SMALL.score(chosen)
    assert score["accuracy"] == 1 - 1 / NUM
    assert score["optimal_set_accuracy"] == score["min_normalized_performance"] == 1


def test_a_worse_and_an_infeasible_design_by_hand():
    chosen = SMALL.optima.copy()
    worst = max(feasible(0), key=lambda design: cost(0, design))
    chosen[0] = worst
    chosen[1] = len(reference.designs()) - 1  # of the largest array
    score = SMALL.score(chosen)
    assert score["accuracy"] == score["optimal_set_accuracy"] == 1 - 2 / NUM
    assert score["infeasible_share"] == pytest.approx(1 / NUM)
    performance = cost(0, int(SMALL.optima[0])) / cost(0, worst)
    assert score["min_normalized_performance"] == performance
    assert score["geomean_normalized_performance"] == pytest.approx(performance ** (1 / (NUM - 1)))


def test_nothing_feasible_has_no_performance():
    assert SMALL.score(np.full(NUM, 458)) == {
        "accuracy": 0.0,
        "optimal_set_accuracy": 0.0,
        "infeasible_share": 1.0,
    }


@pytest.mark.parametrize("fixed", [SMALL, MACHINES], ids=lambda fixed: fixed.name)
def test_floors_are_feasible_and_below_the_optimum(fixed):
    report = fixed.report(fixed.optima)
    for metrics in report["floors"].values():
        assert metrics["infeasible_share"] == 0
        assert metrics["geomean_normalized_performance"] < 1
    assert json.loads(json.dumps(report)) == report
    assert len(report["floors"]) == len({str(metrics) for metrics in report["floors"].values()})


def test_the_majority_floor_is_the_most_frequent_label_that_fits():
    labels = sample_dataset(SMALL.case, seed=0, num=20_000, split=Split.VALIDATION).design_ids
    counts = np.bincount(labels, minlength=459)
    majority = SMALL.floors()["majority class"]
    for number in range(0, NUM, 20):
        assert majority[number] == max(feasible(number), key=lambda d: (counts[d], -d))


@pytest.mark.parametrize(("network", "exponent"), [("dlrm", 10), ("resnet50", 14)])
def test_machines_are_those_of_recommend(network, exponent):
    number = next(
        n
        for n, (own, budget) in enumerate(MACHINES.pairs)
        if (own.name, budget) == (network, 1 << exponent)
    )
    found = recommend(load_network(network), mac_budget=1 << exponent)
    best = MACHINES.optima[number]
    design = [int(values[best]) for values in MACHINES.parameters.values()]
    sizes = vars(found.design.buffers).values()
    assert design == [found.design.rows, found.design.cols, *(size // 1024 for size in sizes)]
    assert MACHINES.costs(np.array([number]), np.array([best])) == found.cycles


@pytest.mark.slow
def test_stored_labels_are_exact():
    fixed = fixed_set("case_study2_scalesim3")
    some = np.arange(0, fixed.num, 100)
    labels = fixed.case.exact(fixed.data.workloads[:, some]).design_id
    np.testing.assert_array_equal(labels, fixed.optima[some])


def write(path, header, rows):
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def parameters_of(ids):
    designs = SMALL.case.space.decode(ids)
    flows = np.array(["OS", "WS", "IS"])[designs.dataflow]
    return zip(designs.rows, designs.cols, flows, strict=True)


def test_predictions_in_each_form(tmp_path):
    chosen = np.random.default_rng(0).integers(0, 459, NUM)
    order = np.random.default_rng(1).permutation(NUM)
    files = [
        write(tmp_path / "ordered.csv", "design_id", chosen[:, None]),
        write(
            tmp_path / "id.csv", "Id, Design_ID ,why", zip(order, chosen[order], order, strict=True)
        ),
        write(tmp_path / "named.csv", "rows,cols,dataflow", parameters_of(chosen)),
    ]
    table = {"id": order, "design_id": chosen[order].astype(np.int16)}
    pq.write_table(pa.table(table), tmp_path / "table.parquet")
    designs = vars(SMALL.case.space.decode(chosen))
    pq.write_table(pa.table(designs), tmp_path / "parameters.parquet")
    for path in [*files, tmp_path / "table.parquet", tmp_path / "parameters.parquet"]:
        np.testing.assert_array_equal(read_predictions(path, SMALL), chosen, err_msg=path.name)


@pytest.mark.parametrize(
    ("header", "change", "message"),
    [
        ("id,design_id", (3, [3, 459]), r"row 4: design_id: 459 is not allowed; expected a"),
        ("id,design_id", (3, [3, "x"]), "row 4: design_id: 'x' is not allowed; expected a whole"),
        ("id,design_id", (3, [3, ""]), "row 4: design_id: '' is not allowed"),
        ("id,design_id", (3, [3, "1.5"]), r"row 4: design_id: 1\.5 is not allowed"),
        ("id,design_id", (3, [2, 1]), "row 4: id: 2 is answered twice"),
        ("id,design_id", (3, [NUM, 1]), r"row 4: id: 300 is not allowed; .* in 0\.\.299"),
        ("id,design_id", (3, None), "id: 3 has no row; 1 of 300 are missing"),
        ("id,design_id", (3, [3]), "cannot be read: row 4 has 1 of 2 cells"),
        ("design_id,id,id", (3, [1, 3, 3]), "cannot be read: row 1 has 2 of 3 cells"),
        ("other,design_id", (3, None), "299 rows are not allowed; expected 300, or a column id"),
        ("id,design", (3, [3, 1]), "there is no column rows; expected design_id, or rows, cols,"),
    ],
)
def test_bad_predictions(tmp_path, header, change, message):
    rows = [[number, 0] for number in range(NUM)]
    number, row = change
    rows[number : number + 1] = [] if row is None else [row]
    path = write(tmp_path / "mine.csv", header, rows)
    with pytest.raises(ValueError, match=rf"mine\.csv: {message}"):
        read_predictions(path, SMALL)


@pytest.mark.parametrize(
    ("design", "message"),
    [
        ([3, 2, "OS"], "row 2: rows: 3 is not allowed; expected 2, 4, 8"),
        ([2, 2, "ZS"], "row 2: dataflow: 'ZS' is not allowed; expected OS, WS, IS or"),
        ([131072, 131072, 0], "row 2: there is no design of rows 131072, cols 131072, dataflow 0"),
    ],
)
def test_bad_parameters(tmp_path, design, message):
    rows = [[2, 2, "OS"], design]
    path = write(tmp_path / "mine.csv", "rows,cols,dataflow", rows)
    with pytest.raises(ValueError, match=message):
        read_predictions(path, SMALL)


@pytest.mark.parametrize("name", ["none.csv", "none.parquet"])
def test_a_file_that_is_not_there(tmp_path, name):
    with pytest.raises(ValueError, match=f"{name}: cannot be read"):
        read_predictions(tmp_path / name, SMALL)


def test_an_empty_file(tmp_path):
    (tmp_path / "mine.csv").write_text("")
    with pytest.raises(ValueError, match="there is no column rows"):
        read_predictions(tmp_path / "mine.csv", SMALL)


def test_questions_are_written_without_answers(tmp_path):
    for name in ("q.csv", "q.parquet"):
        write_questions(tmp_path / name, SMALL)
    header, first, *rest = (tmp_path / "q.csv").read_text().splitlines()
    assert header == "id,mac_budget,m,n,k"
    assert first == ",".join(map(str, [0, *question(0)]))
    assert len(rest) == NUM - 1
    assert pq.read_table(tmp_path / "q.parquet").to_pydict() == {
        name: values.tolist() for name, values in SMALL.questions.items()
    }


@pytest.mark.slow
def test_scripts_end_to_end(tmp_path):
    written = scripts.run(
        "experiments.test_set", "--set=machines", f"--output={tmp_path / 'machines.csv'}"
    )
    assert written.returncode == 0, written.stderr
    assert "104 questions" in written.stdout
    assert MACHINES.sha256 in written.stdout
    header = ",".join(MACHINES.parameters)
    designs = np.stack(list(MACHINES.parameters.values()), axis=1)[MACHINES.optima]
    mine = write(tmp_path / "mine.csv", header, designs)
    output = tmp_path / "score.json"
    arguments = ["--set=machines", f"--predictions={mine}", f"--output={output}"]
    scored = scripts.run("experiments.score", *arguments, COLUMNS="200")
    assert scored.returncode == 0, scored.stderr
    assert "these predictions" in scored.stdout
    assert "random feasible design" in scored.stdout
    assert json.loads(output.read_text()) == MACHINES.report(MACHINES.optima)
    mine.write_text("id,design_id\n0,0\n")
    assert "mine.csv: id: 1 has no row" in scripts.error_of("experiments.score", *arguments)
