"""The cycle model: hand-worked cases, golden rows of the package, a plain reference, limits."""

import csv
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from airchitect_jax import (
    ArrayDesign,
    ArrayShape,
    Dataflow,
    Gemm,
    RuntimeModel,
    compute_cycles,
    compute_report,
    evaluate,
)

GOLDEN = pathlib.Path(__file__).parent / "testdata" / "scalesim_3_0_0.csv"
dims = st.one_of(st.integers(1, 40), st.integers(1, 10_000), st.integers(1, 9_000_000))
sides = st.one_of(st.integers(1, 40), st.integers(1, 2**17))
dataflows = st.sampled_from(list(Dataflow))
models = st.sampled_from(list(RuntimeModel))


def golden_rows():
    with GOLDEN.open() as file:
        return list(csv.DictReader(file))


def report_of(row):
    numbers = {name: int(row[name]) for name in ("M", "N", "K", "rows", "cols")}
    return evaluate(
        Gemm(m=numbers["M"], n=numbers["N"], k=numbers["K"]),
        ArrayDesign(
            rows=numbers["rows"], cols=numbers["cols"], dataflow=Dataflow[row["dataflow"].upper()]
        ),
    )


@pytest.mark.parametrize(
    ("dataflow", "model", "expected"),
    [
        # 5 x 7 x 9 on 2 x 4. OS: folds 3 * 2, each 2 + 4 + 9 - 2 = 13 cycles.
        (Dataflow.OS, RuntimeModel.SCALESIM, 6 * 13 - 1),
        # WS: k on rows, n on cols: folds 5 * 2, each 2 * 2 + 4 + 5 - 2 = 11.
        (Dataflow.WS, RuntimeModel.SCALESIM, 10 * 11 - 1),
        # IS: k on rows, m on cols: folds 5 * 2, each 2 * 2 + 4 + 7 - 2 = 13.
        (Dataflow.IS, RuntimeModel.SCALESIM, 10 * 13 - 1),
        (Dataflow.OS, RuntimeModel.ISPASS2020, 6 * 15),
        (Dataflow.WS, RuntimeModel.ISPASS2020, 10 * 11),
        (Dataflow.IS, RuntimeModel.ISPASS2020, 10 * 13),
    ],
)
def test_hand_worked(dataflow, model, expected):
    gemm, array = Gemm(m=5, n=7, k=9), ArrayShape(rows=2, cols=4)
    assert compute_cycles(gemm, array, dataflow, model) == expected


def test_golden_rows_without_stalls_match_to_the_cycle():
    rows = [row for row in golden_rows() if row["mode"] == "CALC"]
    assert len(rows) == 40
    for row in rows:
        assert int(report_of(row).compute_cycles) == int(row["total_cycles"]), row


def test_golden_compute_cycles_and_utilisations_of_all_rows():
    for row in golden_rows():
        report = report_of(row)
        assert int(report.compute_cycles) == int(row["compute_cycles"]), row
        np.testing.assert_allclose(100 * report.mapping_efficiency, float(row["mapping_eff"]))
        np.testing.assert_allclose(100 * report.compute_utilization, float(row["compute_util"]))
        if row["mode"] == "CALC":
            np.testing.assert_allclose(100 * report.overall_utilization, float(row["overall_util"]))


@given(m=dims, n=dims, k=dims, rows=sides, cols=sides, dataflow=dataflows, model=models)
@settings(max_examples=300)
def test_python_integers_match_the_reference(m, n, k, rows, cols, dataflow, model):
    ours = compute_cycles(Gemm(m=m, n=n, k=k), ArrayShape(rows=rows, cols=cols), dataflow, model)
    assert ours == reference.cycles(m, n, k, rows, cols, dataflow.name, model.value)
    assert isinstance(ours, int)


@given(
    st.lists(st.tuples(dims, dims, dims, sides, sides, dataflows), min_size=1, max_size=40), models
)
@settings(max_examples=60)
def test_evaluate_matches_the_reference_or_refuses(rows, model):
    m, n, k, array_rows, cols, dataflow = (np.array(column) for column in zip(*rows, strict=True))
    expected = [reference.cycles(*map(int, row[:5]), row[5].name, model.value) for row in rows]
    workloads = Gemm(m=m, n=n, k=k)
    designs = ArrayDesign(rows=array_rows, cols=cols, dataflow=dataflow)
    if max(expected) >= 2**63:
        with pytest.raises(ValueError, match="int64"):
            evaluate(workloads, designs, runtime_model=model)
    elif max(expected) < 2**62:
        report = evaluate(workloads, designs, runtime_model=model)
        assert report.compute_cycles.tolist() == expected
        assert report.compute_cycles.dtype == np.int64


@given(m=dims, n=dims, k=dims, rows=sides, cols=sides, dataflow=dataflows)
@settings(max_examples=100)
def test_utilisations_are_shares(m, n, k, rows, cols, dataflow):
    report = compute_report(Gemm(m=m, n=n, k=k), ArrayShape(rows=rows + 1, cols=cols), dataflow)
    assert 0 < report.mapping_efficiency <= 1
    assert 0 < report.compute_utilization <= report.mapping_efficiency
    assert report.row_folds == -(-{0: m, 1: k, 2: k}[dataflow] // (rows + 1))


def test_evaluate_broadcasts_both_axes():
    report = evaluate(
        Gemm(m=np.arange(1, 6)[:, None], n=3, k=4),
        ArrayDesign(rows=np.array([2, 3, 5]), cols=7, dataflow=np.array([0, 1, 2])),
    )
    assert report.compute_cycles.shape == (5, 3)
    assert report.compute_cycles[4, 2] == reference.cycles(5, 3, 4, 5, 7, "IS", "scalesim")


def test_evaluate_of_nothing_is_empty():
    empty = np.zeros(0, np.int64)
    designs = ArrayDesign(rows=2, cols=2, dataflow=0)
    assert evaluate(Gemm(m=empty, n=1, k=1), designs).compute_cycles.shape == (0,)


def test_narrow_integers_are_refused():
    gemm = Gemm(m=jnp.int32(5), n=jnp.int32(5), k=jnp.int32(5))
    with pytest.raises(TypeError, match="64 bits"):
        compute_cycles(gemm, ArrayShape(rows=2, cols=2), Dataflow.OS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"m": 0}, "m: 0 is not allowed"),
        ({"k": -3}, "k: -3 is not allowed"),
        ({"n": 2.5}, "n: 2.5 is not allowed"),
        ({"n": float("nan")}, "n: nan is not allowed"),
        ({"m": 2**31}, "m: 2147483648 is not allowed"),
        ({"m": 2**80}, f"m: {2**80} is not allowed"),
        ({"m": np.array([1, 0])}, "m: 0 at row 1 is not allowed"),
        ({"m": "seven"}, "m: expected integers"),
    ],
)
def test_bad_workloads_are_named(change, message):
    gemm = Gemm(**({"m": 1, "n": 1, "k": 1} | change))
    with pytest.raises(ValueError, match=message):
        evaluate(gemm, ArrayDesign(rows=2, cols=2, dataflow=Dataflow.OS))


def test_bad_designs_are_named():
    gemm = Gemm(m=1, n=1, k=1)
    with pytest.raises(ValueError, match="dataflow: 3 is not allowed"):
        evaluate(gemm, ArrayDesign(rows=2, cols=2, dataflow=3))
    with pytest.raises(ValueError, match="rows: 0 is not allowed"):
        evaluate(gemm, ArrayDesign(rows=0, cols=2, dataflow=0))


def test_gradients_flow_through_the_time_dimension():
    def cost(k):
        return compute_cycles(
            Gemm(m=64.0, n=64.0, k=k), ArrayShape(rows=8.0, cols=8.0), Dataflow.OS
        )

    assert jax.grad(cost)(100.0) == 64.0  # one cycle for each of the 8 * 8 folds
