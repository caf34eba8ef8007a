"""Pages of the documentation's site that are no files of docs/; MkDocs calls the functions.

These are a page per public face of the package, under api/, and the Markdown files beside docs/.
Links to them lead to the files in the repository, and to the pages on the site.
"""

from __future__ import annotations

import pathlib
import re

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "airchitect_jax"
INNER = ("_support", "experiments", "studies")  # no names for others
_IMPORTED = """\
Examples run after `import airchitect_jax as aj`, `import numpy as np` and `import jax`. Names
without a prefix are those of the module."""
BESIDE = {"CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages."""
    for face in faces():
        text = f"# {face}\n\n{_IMPORTED}\n\n::: {face}\n"
        files.append(File.generated(config, f"api/{face.rpartition('.')[2]}.md", content=text))
    for name, page in BESIDE.items():
        text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Leads links out of docs/ to their pages."""
    for name, page in BESIDE.items():
        markdown = markdown.replace(f"](../{name}", f"]({page}")
    return re.sub(r"\]\(\.\./(?:airchitect_jax/)?(\w+)/__init__\.pyi?\)", r"](api/\1.md)", markdown)


def faces() -> list[str]:
    """The package and its folders that have a face, by their names as modules."""
    folders = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
    return ["airchitect_jax", *(f"airchitect_jax.{name}" for name in folders if name not in INNER)]
