"""What a comparison writes: comparison.md, .csv and .json, report.html and its figures."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airchitect_jax._support import files, read_sealed, workdir, write_sealed
from airchitect_jax.reporting import (
    SpreadTable,
    configuration,
    document,
    escape,
    facts,
    figure,
    style,
    table,
    tiles,
)
from airchitect_jax.reporting.words import in_words

# Columns of which the page names the best line.
_JUDGED = {
    "optimal_set_accuracy": "most optimal choices",
    "geomean_normalized_performance": "highest optimal / chosen cost (geomean)",
}
_SPREAD = "Mean ± standard deviation over the seeds."


def row_at(path: pathlib.Path, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The row in this file, which is measured and written first if it is not there.

    Raises:
      ValueError: the file is damaged; names it.
    """
    if not path.exists():
        write_sealed(path, measure())
    return read_sealed(path, remedy="remove it to have it made again")


def write_comparison(
    folder: pathlib.Path,
    found: SpreadTable,
    *,
    title: str,
    flags: Mapping[str, Any],
    about: Mapping[str, Any],
    drawn: Mapping[str, tuple[str, style.Figure]],
    notes: Sequence[str] = (),
) -> None:
    """Writes the table with the settings of the run, and figures.

    Args:
      folder: the workdir.
      found: the table.
      title: the heading.
      flags: of the run, by name.
      about: what is compared on, by name.
      drawn: caption and figure by name.
      notes: sentences above the table.
    """
    settings = "\n".join(f"- {name}: {value}" for name, value in {**about, **flags}.items())
    text = "\n\n".join([f"# {title}", settings, _SPREAD, *notes, found.markdown()])
    files.write_text(folder / "comparison.md", text)
    files.write_text(folder / "comparison.csv", found.csv())
    files.write_json(
        folder / "comparison.json",
        {
            **about,
            "flags": dict(flags),
            "environment": workdir.environment(),
            f"{found.subject}s": found.as_json(),
        },
    )
    style.save_figures(folder, {name: one for name, (_, one) in drawn.items()})
    page = comparison_page(found, title=title, flags=flags, about=about, drawn=drawn, notes=notes)
    files.write_text(folder / "report.html", page)


def comparison_page(
    found: SpreadTable,
    *,
    title: str,
    flags: Mapping[str, Any],
    about: Mapping[str, Any],
    drawn: Mapping[str, tuple[str, style.Figure]],
    notes: Sequence[str] = (),
) -> str:
    """The page of `write_comparison`, with the same arguments."""
    question = [(in_words(name), value) for name, value in about.items() if value is not None]
    best = {key: found.best(key) for key in _JUDGED}
    values = [
        (f"{words}: {best[key].name}", f"{spread.mean:.2%}")
        for key, words in _JUDGED.items()
        if (spread := best[key].spreads[key])
    ]
    # All columns side by side are wider than most windows.
    parts = {
        label: dataclasses.replace(
            found,
            columns=tuple(column for column in found.columns if column.is_share is is_share),
            texts=() if is_share else found.texts,
        )
        for label, is_share in (("Quality", True), ("Effort", False))
    }
    drawings = "".join(figure(svg, caption) for caption, svg in style.to_svgs(drawn).values())
    return document(
        title,
        f"""{facts("Question", question)}
{tiles("The best of each measure", values)}
<h2>All {escape(found.subject)}s</h2>
{"".join(f"<p>{escape(note)}</p>" for note in (_SPREAD, *notes))}
{"".join(table(one.header, one.rows, label) for label, one in parts.items())}
<h2>Figures</h2>
{drawings}
{configuration(flags)}""",
    )
