"""What the writing scripts share: they compare files with what they should be, or write them."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence


def update(texts: Mapping[pathlib.Path, str], arguments: Sequence[str]) -> None:
    """Prints which files differ from their texts, and writes those if the arguments say so."""
    for path, text in texts.items():
        same = path.exists() and path.read_text(encoding="utf-8") == text
        print(f"{path}: {'unchanged' if same else 'differs'}")
        if "--write" in arguments and not same:
            path.write_text(text, encoding="utf-8")
