"""Pages in headless Chromium: one browser per module, and what a page says and asks for."""

import contextlib
import shutil

import pytest

# A page that is found wrong names what is wrong, one line each.
PROBLEMS = r"""
() => {
  const found = [];
  const shown = (element) => element.checkVisibility({ visibilityProperty: true });
  const name = (element) => `${element.tagName} "${element.textContent.trim().slice(0, 30)}"`;
  const width = window.innerWidth;
  const inside = (inner, outer) =>
    inner.left >= outer.left - 1 && inner.right <= outer.right + 1 &&
    inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;
  const boxOfText = (element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    return range.getBoundingClientRect();
  };
  const overlap = (a, b) =>
    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;

  if (document.documentElement.scrollWidth > width) found.push("the page is wider than the window");
  for (const cell of document.querySelectorAll("tbody th, tbody td")) {
    if (!cell.textContent.trim()) continue;
    const box = cell.getBoundingClientRect();
    if (!shown(cell) || box.width < 1) found.push(`hidden: ${name(cell)}`);
    if (box.left < 0 || box.right > width) found.push(`outside of the window: ${name(cell)}`);
    if (!inside(boxOfText(cell), box)) found.push(`clipped: ${name(cell)}`);
    const isCard = getComputedStyle(cell.closest("table")).display === "block";
    const label = getComputedStyle(cell, "::before").content;
    if (isCard && cell.dataset.label && label !== JSON.stringify(cell.dataset.label))
      found.push(`without its heading: ${name(cell)}: ${label}`);
  }
  for (const heading of document.querySelectorAll("thead th")) {
    if (!heading.textContent.trim() || !shown(heading)) continue;
    const box = heading.getBoundingClientRect();
    if (box.left < 0 || box.right > width) found.push(`outside of the window: ${name(heading)}`);
    if (!inside(boxOfText(heading), box)) found.push(`clipped: ${name(heading)}`);
  }
  for (const table of document.querySelectorAll("table"))
    if (!table.ariaLabel && !table.caption) found.push("a table without a name");
  for (const image of document.querySelectorAll("img"))
    if (!image.alt) found.push("an image without a text");
  for (const svg of document.querySelectorAll("main svg")) {
    if (!svg.closest("[aria-label]")?.ariaLabel) found.push("a figure without a text");
    const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    const texts = [...svg.querySelectorAll("text")].filter((text) => text.textContent.trim());
    const boxes = texts.map((text) => text.getBoundingClientRect());
    texts.forEach((text, index) => {
      const size = parseFloat(getComputedStyle(text).fontSize) * scale;
      if (size < 10.9) found.push(`text of ${size.toFixed(1)} px: ${name(text)}`);
      if (!inside(boxes[index], svg.getBoundingClientRect())) found.push(`cut off: ${name(text)}`);
      for (let other = 0; other < index; other += 1)
        if (overlap(boxes[index], boxes[other]))
          found.push(`overlap: ${name(text)} and ${name(texts[other])}`);
    });
  }
  for (const element of document.querySelectorAll("main *:not(svg *)"))
    if (parseFloat(getComputedStyle(element).fontSize) < 11) found.push(`small: ${name(element)}`);
  return [...new Set(found)];
}
"""


@pytest.fixture(scope="module")
def browser():
    """Chromium of the system; the test is skipped where it or Playwright is missing."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield found
        found.close()


@contextlib.contextmanager
def open_page(browser, path, width, scheme="light"):
    """The page of a file in a window; at the end it has said nothing and loaded nothing."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.set_default_timeout(5000)
    page = context.new_page()
    said, requests = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    try:
        yield page
        assert said == []
        assert requests == [path.as_uri()]
    finally:
        context.close()


def problems(page):
    """What is wrong with a page as it is shown, its folded sections opened."""
    page.evaluate("() => document.querySelectorAll('details').forEach((one) => (one.open = true))")
    return page.evaluate(PROBLEMS)
