"""Figures, report, progress and files."""

import csv
import dataclasses
import html.parser
import io
import os
import pathlib
import time

import figure_checks
import numpy as np
import pytest
import rich.console
from matplotlib.figure import Figure

from airchitect_jax import ArrayDataflowSpace
from airchitect_jax._support import files
from airchitect_jax._support.progress import TrainingProgress
from airchitect_jax.case_studies import plots as case_studies_plots
from airchitect_jax.learning import plots, report
from airchitect_jax.learning.real_networks import LayerResult, NetworkResult
from airchitect_jax.reporting import style

HOSTILE = "<script>alert('x')</script>$\\frac{&\"_"


def network_result(name=HOSTILE, context="32 MACs"):
    layer = LayerResult(
        layer=HOSTILE,
        m=1,
        n=2,
        k=3,
        count=1,
        in_range=False,
        optimal_design="2x2 OS",
        optimal_cost=5,
        chosen_design="2x2 OS",
        chosen_cost=5,
    )
    return NetworkResult(
        network=name,
        context=context,
        layers=(layer,),
        optimal_cost=5,
        chosen_cost=6,
        single_design="2x2 OS",
        single_cost=10,
    )


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_report_is_self_contained_well_formed_and_escaped():
    figure = plots.training_curves([{"examples": 1, "loss": 1, "accuracy": 0}])
    page = Page(
        report.page(
            HOSTILE,
            question=[("decision", HOSTILE)],
            main=[(HOSTILE, "99%")],
            claims=[(HOSTILE, "1", "2")],
            summary={"key": HOSTILE, "count": 1234567, "share": 0.5},
            config={"eval_workloads": [HOSTILE]},
            drawn=style.to_svgs({"training_curves": (HOSTILE, figure)}),
            networks=[[network_result()]],
        )
    )
    assert page.open == []
    assert page.tags.count("script") == 1
    assert page.text.count(HOSTILE) >= 5
    assert "1,234,567" in page.text
    assert "out of range: exact search" in page.text
    links = [value for name, value in page.attributes if name in ("src", "href")]
    assert all(link.startswith("#") for link in links)


@pytest.mark.slow
def test_figures_are_drawn_from_any_names_and_are_deterministic():
    space = ArrayDataflowSpace()
    rng = np.random.default_rng(0)
    optimal, chosen = rng.integers(0, 459, (2, 200))
    shapes = rng.normal(size=(3, 200))
    history = [
        {"examples": 100, "loss": 3.0, "accuracy": 0.1},
        {
            "examples": 200,
            "loss": 2.0,
            "accuracy": 0.2,
            "validation_loss": 1,
            "validation_accuracy": 1,
        },
    ]
    metrics = {
        f"{name}_normalized_performance": value
        for name, value in (("geomean", 0.9), ("p01", 0.5), ("min", 0.1))
    }
    makers = {
        "curves": lambda: plots.training_curves(history),
        "histogram": lambda: plots.design_histogram(optimal, chosen, 459),
        "above": lambda: plots.cost_above_optimum(
            np.linspace(0.1, 1, 10), {"square": np.ones(10)}, metrics
        ),
        "confusion": lambda: plots.confusion(space.attributes, optimal, chosen),
        "networks": lambda: plots.networks(
            [
                network_result(f"{HOSTILE}{index}", context)
                for index in range(26)
                for context in "ab"
            ]
        ),
        "aspect": lambda: case_studies_plots.aspect_ratio_map(
            *shapes, space.attributes[0], optimal
        ),
    }
    for name, make in makers.items():
        figure = make()
        assert isinstance(figure, Figure), name
        assert all(axes.get_xlabel() for axes in figure.axes if axes.get_title()), name
        first = style.to_png(figure)
        assert first.startswith(b"\x89PNG"), name
        assert style.to_png(make()) == first, name
        figure_checks.check(figure)


def test_every_network_has_a_row_and_optimal_costs_a_place():
    """However many there are, none shares a colour with another, and none is left out."""
    chosen = {"a": (5, 5), "b": (5, 10)}
    results = [
        dataclasses.replace(network_result(name, context), chosen_cost=cost)
        for name, costs in chosen.items()
        for context, cost in zip("xy", costs, strict=True)
    ]
    (axes,) = plots.networks(results).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]  # the dearer on top
    by_label = {line.get_label(): line.get_xdata() for line in axes.lines}
    np.testing.assert_allclose(by_label["one design per layer, as recommended"], [0, 50])
    np.testing.assert_allclose(by_label["the best single design for all layers"], [100, 100])
    low, _ = axes.get_xlim()
    assert low < 0
    assert axes.get_xticks()[0] == 0


def test_confusion_has_numbers_where_cells_have_room():
    space = ArrayDataflowSpace()
    optimal = np.array([0, 0, 0, 1])
    figure = plots.confusion(space.attributes, optimal, np.array([0, 0, 1, 1]))
    dataflow, shape, *_ = figure.axes
    assert [text.get_text() for text in dataflow.texts] == ["67", "33", "100"]
    assert not shape.texts


def test_confusion_counts_agreement():
    space = ArrayDataflowSpace()
    figure = plots.confusion(space.attributes[:1], np.array([0, 1, 2, 3]), np.array([0, 1, 5, 4]))
    assert figure.axes[0].get_title() == "dataflow: 75.0% agree"


def test_progress_writes_plain_lines_where_there_is_no_terminal():
    text = io.StringIO()
    with TrainingProgress(rich.console.Console(file=text, width=40)) as progress:
        history = []
        for step in (64, 128):
            history.append(
                {"step": step, "epoch": 1, "loss": 2.5, "accuracy": 0.25, "seconds": step / 64}
            )
            progress(history, 128)
    first, last = text.getvalue().splitlines()
    assert first.startswith("step 64/128  epoch 1")
    assert last == "step 128/128  epoch 1  64.0 steps/s  loss 2.5  accuracy 25.0%  0 s left"
    assert "\x1b" not in text.getvalue()


def test_progress_draws_a_bar_on_a_terminal():
    text = io.StringIO()
    console = rich.console.Console(file=text, force_terminal=True, width=120)
    with TrainingProgress(console) as progress:
        row = {"step": 64, "epoch": 1, "loss": 2.5, "accuracy": 0.25, "seconds": 1.0}
        progress([row], 128)
        progress([row, row | {"step": 128, "seconds": 2.0}], 128)
        time.sleep(0.15)
    assert "100%" in text.getvalue()
    assert "64.0 steps/s" in text.getvalue()


def test_files_are_whole_or_absent(tmp_path):
    path = tmp_path / "deep" / "file.json"
    files.write_json(path, {"a": 1})
    assert files.read_json(path) == {"a": 1}

    def fail():
        with files.atomic_path(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert files.read_json(path) == {"a": 1}
    assert [entry.name for entry in path.parent.iterdir()] == ["file.json"]
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(path, {"a": float("nan")})


@pytest.mark.parametrize(
    "text",
    [
        *("=1+1", "+a", "-a", "@a", "\ta", "\ra", "-1+cmd|'/c calc'!A1"),
        *(" =1", "\n=1", "\r=1", "\u200b=1", "\ufeff@a", "\u00a0+a", "\u2060 =1"),
        *("\uff1d1", "\uff0ba", "\uff0da", "\uff20a", "\u200b\uff1d1"),
    ],
)
def test_formulas_are_made_inert_in_every_csv(text):
    assert files.inert(text) == f"'{text}"
    assert files.inert(f"'{text}") == f"'{text}"
    (row,) = csv.reader(io.StringIO(files.csv_text([[text, 1]]), newline=""))
    assert row == [f"'{text}", "1"]


@pytest.mark.parametrize("value", ["-5", "+1.5e-3", "-58.1%", "conv1", " a", "", "\u200b", -5, 2.5])
def test_numbers_and_names_are_left_alone(value):
    assert files.inert(value) == value


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", pathlib.Path("/dev/zero")):
        with pytest.raises(ValueError, match=f"{path}: cannot be read: not a regular file"):
            files.read_json(path)
    for path in (tmp_path, tmp_path / "missing"):
        files.check_regular(path)


def test_files_follow_no_links(tmp_path):
    precious, path = tmp_path / "precious", tmp_path / "out.txt"
    precious.write_text("precious")
    path.symlink_to(precious)
    (tmp_path / ".out.txt.partial").symlink_to(precious)
    with files.atomic_path(path) as one, files.atomic_path(path) as other:
        assert one != other
        for temporary in (one, other):
            temporary.write_text("new")
    assert precious.read_text() == "precious"
    assert not path.is_symlink()
    assert path.read_text() == "new"
    (tmp_path / "plain").write_text("")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
