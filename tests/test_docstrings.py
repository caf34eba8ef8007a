"""Examples in docstrings run, and all public names have one."""

import ast
import doctest
import importlib
import inspect
import pathlib
import unittest.mock

import jax
import numpy as np
import pytest

import airchitect_jax
from airchitect_jax._support import registry

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "airchitect_jax"
# What every example may use beside the names of its module.
NAMES = {"aj": airchitect_jax, "jax": jax, "np": np}
# Objects whose examples compile much.
SLOW = {
    "BlackBox",
    "MachineAnswer",
    "MemoryReport",
    "Traffic",
    "evaluate_memory",
    "label_buffers",
    "label_schedules",
    "load_pretrained",
    "optimize",
    "recommend_machine",
    "sensitivity",
}
EXTRAS = {"read_onnx": "onnx", "read_torch": "torch"}


def documented():
    """(module, name) of all functions and classes whose docstrings have an example."""
    for path in sorted([*PACKAGE.rglob("*.py"), *(ROOT / "tools").glob("*.py")]):
        text = path.read_text()
        if ">>>" in text:
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield from ((module, name) for name in with_examples(ast.parse(text)))


def with_examples(tree, outer=()):
    """Names of the objects of a syntax tree whose docstrings have an example, methods included."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names = (*outer, node.name)
            if ">>>" in (ast.get_docstring(node) or ""):
                yield ".".join(names)
            yield from with_examples(node, names)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        pytest.param(*item, id=item[1], marks=pytest.mark.slow if item[1] in SLOW else ())
        for item in documented()
    ],
)
def test_examples_run(module, name, tmp_path, monkeypatch):
    if name in EXTRAS:
        pytest.importorskip(EXTRAS[name])
    monkeypatch.chdir(tmp_path)
    names = vars(importlib.import_module(module))
    text = inspect.getdoc(eval(name, names))
    example = doctest.DocTestParser().get_doctest(text, names | NAMES, name, None, None)
    runner, said = doctest.DocTestRunner(verbose=False), []
    copies = {kind: dict(things) for kind, things in registry._things.items()}
    with unittest.mock.patch.object(registry, "_things", copies):
        runner.run(example, out=said.append)
    assert runner.tries
    assert not runner.failures, "".join(said)


def test_all_public_names_have_an_example():
    with_example = {name for module, name in documented() if module.startswith("airchitect_jax.")}
    assert set(airchitect_jax.__all__) - with_example == {"__version__"}
