"""HTML pages: one file that loads nothing, with all values escaped."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 62rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.6rem; overflow-wrap: anywhere; } h2 { font-size: 1.25rem; margin-top: 2.2rem; }
h3 { font-size: 1.05rem; margin-bottom: 0.3rem; }
table { border-collapse: collapse; margin: 0.6rem 0; }
th, td { padding: 0.2rem 0.7rem; border-bottom: 1px solid #ddd; text-align: left; }
th { vertical-align: bottom; } td:first-child { white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
figure { margin: 1rem 0 1.6rem; } figure img { max-width: 100%; height: auto; }
figcaption { color: #555; } .wide { overflow-x: auto; } details { margin: 0.4rem 0; }
summary { cursor: pointer; }
@media (max-width: 600px) {
  td:first-child { white-space: normal; } th, td { padding: 0.2rem 0.35rem; }
}
"""


def escape(value: object) -> str:
    """Any value as text that cannot become markup."""
    return html.escape(str(value))


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """An HTML table; numbers are right-aligned, integers with thousands separators."""
    rows = [list(row) for row in rows]
    body = "".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows)
    # Headings are aligned as their columns.
    kinds = [_is_number(value) for value in rows[0]] if rows else [False] * len(header)
    head = "".join(
        f'<th class="number">{escape(name)}</th>' if number else f"<th>{escape(name)}</th>"
        for name, number in zip(header, kinds, strict=True)
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _cell(value: object) -> str:
    if not _is_number(value):
        return f"<td>{escape(value)}</td>"
    text = f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
    return f'<td class="number">{text}</td>'


def image(png: bytes, caption: str) -> str:
    """A figure with its data inside the page."""
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def document(title: str, body: str) -> str:
    """A whole page: the title, escaped, over a body of markup."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{escape(title)}</h1>
{body}
</body>
</html>
"""
