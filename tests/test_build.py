"""BUILD files hold: every source file has a target, and targets depend on what is imported."""

import ast
import fnmatch
import functools
import pathlib
import re
import sys
import tomllib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
SOURCES = ("airchitect_jax", "benchmarks", "experiments", "tests", "tools")
FOLDERS = sorted({path.parent for folder in SOURCES for path in (ROOT / folder).rglob("*.py")})
# The distribution that provides a module, where the names differ.
DISTRIBUTIONS = {"absl": "absl_py", "orbax": "orbax_checkpoint", "sklearn": "scikit_learn"}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHARED = ("types.py", "version.py")  # apart from the rest of their folder, which depends on all


def value(node):
    """A literal of Starlark, whose syntax is Python's; a glob as the tuple of its patterns."""
    if isinstance(node, ast.List):
        return [value(element) for element in node.elts]
    if isinstance(node, ast.Call):
        return tuple(value(node.args[0]))
    return ast.literal_eval(node)


def rules(folder):
    """(kind, arguments) of the rules of a folder's BUILD."""
    for node in ast.parse((folder / "BUILD").read_text()).body:
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and call.func.id.startswith(("py_", "pytest_")):
            yield call.func.id, {keyword.arg: value(keyword.value) for keyword in call.keywords}


def sources(folder, kind, arguments):
    if kind == "pytest_test":
        return [folder / f"{arguments['name']}.py"]
    listed = arguments["srcs"]
    if isinstance(listed, list):
        return [folder / name for name in listed]
    here = sorted(path.name for path in folder.glob("*.py"))
    return [folder / name for name in here if any(fnmatch.fnmatch(name, one) for one in listed)]


def package(folder):
    return "//" + folder.relative_to(ROOT).as_posix()


def label_of(path):
    """The target that holds a source file."""
    if path.parent == ROOT / "airchitect_jax" and path.name in SHARED:
        return "//airchitect_jax:types"
    return "//tests:support" if path.parent == ROOT / "tests" else package(path.parent)


@functools.cache
def file_of(module):
    """The source file of a module, None of others; tests import their helpers by bare name."""
    for base in (ROOT, ROOT / "tests"):
        path = base.joinpath(*module.split("."))
        for candidate in (path.with_suffix(".py"), path / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None


@functools.cache
def needs(path):
    """The targets that a file's imports need, wherever in it they are."""
    found = set()
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        names = []
        if isinstance(node, ast.Import):
            names = [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module, alias.name) for alias in node.names]
        for module, name in names:
            top = module.split(".")[0]
            inner = file_of(f"{module}.{name}")
            if top in SOURCES or file_of(module):
                found.add(label_of(inner or file_of(module)))
            elif top not in sys.stdlib_module_names:
                found.add(f"@pypi//{DISTRIBUTIONS.get(top, top)}")
    if path.name.startswith("test_"):  # scripts run by name, code within strings and pages
        pages = PAGES if '"docs"' in text and "exec(" in text else []
        text += "".join(page.read_text() for page in pages)
        scripts = r"\"{0}\.|^from {0} |-m {0}\."
        for top in ("benchmarks", "experiments"):
            if re.search(scripts.format(top), text, re.MULTILINE):
                found.add(f"//{top}")
        for module in re.findall(r"^from (airchitect_jax[\w.]*) import", text, re.MULTILINE):
            found.add(label_of(file_of(module)))
    return found


@pytest.mark.parametrize("folder", FOLDERS, ids=package)
def test_every_source_file_is_in_one_library_or_test(folder):
    listed = [
        path
        for kind, arguments in rules(folder)
        if kind != "py_binary"
        for path in sources(folder, kind, arguments)
    ]
    assert sorted(listed) == sorted(folder.glob("*.py"))


@pytest.mark.parametrize("folder", FOLDERS, ids=package)
def test_targets_depend_on_what_they_import(folder):
    for kind, arguments in rules(folder):
        own = {f"{package(folder)}:{arguments['name']}"}
        if arguments["name"] == folder.name:
            own.add(package(folder))
        needed = set()
        for path in sources(folder, kind, arguments):
            needed |= needs(path)
        if kind == "py_binary":  # of its folder's library
            needed = {package(folder)}
        elif kind == "pytest_test":  # the macro adds these
            needed -= {"//tests:support", "@pypi//pytest"}
        declared = {
            f"{package(folder)}{name}".replace(f":{folder.name}", "") if name[0] == ":" else name
            for name in arguments.get("deps", [])
        }
        assert declared == needed - own, f"{package(folder)}:{arguments['name']}"


def test_third_party_packages_are_in_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = sum(project["optional-dependencies"].values(), project["dependencies"])
    known = {re.split(r"[\[<>=!~]", line)[0].replace("-", "_") for line in lines}
    for folder in FOLDERS:
        for _, arguments in rules(folder):
            for name in arguments.get("deps", []):
                if name.startswith("@pypi//"):
                    assert name.removeprefix("@pypi//") in known, f"{package(folder)}: {name}"
