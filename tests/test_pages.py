"""Report pages as a browser shows them: on a phone, a tablet and a desk, light and dark."""

import dataclasses
import functools
import importlib.resources
import re

import pytest
import study_pages
from browser import browser, open_page, problems  # noqa: F401 - a fixture

from airchitect_jax import Layer, Network, Operator, OperatorKind, recommend
from airchitect_jax.cost import Platform, VectorUnit
from airchitect_jax.experiments import platform_answer, script
from airchitect_jax.oracle.machines import pareto_front
from airchitect_jax.recommendation import plots, report
from airchitect_jax.recommendation.machines import front_plot, recommend_machine
from airchitect_jax.recommendation.machines.report import front_page
from airchitect_jax.reporting import style
from airchitect_jax.spaces import BufferSpace, HardwareSpace

NETWORK = Network(
    name="small <b>",
    layers=(
        Layer(name="encoder.layer.11.attention.output.dense_$x$", m=12544, n=64, k=147),
        Layer(name="<script>alert(1)</script>", m=196, n=256, k=2304, count=1000),
        Layer(name="_hidden", m=1, n=1000, k=2048),
        *(Layer(name=f"conv{place}", m=49 * place, n=64, k=576) for place in range(2, 9)),
    ),
    operators=(
        Operator(
            name="softmax",
            kind=OperatorKind.SOFTMAX,
            operations=5000,
            input_elements=1000,
            output_elements=1000,
            count=3,
        ),
    ),
)
LITTLE = dataclasses.replace(
    NETWORK,
    layers=(
        Layer(name="encoder.layer.11.attention.output.dense_$x$", m=40, n=30, k=70, count=2),
        Layer(name="<script>alert(1)</script>", m=5, n=90, k=64, count=1000),
        Layer(name="_hidden", m=1, n=90, k=64),
    ),
)
SETTINGS = {"workload": ["small"], "mac_budget": 256, "seed": 0, "array": None, "verbose": True}
PLATFORM = Platform(
    name="little",
    hardware=HardwareSpace(
        rows=(4, 12),
        cols=(4, 8),
        num_cores=(1, 2),
        scratchpad_bytes=(65536,),
        accumulator_bytes=(16384,),
        bandwidth_bytes_per_second=(10**9, 8 * 10**9),
    ),
    vector_unit=VectorUnit(lanes=4),
)


def recommended():
    buffers = BufferSpace(step_kb=100, num_levels=2)
    found = recommend(NETWORK, mac_budget=256, sram_budget_kb=600, buffers=buffers)
    points = found.front()
    return report.page(
        "Recommended accelerator for small <b>",
        found,
        points,
        None,
        {found.layers[0].gemm: 123456},
        mac_budget=256,
        sram_budget_kb=600,
        drawn=style.to_svgs(plots.figures(found, points)),
        config=SETTINGS,
    )


@functools.cache
def answers():
    return [recommend_machine(LITTLE, platform) for platform in (PLATFORM, "gemmini")]


@functools.cache
def on_platforms():
    return platform_answer.rendered(SETTINGS, answers(), script.make_console()).pages


def front():
    points = pareto_front(answers()[0].question, num_points=2)
    drawn = style.to_svgs({"front": (front_plot.CAPTION, front_plot.front(points))})
    return front_page(answers()[0], points, drawn=drawn, config=SETTINGS)


# Each a function that makes a page of small answers.
PAGES = {
    "recommend": recommended,
    "platform": lambda: on_platforms()["report.html"],
    "comparison": lambda: on_platforms()["comparison.html"],
    "front": front,
}


@pytest.fixture(scope="module")
def file_of(tmp_path_factory):
    """A function from a name to the file of a page, made once."""
    folder = tmp_path_factory.mktemp("pages")

    def made(name):
        path = folder / f"{name}.html"
        if not path.exists():
            path.write_text(PAGES[name]())
        return path

    return made


@pytest.mark.parametrize("name", PAGES)
def test_all_is_seen_and_nothing_overlaps(browser, file_of, name):  # noqa: F811
    with open_page(browser, file_of(name), 400) as page:
        for width in (400, 800, 1400):
            page.set_viewport_size({"width": width, "height": 900})
            assert problems(page) == [], width
        page.emulate_media(color_scheme="dark")
        assert problems(page) == []
        colors = page.evaluate(
            "() => [...document.querySelectorAll('svg text')]"
            ".map((one) => getComputedStyle(one).fill)"
        )
        assert colors
        assert set(colors) == {
            page.evaluate("() => getComputedStyle(document.body).color")
        }  # the text of figures follows the scheme
        ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        assert ground != "rgb(255, 255, 255)"


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_tables_never_lose_a_column(browser, file_of, name):  # noqa: F811
    with open_page(browser, file_of(name), 320) as page:
        for width in range(320, 1400, 30):
            page.set_viewport_size({"width": width, "height": 900})
            found = [line for line in problems(page) if not line.startswith("text of")]
            assert found == [], width


def test_problems_are_found(browser, tmp_path):  # noqa: F811
    path = tmp_path / "wrong.html"
    path.write_text(
        "<!DOCTYPE html><main><table><tbody><tr><td><div style='width: 900px'>wide</div></td>"
        "<td style='display: none'>gone</td></tr></tbody></table><img>"
        "<svg viewBox='0 0 200 90' width=100><text y=30 font-size=16>one</text>"
        "<text y=34 font-size=16>other</text><text x=190 y=90 font-size=30>beyond</text></svg>"
    )
    with open_page(browser, path, 400) as page:
        assert sorted({line.split(":")[0] for line in problems(page)}) == [
            "a figure without a text",
            "a table without a name",
            "an image without a text",
            "cut off",
            "hidden",
            "outside of the window",
            "overlap",
            "text of 8.0 px",
            "the page is wider than the window",
        ]


def test_tables_sort_by_click_and_key(browser, file_of):  # noqa: F811
    with open_page(browser, file_of("recommend"), 400) as page:  # cards
        table = page.get_by_role("table", name="Layers")
        cells = table.locator("tbody tr :nth-child(5)")

        def cycles():
            return [int(text.replace(",", "")) for text in cells.all_inner_texts()]

        before, heading = cycles(), table.get_by_role("columnheader", name="cycles", exact=True)
        assert before != sorted(before)
        heading.get_by_role("button").click()
        assert cycles() == sorted(before)
        assert heading.get_attribute("aria-sort") == "ascending"
        page.set_viewport_size({"width": 1400, "height": 900})  # a table
        page.keyboard.press("Enter")
        assert cycles() == sorted(before, reverse=True)
        assert heading.get_attribute("aria-sort") == "descending"
        # Empty cells stay last; texts sort as texts.
        table.get_by_role("button", name="cycles in SCALE-Sim").click()
        assert "123,456" in table.locator("tbody tr").first.inner_text()
        table.get_by_role("button", name="layer").click()
        names = table.locator("tbody th").all_inner_texts()
        assert names[2:] == [*(f"conv{place}" for place in range(2, 9)), names[-1]]
        assert names[-1].startswith("encoder")


def test_marks_show_their_values_and_are_compared(browser, file_of):  # noqa: F811
    with open_page(browser, file_of("recommend"), 400) as page:
        figure = page.locator("figure").filter(has_text="utilization of the recommended array")
        marks, tip = figure.locator("[data-record]"), page.get_by_role("tooltip")
        assert not tip.is_visible()
        marks.nth(0).hover()
        assert "<script>alert(1)</script>" in tip.inner_text()
        box = tip.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 400
        page.mouse.move(0, 0)
        assert not tip.is_visible()
        # By key: one stop per figure, arrows go on, Enter chooses, Escape closes.
        marks.nth(0).focus()
        page.keyboard.press("ArrowDown")
        assert tip.is_visible()
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        assert not tip.is_visible()
        compared = figure.get_by_role("table", name="Chosen marks side by side")
        assert compared.locator("tr").nth(1).locator("td").count() == 1
        assert figure.locator("[aria-pressed=true]").count() == 2  # the same layer in both panels
        marks.nth(0).click()
        layers = compared.locator("tr").nth(1).locator("td").all_inner_texts()
        assert len(layers) == 2
        assert layers[1] == "<script>alert(1)</script>"
        assert problems(page) == []
        marks.nth(0).click()
        marks.nth(1).click()
        assert compared.count() == 0


@pytest.mark.parametrize(
    "name",
    [
        name if name == "machines" else pytest.param(name, marks=pytest.mark.slow)
        for name in study_pages.PAGES
    ],
)
def test_pages_of_studies_are_whole(browser, tmp_path, name):  # noqa: F811
    path = tmp_path / "report.html"
    path.write_text(study_pages.PAGES[name]())
    with open_page(browser, path, 400) as page:
        for width in (400, 800, 1400):
            page.set_viewport_size({"width": width, "height": 900})
            assert problems(page) == [], width
        page.emulate_media(color_scheme="dark")
        # The text of axes follows the scheme; that on colours does not.
        fill = "(one) => getComputedStyle(one).fill"
        assert page.locator("svg text").first.evaluate(fill) == page.evaluate(
            "() => getComputedStyle(document.body).color"
        )
        # The question and the answer come first, with values.
        assert page.locator("main > section").count() == 2
        assert page.locator("section.answer dd").first.inner_text()


def luminance(color):
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """WCAG 2's ratio, in 1..21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_sufficient_in_both_schemes():
    css = importlib.resources.files("airchitect_jax.reporting").joinpath("page.css").read_text()
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#\w{6});", block))
        for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL)[:2]
    )
    assert set(light) <= set(dark)
    for colors in (light, dark):
        for ground in ("page", "panel"):
            for name in ("text", "muted", "accent"):
                assert contrast(colors[name], colors[ground]) >= 4.5, (name, ground)
            assert contrast(colors["edge"], colors[ground]) >= 3
    for name in set(dark) - set(light):  # of lines and marks
        assert contrast(dark[name], dark["page"]) >= 3, name
