"""The parts of report pages: cells and their order, figures and their data, ticks and labels."""

import html.parser
import json
import re

import numpy as np
import pytest

from airchitect_jax.reporting import (
    configuration,
    document,
    facts,
    figure,
    number_text,
    style,
    table,
    tiles,
)

HOSTILE = '"><script>alert(1)</script>&'


class Page(html.parser.HTMLParser):
    """Texts by tag, attributes by tag, and whether all that opens closes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else None, data))

    def all(self, tag):
        return [attrs for found, attrs in self.found if found == tag]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1234567, "1,234,567"),
        (0.123456, "0.1235"),
        (1234.5678, "1,235"),
        (-98765.4, "-98,765"),
        (3.2e-7, "3.2e-07"),
        (7.123e18, "7.123e+18"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_have_sensible_digits(value, text):
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        ([1234, 5], ["1234", "5"]),
        (["1,234 ms", "7.5 ms"], ["1234", "7.5"]),
        (["12.3%", "", None, "-1%"], ["12.3", None, None, "-1"]),
        (["1e+09 fJ", "2e-3"], ["1e+09", "2e-3"]),
        (["128x64", "12"], [None, None]),  # not all are numbers
        (["conv1", "2"], [None, None]),
        ([True, False], [None, None]),
        ([], []),
    ],
)
def test_columns_of_numbers_carry_their_values(cells, values):
    page = Page(table(["name", "what"], [["x", cell] for cell in cells]))
    assert [cell.get("data-value") for cell in page.all("td")] == values
    is_numeric = any(values)
    assert all(("number" in cell.get("class", "")) == is_numeric for cell in page.all("td"))
    assert all(cell["data-label"] == "what" for cell in page.all("td"))
    assert len(page.all("button")) == (2 if len(cells) > 1 else 0)  # one row has no order


def test_every_value_is_escaped():
    page = Page(
        document(
            HOSTILE,
            table([HOSTILE, "b"], [[HOSTILE, 1], [HOSTILE, 2]], HOSTILE)
            + facts(HOSTILE, [(HOSTILE, HOSTILE)])
            + tiles(HOSTILE, [(HOSTILE, HOSTILE)], [(HOSTILE, HOSTILE)])
            + configuration({HOSTILE: HOSTILE})
            + figure("<svg></svg>", HOSTILE),
        )
    )
    assert len(page.all("script")) == 1
    assert [text for tag, text in page.texts if tag == "title"] == [HOSTILE]
    assert sum(text.count(HOSTILE) for _, text in page.texts) == 16


def test_wide_tables_become_cards_sooner():
    def needed(*header):
        text = document("t", table(header, [["x" * 9] * len(header)] * 2))
        (width,) = set(re.findall(r"max-width: (\d+)em", text))
        assert f'class="needs-{width}"' in text
        return int(width)

    assert needed("a") < needed("a", "b") < needed("a", "b", "a long heading: Donaudampfschiff")


def test_the_configuration_shows_flags_that_are_set():
    page = Page(
        configuration({"seed": 0, "dim": [], "workload": ["a", "b"], "x": None, "y": False})
    )
    spans = [text for tag, text in page.texts if tag == "span"]
    assert spans == ["--seed", "0", "--workload", "a, b", "--y", "false"]


@style.styled
def drawing(records=True):
    figure, axes = style.new_figure(width=style.PHONE)
    marks = axes.scatter([1, 10, 100], [3, 2, 1], s=[20, 30, 40], c=[1, 2, 3], edgecolor="white")
    bars = axes.bar([1, 2], [3, 4], color=style.BLUE)
    if records:
        figure.tell(marks, [[("layer", f"{HOSTILE}{index}")] for index in range(3)])
        figure.tell(bars, [[("bar", "one"), ("cycles", "1")], [("bar", "other"), ("cycles", "2")]])
    return figure


def test_a_figure_carries_its_data_and_is_always_the_same():
    text = style.to_svg(drawing(), "first")
    assert text == style.to_svg(drawing(), "first")
    page = Page(text)
    records = [
        json.loads(attrs["data-record"]) for _, attrs in page.found if "data-record" in attrs
    ]
    assert records == [
        *([f"{HOSTILE}{index}"] for index in range(3)),
        ["one", "1"],
        ["other", "2"],
    ]
    headings = [json.loads(a["data-headings"]) for _, a in page.found if "data-headings" in a]
    assert headings == [["layer"], ["bar", "cycles"], ["bar", "cycles"]]
    assert "data-record" not in style.to_svg(drawing(records=False), "first")
    # Colours that follow the scheme, and texts that are texts.
    assert "#000000" not in text
    assert "#ffffff" not in text
    assert "var(--blue, #0072b2)" in text
    assert page.all("text")


def test_ids_of_several_figures_on_a_page_differ():
    pages = [Page(style.to_svg(drawing(), name)) for name in ("first", "second")]
    ids = [[attrs["id"] for _, attrs in page.found if "id" in attrs] for page in pages]
    assert ids[0]
    assert not set(ids[0]) & set(ids[1])
    for page, own in zip(pages, ids, strict=True):
        used = [attrs["href"].removeprefix("#") for attrs in page.all("use")]
        used += re.findall(r"url\(#([^)]+)\)", str(page.found))
        assert set(used) == set(own)


def test_another_number_of_records_than_marks_is_refused():
    figure, axes = style.new_figure()
    figure.tell(axes.scatter([1, 2], [1, 2]), [[("a", "1")]])
    with pytest.raises(ValueError, match="records: 1 for 2 marks of marks0"):
        style.to_svg(figure, "wrong")


@pytest.mark.parametrize(
    ("low", "high"),
    [(1, 1e12), (0.02, 0.3), (1e6, 1.04e6), (7, 7), (3e-9, 5e9), (1234567, 1234568), (20, 90)],
)
def test_logarithmic_axes_have_few_plain_ticks(low, high):
    _, axes = style.new_figure()
    axes.scatter([low, high], [low, high])
    axes.set_xscale("log")
    style.plain_log(axes.xaxis)
    start, end = axes.get_xlim()
    ticks, names = axes.get_xticks(), [tick.get_text() for tick in axes.get_xticklabels()]
    assert 1 <= len(ticks) <= 6
    assert all(start <= tick <= end for tick in ticks)
    assert len(set(names)) == len(names)
    assert not any("$" in name or "^" in name for name in names)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.02, "0.02"), (500, "500"), (9999, "9999"), (10_000, "10k"), (1.5e6, "1.5M"), (2e9, "2G")],
)
def test_ticks_are_compact(value, text):
    assert style.compact(value) == text


def test_names_of_points_cover_no_other_name_and_no_line():
    rng = np.random.default_rng(0)
    figure, axes = style.new_figure(width=style.PHONE)
    places = [tuple(place) for place in rng.random((12, 2))]
    axes.scatter(*zip(*places, strict=True))
    axes.plot([0, 1], [0, 1])
    style.label_points(axes, places, [f"layer {index}" for index in range(12)], most=12)
    figure.draw_without_rendering()
    boxes = [name.get_window_extent() for name in axes.texts]
    line = axes.lines[0].get_transform().transform_path(axes.lines[0].get_path())
    assert len(boxes) > 6
    assert axes.texts[0].get_text() == "layer 0"
    panel = axes.get_window_extent()
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:index])
        assert not line.intersects_bbox(box, filled=False)
        assert panel.x0 <= box.x0
        assert box.x1 <= panel.x1
