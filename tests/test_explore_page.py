"""The page in a real browser: what it shows, its controls, its link, files, widths."""

import re
import shlex

import pytest
from browser import browser, problems  # noqa: F401 - a fixture
from explore_server import running, small_model

from airchitect_jax import recommend

pytestmark = pytest.mark.slow

QUESTION = "workload=gpt2&mac_budget=1024&sram_budget=900&bandwidth=64&clock_ghz=2&objective=cycles"
TIMES = "\N{MULTIPLICATION SIGN}"

# Texts with a contrast below 4.5 to what is behind them.
FAINT = """
() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => channels(color).slice(0, 3).map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (one) => {
    const color = getComputedStyle(one).backgroundColor;
    return channels(color)[3] === 0 ? behind(one.parentElement) : color;
  };
  return [...document.querySelectorAll("body *:not(svg *, option)")]
    .filter((one) => one.checkVisibility()
      && [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()))
    .filter((one) => {
      const [less, more] = [light(getComputedStyle(one).color), light(behind(one))];
      return (Math.max(less, more) + 0.05) / (Math.min(less, more) + 0.05) < 4.5;
    })
    .map((one) => one.textContent);
}
"""


@pytest.fixture(scope="module")
def server():
    with running() as started:
        yield started


@pytest.fixture
def pages(server, browser):  # noqa: F811
    """Opens the page; at the end no error was logged and nothing loaded from elsewhere."""
    contexts, said, requests = [], [], []

    def start(query=QUESTION, width=1400, scheme="light"):
        size = {"width": width, "height": 900}
        contexts.append(browser.new_context(viewport=size, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.goto(f"{server.link()}?{query}")
        settle(page)
        return page

    yield start
    for context in contexts:
        context.close()
    # Chromium logs the refusals of files that the tests expect.
    assert [text for text in said if "400 (Bad Request)" not in text] == []
    assert all(url.startswith(server.link()) for url in requests)


def settle(page):
    page.wait_for_function(
        "() => !document.querySelector('#answer[aria-busy]')"
        " && (document.querySelector('#lead').textContent"
        " || !document.querySelector('#error').hidden)"
    )


def moved(page, act):
    """What the page says after an action that asks a question."""
    with page.expect_response(lambda response: "/answer?" in response.url):
        act()
    settle(page)
    return page.locator("#tiles").inner_text()


def flags(page):
    """The flags of the shown command."""
    words = shlex.split(page.locator("#command").text_content())
    return dict(word.removeprefix("--").split("=", 1) for word in words[2:])


def test_the_page_shows_the_answer_of_recommend(pages):
    page = pages()
    expected = recommend("gpt2", mac_budget=1024, sram_budget_kb=900)
    design, cycles = expected.design, expected.cycles
    tiles = page.locator("#tiles").inner_text()
    sizes = (design.ifmap_sram_bytes, design.filter_sram_bytes, design.ofmap_sram_bytes)
    for text in (
        f"{design.rows} {TIMES} {design.cols}",
        " + ".join(str(size // 1024) for size in sizes) + " KB",
        f"{cycles:,}",
        f"{cycles / 2e9 * 1e3:.4g} ms",
        f"{expected.energy_fj / 1e12:,.0f} mJ",
        f"{100 * expected.utilization:.1f}%",
    ):
        assert text in tiles
    cells = page.locator("#layers tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    assert [(row[1], row[4], row[5]) for row in cells] == [
        (plan.layer.name, plan.dataflow.name, f"{plan.total_cycles * plan.runs:,}")
        for plan in expected.layers
    ]
    assert page.locator("#roofline .point").count() == len(expected.layers)
    assert page.locator("#front .point").count() == len(expected.front()) + 1


def test_sliders_change_answer_link_and_command(pages):
    page = pages()
    before = page.locator("#tiles").inner_text()
    slider = page.locator("#mac_budget_slider")
    slider.focus()
    after = moved(page, lambda: page.keyboard.press("ArrowRight"))
    assert after != before
    assert "mac_budget=2048" in page.url
    assert page.locator("#mac_budget").input_value() == flags(page)["mac_budget"] == "2048"
    # Many moves in a row: the last one is answered.
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.get_by_text("--mac_budget=32768").wait_for()
    settle(page)
    page.locator("#bandwidth").fill("100")
    moved(page, lambda: page.keyboard.press("Enter"))
    moved(page, lambda: page.get_by_label(f"energy {TIMES} delay").check())
    assert flags(page) == {
        "workload": "gpt2",
        "mac_budget": "32768",
        "sram_budget": "900",
        "bandwidth": "100",
        "objective": "edp",
    }
    # The clock changes times alone.
    in_time = page.locator("#tiles").inner_text()
    page.locator("#clock_ghz").fill("1")
    doubled = moved(page, lambda: page.keyboard.press("Tab"))
    pairs = zip(in_time.split("\n"), doubled.split("\n"), strict=True)
    assert [after for before, after in pairs if after != before][1:] == ["at 1 GHz"]
    # Back through all of it.
    for _ in range(8):
        moved(page, page.go_back)
    assert page.url.endswith(QUESTION)
    assert page.locator("#tiles").inner_text() == before


def test_the_link_holds_the_question(pages):
    first = pages()
    first.locator("#search").fill("vit")
    moved(first, lambda: first.locator("#workload").select_option("vit_b16"))
    first.locator("#sram_budget_slider").focus()
    moved(first, lambda: first.keyboard.press("Home"))
    second = pages(first.url.partition("?")[2], width=800)
    for part in ("#tiles", "#lead", "#command"):
        assert first.locator(part).inner_text() == second.locator(part).inner_text()
    names = ("mac_budget", "sram_budget", "bandwidth", "clock_ghz", "workload")
    values = [
        [page.locator(f"#{name}").input_value() for name in names] for page in (first, second)
    ]
    assert values == [["1024", "300", "64", "2", "vit_b16"]] * 2
    # What a link leaves out has the defaults of the flags.
    assert flags(pages("workload=gpt2")) == {
        "workload": "gpt2",
        "mac_budget": "16384",
        "sram_budget": "3000",
        "bandwidth": "64",
        "objective": "cycles",
    }


def test_files_are_read(pages, tmp_path):
    page = pages()
    path = tmp_path / "my model.onnx"
    path.write_bytes(small_model())
    page.locator("#file").set_input_files(path)
    page.wait_for_selector("#dims:not([hidden])")
    assert "--dim=batch=1" in page.locator("#error").inner_text()
    assert not page.locator("#details").is_visible()
    page.get_by_label("batch").fill("9")
    moved(page, page.get_by_text("Use these sizes").click)
    assert (
        page.locator("#layers tbody tr").inner_text().split("\t")[2] == f"9 {TIMES} 40 {TIMES} 48"
    )
    assert (flags(page)["workload"], flags(page)["dim"]) == ("my model.onnx", "batch=9")
    assert "in the current folder" in page.locator("#notes").inner_text()
    # Dropped onto the page: a topology, then one that is broken.
    for text in ("Layer,M,N,K\\nonly,30,40,50\\n", "Layer,M,N,K\\nonly,30,x,50\\n"):
        page.evaluate(
            f"""() => {{
              const dataTransfer = new DataTransfer();
              dataTransfer.items.add(new File(["{text}"], "net.csv"));
              document.body.dispatchEvent(new DragEvent("drop", {{dataTransfer, bubbles: true}}));
            }}"""
        )
        if "x" not in text:
            page.get_by_role("cell", name="only").wait_for()
    page.wait_for_selector("#error:not([hidden])")
    assert page.locator("#error").inner_text() == (
        "net.csv: row 2, column N: 'x' is not allowed; expected a whole number in 1..2147483647"
    )
    moved(page, lambda: page.locator("#workload").select_option("dlrm"))
    assert "file=" not in page.url
    assert page.locator("#error").is_hidden()


def test_points_of_the_front_stand_beside_the_answer(pages):
    page = pages()
    front = page.locator("#front svg")
    front.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    tooltip = page.locator("#front .tip").inner_text()
    page.keyboard.press("Enter")
    others = page.locator("#tiles .other").all_inner_texts()
    assert len(others) == 6
    array, srams = tooltip.split("\n")[0].split(", ")
    assert others[:2] == [f"chosen: {array}", f"chosen: {srams}"]
    cycles = re.match(r"[\d,]+", tooltip.split("\n")[1])[0]
    assert others[2].startswith(f"chosen: {cycles} (")
    box = page.locator("#front .point.chosen").bounding_box()
    place = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*place)
    assert page.locator("#front .tip").is_visible()
    page.locator("#across").get_by_label("SRAM").check()
    assert "SRAM (KB)" in front.text_content()
    assert page.locator("#front .point.chosen").count() == 1
    page.locator("#roofline svg").focus()
    page.keyboard.press("ArrowLeft")
    assert "of the cycles" in page.locator("#roofline .tip").inner_text()


def test_the_table_sorts(pages):
    page = pages()
    numbers = "cells => cells.map(cell => Number(cell.textContent.replaceAll(',', '')))"
    cells = page.locator("#layers td[data-label=Cycles]")
    in_order = cells.evaluate_all(numbers)
    button = page.locator("#layers thead").get_by_role("button", name="Cycles")
    button.click()
    assert cells.evaluate_all(numbers) == sorted(in_order, reverse=True) != in_order
    page.keyboard.press("Enter")  # the button has kept the focus
    assert cells.evaluate_all(numbers) == sorted(in_order)
    assert page.locator("#layers th[aria-sort=ascending]").inner_text().startswith("Cycles")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 800, 1400])
def test_all_is_visible_at_any_width(pages, width, scheme):
    page = pages(width=width, scheme=scheme)
    page.locator("#front svg").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert problems(page) == []
    clipped = page.evaluate(
        """() => [...document.querySelectorAll("dd, dt, h2, p, legend, label, code")]
          .filter(one => one.checkVisibility() && one.clientWidth > 1)
          .filter(one => {
            const box = one.getBoundingClientRect();
            return box.left < 0 || box.right > innerWidth || one.scrollWidth > one.clientWidth + 1;
          })
          .map(one => one.textContent)"""
    )
    assert clipped == []
    assert page.evaluate(FAINT) == []
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", dark)[:3])) < 200) == (scheme == "dark")
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("input, select, svg")].filter(one =>
          !one.getAttribute("aria-label") && !(one.labels && one.labels.length)).length"""
    )
    assert unnamed == 0


def test_the_command_is_copied(pages, server):
    page = pages()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.link())
    page.locator("#copy").click()
    page.get_by_text("Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#command").text_content()
    assert copied.startswith("airchitect recommend --workload=gpt2 ")
