"""The structure holds: imports run one way, BUILD knows every file, nothing foreign slips in."""

import ast
import functools
import graphlib
import importlib
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

import airchitect_jax

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "airchitect_jax"

# Lowest first. A folder imports only from folders before it; the modules beside them serve all.
FOLDERS = [
    "_support",
    "reporting",
    "workloads",
    "spaces",
    "cost",
    "scalesim",
    "oracle",
    "verification",
    "case_studies",
    "learning",
    "search",
    "baselines",
    "labelling",
    "recommendation",
    "test_sets",
    "pretrained",
    "studies",
    "explore",
    "experiments",
]
# Faces that need an extra: these folders serve nobody without it.
NEED_EXTRAS = ("airchitect_jax.labelling", "airchitect_jax.studies")
# What never knows which case study it serves.
GENERAL = [
    "_support.*",
    "reporting.*",
    "baselines.classifiers",
    "baselines.heuristics",
    "baselines.networks",
    "baselines.scores",
    "labelling.columns",
    "labelling.engine",
    "labelling.sources",
    "learning.calibration",
    "learning.datasets",
    "learning.evaluation",
    "learning.experiment",
    "learning.losses",
    "learning.models.additive",
    "learning.models.airchitect",
    "learning.models.mlp",
    "learning.models.paper",
    "learning.plots",
    "learning.real_networks",
    "learning.report",
    "learning.selective",
    "learning.training",
    "pretrained.*",
    "search.registry",
    "studies.design_space.changes",
    "studies.design_space.exhibit",
    "studies.design_space.features",
    "studies.design_space.labels",
    "studies.design_space.neighbours",
    "studies.design_space.report",
    "studies.design_space.samples",
    "studies.generalisation.*",
    "studies.models.*",
    "studies.search.*",
    "test_sets.base",
    "test_sets.case_sets",
    "test_sets.predictions",
]
EXTRAS = [
    "evosax",
    "fsspec",
    "gymnasium",
    "joblib",
    "matplotlib",
    "onnx",
    "optuna",
    "pyarrow",
    "ray",
    "scalesim",
    "sklearn",
    "stable_baselines3",
    "torch",
    "xgboost",
    "xxhash",
]


def python_files(*folders):
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def module_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_of(path): path for path in python_files("airchitect_jax")}
FACES = sorted(module for module, path in FILES.items() if path.name == "__init__.py")


@functools.cache
def import_pairs(path):
    """(module, name) of all imports of a file, wherever in it; no name of `import module`.

    A lazy face imports what its stub does.
    """
    stub = path.with_suffix(".pyi")
    pairs = []
    for node in ast.walk(ast.parse((stub if stub.is_file() else path).read_text())):
        if isinstance(node, ast.Import):
            pairs += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = f"{module_of(path)}.{node.module}" if node.level else node.module
            pairs += [(module, alias.name) for alias in node.names]
    return pairs


def imports(path):
    """The modules that a file imports; of a name out of a folder's face, the folder."""
    for module, name in import_pairs(path):
        inner = f"{module}.{name}"
        yield inner if inner in FILES else module


def folder_of(module):
    """The folder that has an order: the first below the package."""
    return module.split(".")[1] if "." in module else ""


def house_of(module):
    """What has a face of its own to others: a folder, or one study."""
    parts = module.split(".")
    return ".".join(parts[: 3 if "studies" in parts[1:2] else 2])


def names_of(face):
    return getattr(importlib.import_module(face), "__all__", [])


def test_every_folder_has_its_place():
    folders = {folder_of(module) for module in FILES} - {"", "enums", "types", "version"}
    assert sorted(folders) == sorted(FOLDERS)


def test_folders_import_only_from_folders_before_them():
    order = ["enums", "types", "version", *FOLDERS]
    for module, path in FILES.items():
        for imported in imports(path):
            if imported in FILES and module != "airchitect_jax":
                here, there = folder_of(module), folder_of(imported)
                allowed = order[: order.index(here) + 1]
                assert there in allowed, f"{module} imports {imported}"


def test_modules_import_each_other_one_way():
    graph = {
        module: {other for other in imports(path) if other in FILES and other != module}
        for module, path in FILES.items()
    }
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


def test_folders_are_entered_by_their_faces():
    """But for modules that need an extra, and for what has the name of its own module."""
    faces = {face: names_of(face) for face in FACES}
    users = python_files("airchitect_jax", "experiments", "benchmarks", "tools")
    for path in users:
        for module, name in import_pairs(path):
            face = module.rpartition(".")[0]
            if module in FILES and module not in FACES and face != "airchitect_jax":
                inside = path.is_relative_to(PACKAGE) and house_of(module_of(path)) == house_of(
                    module
                )
                assert inside or name not in faces.get(face, ()), (
                    f"{path.relative_to(ROOT)}: {name} is in the face {face}"
                )


def test_what_is_imported_from_a_face_is_in_it():
    for path in python_files("airchitect_jax", "experiments", "benchmarks", "tools", "tests"):
        for module, name in import_pairs(path):
            if module in FACES and name and f"{module}.{name}" not in FILES:
                assert name in names_of(module), f"{path.relative_to(ROOT)}: {module}.{name}"


def test_folders_do_not_import_their_own_face():
    for module, path in FILES.items():
        for imported in imports(path):
            assert not module.startswith(f"{imported}."), f"{module} imports {imported}"


@pytest.mark.parametrize("face", FACES)
def test_faces_are_real(face):
    names = names_of(face)
    assert len(names) == len(set(names))
    assert set(names) <= set(dir(importlib.import_module(face)))
    for name in names:
        assert getattr(importlib.import_module(face), name) is not None


def test_documentation_imports_from_faces():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for page in pages:
        for module, names in re.findall(
            r"^from (airchitect_jax[\w.]*) import (\w+)", page.read_text(), re.MULTILINE
        ):
            own = module.endswith(f".{names}")  # has the name of its module
            assert module in FACES or own, f"{page.name}: {module}"


def test_general_modules_know_no_case_study():
    for pattern in GENERAL:
        known = re.compile(re.escape(f"airchitect_jax.{pattern}").replace(r"\*", r"\w+"))
        found = [module for module in FILES if known.fullmatch(module)]
        assert found, f"no module {pattern}"
        for module in found:
            for imported, name in import_pairs(FILES[module]):
                text = f"{imported}.{name}".replace("_", "").lower()
                assert not re.search("arraydataflow|buffer", text), f"{module}: {imported}.{name}"


def test_flags_live_in_experiments_and_benchmarks_only():
    for module, path in FILES.items():
        if folder_of(module) != "experiments":
            assert not any(name.startswith("absl") for name in imports(path)), path


def test_the_public_face_is_sorted_and_real():
    assert airchitect_jax.__all__ == sorted(airchitect_jax.__all__)
    for name in airchitect_jax.__all__:
        assert getattr(airchitect_jax, name) is not None


def test_importing_the_package_is_light_and_faces_need_no_extra():
    heavy = [*EXTRAS, "flax", "optax", "orbax", "pandas", "rich", "scipy.stats"]
    faces = [face for face in FACES if not face.startswith(NEED_EXTRAS)]
    code = f"""
import sys
import airchitect_jax
import airchitect_jax._support, airchitect_jax.scalesim  # faces import what is used
print([name for name in {[*heavy, "jax"]} if name in sys.modules])
airchitect_jax.recommend
print([name for name in {heavy} if name in sys.modules])
sys.modules.update(dict.fromkeys({EXTRAS}))  # None: as if not installed
import {", ".join(faces)}
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert found.stdout.split("\n") == ["[]", "[]", ""], found.stderr
    assert not found.returncode, found.stderr


def test_matplotlib_comes_from_the_module_that_names_its_extra():
    for path in python_files("airchitect_jax", "experiments", "benchmarks"):
        if path != PACKAGE / "reporting" / "style.py":
            assert not any(name.startswith("matplotlib") for name in imports(path)), path


def test_files_are_of_readable_size():
    for path in python_files("airchitect_jax", "experiments", "benchmarks", "tools", "tests"):
        assert len(path.read_text().splitlines()) <= 400, path


def test_core_dependencies_are_in_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    core = {re.split(r"[\[<>=!~]", line)[0] for line in project["dependencies"]}
    allowed = {*sys.stdlib_module_names, *EXTRAS, "airchitect_jax"}
    for path in python_files("airchitect_jax"):
        for imported in imports(path):
            top = imported.split(".")[0]
            names = {"absl": "absl-py", "orbax": "orbax-checkpoint", "yaml": "pyyaml"}
            assert top in allowed or names.get(top, top) in core, f"{path} imports {imported}"
