"""Writes the BUILD files from what the sources import and the tests read.

Run `python -m tools.write_build` to see what would change, with `--write` to change it.
"""

from __future__ import annotations

import ast
import functools
import pathlib
import re
import sys
from collections.abc import Iterable, Iterator

from tools import _generated

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE, TESTS = ROOT / "airchitect_jax", ROOT / "tests"
SCRIPTS = ("benchmarks", "experiments")
# Those with a BUILD: folders that have an order or are a study, with all that is in them.
TOPS = [ROOT / name for name in ("airchitect_jax", *SCRIPTS, "tests", "tools")]
INNER = [*PACKAGE.glob("*/__init__.py"), *PACKAGE.glob("studies/*/__init__.py")]
FOLDERS = sorted([*TOPS, *(path.parent for path in INNER)])
SUPPORT = "//tests:support"
SHARED = ("enums.py", "types.py", "version.py")  # apart from the rest, which depends on all
APART = "test_scalesim_package.py"  # in an environment of its own: make test_package
READ_ALL = ("test_build", "test_docs", "test_site", "test_structure")  # these read the whole tree
# The distribution that provides a module, where the names differ.
DISTRIBUTIONS = {
    "absl": "absl_py",
    "griffe": "griffelib",
    "markdown_it": "markdown_it_py",
    "orbax": "orbax_checkpoint",
    "sklearn": "scikit_learn",
    "xdist": "pytest_xdist",
    "yaml": "pyyaml",
}
STARTED = {"nbclient": "ipykernel"}  # by name, without an import
# Data beside the sources that read it.
PACKAGED = (
    "*.css",
    "*.html",
    "*.js",
    "*.svg",
    "*/config.json",
    "*/weights.safetensors",
    "labels/*",
    "flags.json",
    "measured/*",
    "networks/**/*.csv",
    "page.css",
    "page.js",
    "platforms/*.yaml",
    "tables/*.csv",
)
UNLOCKED = ("stable_baselines3", "torch")  # requirements_lock.txt says why

HEADER = '\npackage(default_visibility = ["//visibility:public"])\n\n'
LOADS = dict.fromkeys(("py_binary", "py_library"), "@rules_python//python:defs.bzl")
LOADS["pytest_test"] = ":pytest_test.bzl"
EXPORTS = 'exports_files(glob(["*"]))\n'
SOURCES = 'glob(\n        ["**"],\n        exclude = ["**/__pycache__/**"],\n    )'


def package(folder: pathlib.Path) -> str:
    """The label of a folder's own target."""
    return "//" + folder.relative_to(ROOT).as_posix()


def home(path: pathlib.Path) -> pathlib.Path:
    """The folder whose BUILD has a source file."""
    return next(folder for folder in path.parents if folder in FOLDERS)


def is_test(path: pathlib.Path) -> bool:
    """Whether a source file holds tests."""
    return path.parent == TESTS and path.name.startswith("test_")


def library(path: pathlib.Path) -> str:
    """The target that holds a source file."""
    if path.parent == PACKAGE and path.name in SHARED:
        return f"{package(PACKAGE)}:types"
    return SUPPORT if path.parent == TESTS else package(home(path))


@functools.cache
def file_of(module: str) -> pathlib.Path | None:
    """The source file of a module of ours; tests import their helpers by bare name."""
    for base in (ROOT, TESTS):
        path = base.joinpath(*module.split("."))
        for candidate in (path.with_suffix(".py"), path / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None


def imports(text: str, package: str) -> Iterator[str]:
    """The modules that are imported, wherever in the text of a file of the package."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = f"{package}.{node.module}" if node.level else str(node.module)
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                yield inner if file_of(inner) else module


@functools.cache
def needs(path: pathlib.Path) -> set[str]:
    """The libraries that a source file imports; of a test also those of what it runs."""
    text = path.read_text(encoding="utf-8")
    modules = set(imports(text, ".".join(path.relative_to(ROOT).parent.parts)))
    if is_test(path):  # scripts by name, code within strings and pages
        if "exec(" in text and '"docs"' in text:
            pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
            text += "".join(page.read_text(encoding="utf-8") for page in pages)
        modules |= {top for top in SCRIPTS if re.search(rf'"{top}\.|-m {top}\.', text)}
        ours = r"^from ((?:airchitect_jax|benchmarks)[\w.]*) import"
        modules |= set(re.findall(ours, text, re.MULTILINE))
    found = set()
    for module in modules:
        top, file = module.split(".")[0], file_of(module)
        if file:
            found.add(library(file))
        elif top not in (*sys.stdlib_module_names, *UNLOCKED):
            names = {DISTRIBUTIONS.get(top, top), STARTED.get(top)} - {None}
            found |= {f"@pypi//{name}" for name in names}
    return found


def deps(files: Iterable[pathlib.Path], *own: str) -> str:
    """What source files need beside their own target, in the order of Buildifier."""
    found = set().union(*map(needs, files)) - set(own)
    if package(PACKAGE) in own:
        found = {re.sub(rf"^{package(PACKAGE)}:", ":", label) for label in found}
    return strings(
        sorted(found, key=lambda label: (":/@".index(label[0]), label.replace(":", "!")))
    )


def data_of(test: pathlib.Path) -> str:
    """The files of the tree that a test names."""
    if test.stem in READ_ALL:
        return strings(["//:tree"])
    text = test.read_text(encoding="utf-8")
    names = sorted(set(re.findall(r'ROOT / "([\w.]+)"', text)))
    labels = [f"//:{name}" for name in names if (ROOT / name).is_file()]
    labels += ["//docs"] if "docs" in names else []
    globs = ['glob(["testdata/**"])'] if "testdata" in text else []
    return " + ".join([*globs, *filter(None, [strings(labels)])])


def strings(items: Iterable[str]) -> str:
    """A list, with one item per line if there are several; nothing if there are none."""
    quoted = [f'"{item}"' for item in items]
    if len(quoted) < 2:
        return "".join(f"[{item}]" for item in quoted)
    return "[\n" + "".join(f"        {item},\n" for item in quoted) + "    ]"


def rule(kind: str, name: str, **arguments: str) -> str:
    """A call; arguments that are empty are left out."""
    lines = [f"    {key} = {value},\n" for key, value in arguments.items() if value]
    return f'{kind}(\n    name = "{name}",\n{"".join(lines)})\n'


def names(files: Iterable[pathlib.Path]) -> str:
    """Source files as their own BUILD lists them."""
    return strings(path.name for path in files)


def rules(folder: pathlib.Path) -> Iterator[str]:
    """Those of a folder with sources."""
    own = package(folder)
    sources = (path for path in folder.rglob("*.py") if path.name != APART)
    files = sorted(path for path in sources if home(path) == folder)
    stubs = sorted(path for path in folder.rglob("*.pyi") if home(path) == folder)
    tests = [path for path in files if is_test(path)]
    shared = [path for path in files if library(path).endswith(":types")]
    rest = [path for path in files if path not in (*tests, *shared)]
    srcs = names(rest) if tests or shared else 'glob(["**/*.py"])'
    if folder == TESTS:
        more = {"data": strings(["//:pyproject.toml", "//docs"]), "imports": '["."]'}
        more["deps"] = deps(rest, SUPPORT)
        yield rule("py_library", "support", testonly="True", srcs=srcs, **more)
    else:
        packaged = [name for name in PACKAGED if list(folder.glob(name))]
        data = f"glob({strings(packaged)})" if packaged else names(stubs)
        yield rule("py_library", folder.name, srcs=srcs, data=data, deps=deps(rest + stubs, own))
    if shared:
        needed = deps(shared, own, f"{own}:types")
        yield rule("py_library", "types", srcs=names(shared), data='["py.typed"]', deps=needed)
    for path in tests:
        needed = deps([path], SUPPORT, "@pypi//pytest")  # which pytest_test adds
        yield rule("pytest_test", path.stem, data=data_of(path), deps=needed)
    for path in files if folder.name in SCRIPTS else ():
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8"):
            yield rule("py_binary", path.stem, srcs=names([path]), deps=f'[":{folder.name}"]')
    yield rule("filegroup", "sources", srcs=SOURCES)


def build(texts: Iterable[str]) -> str:
    """A BUILD file of rules."""
    text = "\n".join(texts)
    used: dict[str, list[str]] = {}
    for kind, file in LOADS.items():
        if re.search(rf"^{kind}\(", text, re.MULTILINE):
            used.setdefault(file, []).append(f'"{kind}"')
    loads = [f'load("{file}", {", ".join(kinds)})\n' for file, kinds in used.items()]
    return "".join(loads) + HEADER.lstrip("" if loads else "\n") + text


def build_files() -> dict[pathlib.Path, str]:
    """The text of each BUILD file."""
    tree = ['glob(["*"])', strings(["//docs", *(f"{package(path)}:sources" for path in FOLDERS)])]
    texts = {path: build(rules(path)) for path in FOLDERS}
    texts[ROOT / "docs"] = build([rule("filegroup", "docs", srcs=SOURCES)])
    texts[ROOT] = build([EXPORTS, rule("filegroup", "tree", srcs=" + ".join(tree))])
    return {folder / "BUILD": text for folder, text in texts.items()}


if __name__ == "__main__":
    _generated.update(build_files(), sys.argv[1:])
