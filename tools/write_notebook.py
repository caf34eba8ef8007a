"""Generates docs/tutorial.ipynb from docs/tutorial.md.

`python -m tools.write_notebook` says whether they differ; `--write` writes the notebook.
"""

from __future__ import annotations

import json
import pathlib
import re
import sys
from typing import Any

from tools import _generated

DOCS = pathlib.Path(__file__).parent.parent / "docs"
SOURCE, NOTEBOOK = DOCS / "tutorial.md", DOCS / "tutorial.ipynb"


def cells(text: str) -> list[dict[str, Any]]:
    """One code cell per Python block, with the text between them as Markdown cells."""
    found = []
    for number, part in enumerate(re.split(r"^```python\n(.*?)^```\n", text, flags=re.M | re.S)):
        if part.strip():
            cell: dict[str, Any] = {
                "cell_type": "code" if number % 2 else "markdown",
                "id": f"cell-{number}",
                "metadata": {},
                "source": part.strip().splitlines(keepends=True),
            }
            found.append(cell | ({"execution_count": None, "outputs": []} if number % 2 else {}))
    return found


def notebook() -> str:
    """The notebook as JSON, without outputs."""
    content = {
        "cells": cells(SOURCE.read_text(encoding="utf-8")),
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1) + "\n"


if __name__ == "__main__":
    _generated.update({NOTEBOOK: notebook()}, sys.argv[1:])
