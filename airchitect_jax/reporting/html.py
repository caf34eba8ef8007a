"""HTML pages: one file that loads nothing, with all values escaped."""

from __future__ import annotations

import html
import importlib.resources
import math
import re
from collections.abc import Iterable, Mapping, Sequence

# The browser refuses whatever a page would load.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
# A number with its sign, thousands separators, exponent and unit: "-1,234.5", "12.3%", "7e+09 fJ".
_NUMBER = re.compile(r"([+-]?\d[\d,]*\.?\d*(?:e[+-]?\d+)?)(?: ?(?:%|[A-Za-z/]{1,4}))?")
_MOST_LETTERS = 24  # of a column that wraps its text
_STEP = 3  # the needed widths of tables are multiples of so many em


def escape(value: object) -> str:
    """Any value as text that cannot become markup."""
    return html.escape(str(value))


def number_text(value: float) -> str:
    """A number with four digits or, from ten thousand, with thousands separators."""
    if isinstance(value, int) or not math.isfinite(value):
        return f"{value:,}"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:,.4g}"


def table(header: Sequence[str], rows: Iterable[Sequence[object]], label: str = "") -> str:
    """An HTML table that sorts by each column; where it is too wide, a card per row.

    Args:
      header: a heading for each column.
      rows: cells; numbers, and texts that are a number with at most a unit, sort as numbers.
      label: what the table shows, for readers who do not see the text around it.
    """
    cells = [[_text(value) for value in row] for row in rows]
    columns = list(zip(*cells, strict=True)) if cells else [() for _ in header]
    numeric = [_is_numeric(column) for column in columns]
    widths = list(map(_width, header, columns, numeric))
    needed = _STEP * math.ceil(sum(widths) / _STEP)
    head = "".join(map(_heading, header, numeric, widths, [len(cells) > 1] * len(header)))
    body = "".join(
        f'<tr role="row">{"".join(map(_cell, header, row, numeric, range(len(row))))}</tr>'
        for row in cells
    )
    return (
        f'<div class="table"><table class="needs-{needed}" role="table"'
        f' aria-label="{escape(label or ", ".join(filter(None, header)))}">'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>'
        f'<tbody role="rowgroup">{body}</tbody></table></div>'
    )


def _text(value: object) -> str:
    if value is None:
        return ""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number_text(value) if is_number else str(value)  # type: ignore[arg-type]


def _is_numeric(column: Sequence[str]) -> bool:
    """Whether a column has numbers only, and some."""
    filled = [text for text in column if text]
    return bool(filled) and all(_NUMBER.fullmatch(text) for text in filled)


def _width(name: str, column: Sequence[str], numeric: bool) -> float:
    """What a column needs, in em, by the number of its letters."""
    most = max(map(len, column), default=0)
    word = max(map(len, name.split()), default=0) + 2  # and the arrow of the order
    return 0.6 * max(word, most if numeric else min(most, _MOST_LETTERS)) + 1.3


def _heading(name: str, numeric: bool, width: float, sortable: bool) -> str:
    inner = f'<button type="button">{escape(name)}</button>' if sortable and name else escape(name)
    look = f'{_class(numeric)} style="min-width: {width:.1f}em"'
    return f'<th scope="col" role="columnheader"{look}>{inner}</th>'


def _cell(name: str, text: str, numeric: bool, place: int) -> str:
    found = _NUMBER.fullmatch(text) if numeric else None
    value = f' data-value="{found[1].replace(",", "")}"' if found else ""
    tag, role = ("td", "cell") if place else ("th", "rowheader")
    scope = "" if place else ' scope="row"'
    label = f' data-label="{escape(name)}"' if name else ""
    return (
        f'<{tag}{scope} role="{role}"{_class(numeric)}{label}{value}>'
        f"<span>{escape(text)}</span></{tag}>"
    )


def _class(numeric: bool) -> str:
    return ' class="number"' if numeric else ""


def facts(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """A section of names and values, such as the question that a page answers."""
    return f"<section><h2>{escape(title)}</h2>{_pairs('facts', rows)}</section>"


def tiles(
    title: str, main: Iterable[tuple[str, object]], more: Iterable[tuple[str, object]] = ()
) -> str:
    """The section of the answer: the main values, with their units, in large type; then others."""
    others = list(more)
    rest = _pairs("facts", others) if others else ""
    return (
        f'<section class="answer"><h2>{escape(title)}</h2>{_pairs("tiles", main)}{rest}</section>'
    )


def _pairs(kind: str, rows: Iterable[tuple[str, object]]) -> str:
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(_text(value))}</dd></div>" for name, value in rows
    )
    return f'<dl class="{kind}">{items}</dl>'


def folded(summary: str, body: str) -> str:
    """Markup that is shown when its summary is opened."""
    return f"<details><summary>{escape(summary)}</summary>{body}</details>"


def configuration(config: Mapping[str, object]) -> str:
    """The flags of a run by name, folded away; those that are not set are left out."""
    given = {name: value for name, value in config.items() if value not in (None, [], ())}
    rows = [(f"--{name}", _setting(value)) for name, value in given.items()]
    return f"<h2>Configuration</h2>{folded('Flags of this run', table(['flag', 'value'], rows))}"


def _setting(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def figures(drawn: Mapping[str, tuple[str, str]]) -> str:
    """Figures side by side where there is room: caption and SVG (see `style.to_svg`) by name."""
    if not drawn:
        return "<p>No figures: they need matplotlib (extra plots).</p>"
    return (
        f'<div class="figures">{"".join(figure(svg, text) for text, svg in drawn.values())}</div>'
    )


def figure(svg: str, caption: str) -> str:
    """A figure over its caption, which is also its text for those who do not see it."""
    has_records = "data-record" in svg
    hint = (
        '<p class="hint">Hover or focus a mark for its values; click marks to compare them.</p>'
        if has_records
        else ""
    )
    return (
        f'<figure><div class="frame" role="{"group" if has_records else "img"}"'
        f' aria-label="{escape(caption)}">{svg}</div>'
        f"<figcaption>{escape(caption)}</figcaption>{hint}</figure>"
    )


def stylesheet(widths: Iterable[int]) -> str:
    """The style of all pages. Tables of the class needs-WIDTH become cards below WIDTH em."""
    plain, cards = _asset("page.css").split("/* Cards */")
    return plain + "".join(cards.replace("NEEDED", str(width)) for width in sorted(widths))


def document(title: str, body: str) -> str:
    """A whole page: the title, escaped, over a body of markup."""
    style = stylesheet(set(map(int, re.findall(r'class="needs-(\d+)"', body))))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
{body}
</main>
<script>{_asset("page.js")}</script>
</body>
</html>
"""


def _asset(name: str) -> str:
    return importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
