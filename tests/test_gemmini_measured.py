"""Measured cycles of Gemmini: files, splits, report, and python -m experiments.validate_gemmini."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import scripts

from airchitect_jax.cost import Convolution
from airchitect_jax.learning import gemmini_calibration, read_calibration
from airchitect_jax.reporting.style import to_png
from airchitect_jax.studies.gemmini import (
    markdown,
    packaged_measurements,
    predict,
    predictions,
    predictions_csv,
    read_measurements,
    summarize,
)
from airchitect_jax.studies.gemmini.figure import measured_figure

DATA = scripts.ROOT / "tests" / "testdata" / "gemmini"


def test_rows_are_read():
    layers, mappings = (read_measurements(DATA / f"{name}.csv") for name in ("layers", "mappings"))
    first = layers[0]
    # L3[WIO] K48 - L2[WI] N1 K16X - L1[O] C48 P16 C16X - L0[W] P8
    assert first.layer == Convolution(p=128, k=768, c=768)
    assert first.tile == Convolution(p=128, k=16, c=768)
    assert (first.order, first.block, first.stride) == ("k", 16, 1)
    assert (first.cycles, first.timeloop_cycles) == (566626, 294912)
    assert (first.machine.scratchpad_bytes, first.machine.accumulator_bytes) == (110592, 16384)
    assert first.machine.name == "16 x 16, 108 + 16 KB"
    assert (first.auto_tile, first.auto_cycles) == (Convolution(p=80, k=80, c=768), 370440)
    # L3[WIO] K8 Q28 - L2[WI] N1 K4X - L1[O] K2 S7 R7 Q4 P7 C3X - L0[W] P16
    other = mappings[0]
    assert other.layer == Convolution(q=112, p=112, k=64, r=7, s=7, c=3)
    assert other.tile == Convolution(q=4, p=112, k=8, r=7, s=7, c=3)
    assert (other.order, other.block, other.stride, other.machine.side) == ("kq", 4, 2, 128)
    assert other.timeloop_cycles is None  # that column repeats the measurement there
    assert other.auto_steps is None


@pytest.mark.parametrize(
    ("column", "value", "allowed"),
    [
        ("prob.C", "0", "a whole number in 1..9007199254740992"),
        ("prob.Wstride", "2", "prob.Hstride, 1"),
        ("target.gemmini_cycle", "", "a whole number in 1..9007199254740992"),
        ("target.gemmini_cycle", "nan", "a whole number in 1..9007199254740992"),
        ("arch.meshX", "8", "at least 16, a spatial factor"),
        ("mapping.mapping", "K48", "levels L3 to L0 like"),
        (
            "mapping.mapping",
            "L3[WIO] K2 - L2[WI] N1 - L1[O] N1 - L0[W] N1",
            "factors of P that cover",
        ),
        ("dse.auto_tiling", "1_1_80_1", "seven whole numbers joined by _"),
    ],
)
def test_bad_entries_are_named(column, value, allowed, tmp_path):
    header, *lines = (DATA / "layers.csv").read_text().splitlines()
    cells = lines[0].split(",")
    cells[header.split(",").index(column)] = value
    path = tmp_path / "bad.csv"
    path.write_text("\n".join([header, lines[1], ",".join(cells)]))
    with pytest.raises(ValueError, match=r"bad.csv, line 3: ") as error:
        read_measurements(path)
    assert f": {column}: {value!r} " in str(error.value)
    assert f"is not allowed; expected {allowed}" in str(error.value)


def test_files_without_measurements_are_refused(tmp_path):
    path = tmp_path / "bad.csv"
    header = (DATA / "layers.csv").read_text().splitlines()[0]
    path.write_text(header.replace("prob.Q", "prob.X"))
    with pytest.raises(ValueError, match=r"bad\.csv: column prob\.Q is missing$"):
        read_measurements(path)
    path.write_text(header)
    with pytest.raises(ValueError, match=r"bad\.csv: no measurements$"):
        read_measurements(path)
    path.write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ValueError, match=r"bad\.csv: not a CSV file"):
        read_measurements(path)


def test_arrays_with_few_layers_are_calibrated_on_others():
    layers = read_measurements(DATA / "layers.csv")
    others = [
        dataclasses.replace(row, machine=dataclasses.replace(row.machine, side=32))
        for row in layers[:3]
    ]
    assert predictions._of_side([*layers, *others], 32) == [*layers, *others]
    packaged = packaged_measurements()
    assert predictions._of_side([*packaged, *others], 16) == packaged


@pytest.fixture
def predicted(monkeypatch):
    """Predictions of a few rows, and what each calibration was fitted to."""
    fitted = []

    def fit(rows):
        fitted.append(rows)
        return gemmini_calibration()

    monkeypatch.setattr(predictions, "fit_rows", fit)
    rows = [
        row for name in ("layers", "mappings") for row in read_measurements(DATA / f"{name}.csv")
    ]
    return predict(rows, packaged_measurements(), seed=0), fitted


def test_no_calibration_has_seen_what_it_predicts(predicted):
    result, fitted = predicted
    machines = sorted({row.machine for row in result.rows}, key=dataclasses.astuple)
    for machine, rows in zip(machines, fitted, strict=False):
        assert machine not in {row.machine for row in rows}
        # Of the 148 packaged, all on other machines; where the array has no other, all the same.
        assert len(rows) == 148 - sum(row.machine == machine for row in packaged_measurements())
    layers = {row.layer_key for row in result.rows}
    left_out = set()
    for rows in fitted[len(machines) :]:
        left_out |= layers - {row.layer_key for row in rows}
    assert left_out == layers


def test_summary_report_and_figure(predicted):
    result, _ = predicted
    summary = summarize(result)
    layers = sum(row.timeloop_cycles is not None for row in result.rows)
    assert summary["num_rows"] == layers == 9
    assert set(summary["spearman"]) == {"uncalibrated", "calibrated", "timeloop", "tiled"}
    measured = np.array([row.cycles for row in result.rows[:layers]])
    timeloop = np.array([row.timeloop_cycles for row in result.rows[:layers]])
    errors = np.abs(timeloop / measured - 1)
    assert summary["median_error"]["timeloop"] == pytest.approx(np.median(errors))
    inside = (result.by_layer.low[:layers] <= measured) & (
        measured <= result.by_layer.high[:layers]
    )
    assert summary["by_layer"]["coverage_90"]["calibrated"] == pytest.approx(inside.mean())
    assert summary["arrays"]["128 x 128"]["by_machine"]["median_error"]["timeloop"] is None
    assert summary["auto"]["num_rows"] == layers
    json.dumps(summary, allow_nan=False)
    page = markdown(summary, ["one"])
    assert "| Timeloop |" in page
    assert "![one](figures/one.png)" in page
    lines = list(csv.DictReader(predictions_csv(result).splitlines()))
    assert [float(line["measured"]) for line in lines] == [row.cycles for row in result.rows]
    assert {line["timeloop"] for line in lines[layers:]} == {""}
    assert to_png(measured_figure(result)).startswith(b"\x89PNG")


def test_a_bad_file_takes_one_line(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text((DATA / "layers.csv").read_text().replace(",16,", ",16x,", 1))
    error = scripts.error_of(
        "experiments.validate_gemmini", f"--data={path}", f"--workdir={tmp_path}"
    )
    assert "bad.csv, line 2: arch.meshX: '16x' is not allowed" in error


@pytest.mark.slow
def test_the_script_reaches_the_goals_on_the_packaged_measurements(tmp_path):
    result = scripts.run("experiments.validate_gemmini", f"--workdir={tmp_path}")
    assert result.returncode == 0, result.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["num_rows"] == 148
    assert summary["spearman"]["uncalibrated"] >= 0.985
    assert summary["median_error"]["uncalibrated"] <= 0.15
    for split, most in ((summary, 0.07), (summary["by_layer"], 0.12)):
        assert split["spearman"]["calibrated"] >= 0.985
        assert split["median_error"]["calibrated"] <= most
        assert 0.85 <= split["coverage_90"]["calibrated"] <= 0.95
    for name in ("predictions.csv", "validation.md", "figures/validate_gemmini.png"):
        assert (tmp_path / name).stat().st_size > 0
    assert read_calibration(tmp_path / "calibration.json").coverage == 0.9
