"""What a comparison writes: its table as comparison.md, .csv and .json."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from airchitect_jax._support import files, read_sealed, workdir, write_sealed
from airchitect_jax.reporting import SpreadTable


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
    table: SpreadTable,
    *,
    title: str,
    flags: Mapping[str, Any],
    about: Mapping[str, Any],
    notes: str = "",
) -> None:
    """Writes the table below its title, the settings of the run and notes in Markdown."""
    settings = "\n".join(f"- {name}: {value}" for name, value in {**about, **flags}.items())
    text = f"# {title}\n\n{settings}\n\nMean ± standard deviation over the seeds.\n\n{notes}"
    files.write_text(folder / "comparison.md", text + table.markdown())
    files.write_text(folder / "comparison.csv", table.csv())
    files.write_json(
        folder / "comparison.json",
        {
            **about,
            "flags": dict(flags),
            "environment": workdir.environment(),
            f"{table.subject}s": table.as_json(),
        },
    )
