"""The documentation runs."""

import os
import pathlib
import re

import jax
import nbclient
import nbformat
import pytest
import scripts

from airchitect_jax.experiments.completion import flags_of_scripts
from tools import write_notebook

ROOT = pathlib.Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FLAGS = flags_of_scripts()


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


# Pages whose code trains networks, compiles a lot, or searches.
_SLOW_PAGES = ("baselines.md", "extending.md", "labelling.md", "training.md")


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.slow if page.name in _SLOW_PAGES else ())
        for page in PAGES
    ],
    ids=lambda page: page.name,
)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    """In order, the blocks of a page together, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    names = {}
    with jax.numpy_dtype_promotion("standard"):  # a reader's setting, which Optax's Adam needs
        for code in blocks(page, "python"):
            exec(compile(code, str(page), "exec"), names)


def test_the_notebook_is_the_tutorial_and_runs(tmp_path):
    assert write_notebook.NOTEBOOK.read_text() == write_notebook.notebook()
    content = nbformat.read(write_notebook.NOTEBOOK, as_version=4)
    environment = os.environ | {"PYTHONPATH": scripts.PYTHONPATH}
    nbclient.NotebookClient(
        content, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute(env=environment)
    printed = "".join(
        output.text
        for cell in content.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    )
    assert "MACs; no matrix work in" in printed
    assert (tmp_path / "mine.csv").exists()


def test_the_readme_has_a_python_block():
    assert blocks(PAGES[0], "python")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_flags_that_are_named_exist(page):
    for command in blocks(page, "sh"):
        for script, arguments in re.findall(r"^airchitect (\w+)(.*)", command, re.MULTILINE):
            for flag in re.findall(r"--(\w+)", arguments):
                assert flag in {*FLAGS[script], "help", "verbosity"}, (script, flag)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link
