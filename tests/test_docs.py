"""The documentation runs."""

import pathlib
import re

import pytest
from absl import flags

ROOT = pathlib.Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page):
    for code in blocks(page, "python"):
        exec(compile(code, str(page), "exec"), {})


def test_the_readme_has_a_python_block():
    assert blocks(PAGES[0], "python")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_flags_that_are_named_exist(page):
    import experiments.case_study1
    import experiments.case_study2
    import experiments.case_study3
    import experiments.label_workloads  # noqa: F401 - these define the flags
    import experiments.validate_scalesim  # noqa: F401 - these define the flags

    for command in blocks(page, "sh"):
        for flag in re.findall(r"experiments\S* .*?--(\w+)", command):
            assert flag == "help" or flag in flags.FLAGS, flag


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link
