"""The structure holds: imports run one way, BUILD knows every file, nothing foreign slips in."""

import ast
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

import airchitect_jax

RUN_PYTEST = "tests/run_pytest.py"  # part of every test target
ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "airchitect_jax"

# Lowest first. A module imports from lower layers, or from an earlier module of its own layer.
LAYERS = [
    [
        "version",
        "types",
        "printable",
        "checks",
        "files",
        "checksums",
        "host_memory",
        "arrow",
        "forks",
        "batching",
        "progress",
    ],
    [
        "spaces",
        "schedule_space",
        "workloads.network",
        "workloads.gemms",
        "workloads.jaxpr",
        "workloads.onnx_nodes",
        "workloads.onnx",
        "workloads.sampling",
        "workloads.scalesim_csv",
        "workloads.zoo",
        "workloads.source",
    ],
    [
        "cost.soft",
        "cost.arithmetic",
        "cost.compute",
        "cost.schedule",
        "cost.memory",
        "cost.energy",
        "cost.by_dataflow",
        "cost.relaxed",
        "cost.evaluate",
        "cost.scalesim3_operands",
        "cost.scalesim3_buffers",
        "cost.scalesim3_run",
        "cost.scalesim3",
        "scalesim_package",
    ],
    [
        "oracle.batch",
        "oracle.ranking",
        "oracle.array_dataflow",
        "oracle.buffer_search",
        "oracle.buffers",
        "oracle.joint_space",
        "oracle.joint",
        "oracle.joint_cube",
        "oracle.joint_edp",
        "oracle.joint_best",
        "oracle.pareto",
        "oracle.replayed",
        "oracle.schedules",
        "oracle.queues",
    ],
    ["recommendation"],
    [
        "case_studies.base",
        "case_studies.array_dataflow",
        "case_studies.buffers",
        "case_studies.schedule",
        "case_studies.settings",
    ],
    [
        "search.base",
        "search.constraints",
        "search.simple",
        "search.local",
        "search.evolution",
        "search.tpe",
        "search.driver",
        "search.case_problem",
        "search.gradient",
        "search.proposals",
        "search.joint",
        "search.subject",
        "search.registry",
    ],
    ["datasets"],
    ["labelling.columns", "labelling.tasks", "labelling.sources", "labelling.engine"],
    [
        "models.airchitect",
        "models.airchitect_v2",
        "models.mlp",
        "models.resolutions",
        "models.additive",
        "models.symmetric",
        "models.choice",
    ],
    ["losses", "checkpoints", "training"],
    ["evaluation", "network_evaluation", "calibration", "abstain"],
    [
        "baselines.competitor",
        "baselines.scores",
        "baselines.floors",
        "baselines.classifiers",
        "baselines.off_the_shelf",
        "baselines.networks",
        "baselines.registry",
    ],
    ["spread_table", "comparison", "generalisation", "search_comparison"],
    ["plots", "comparison_plots", "generalisation_plots", "search_plots", "report", "workdir"],
    [
        "validation.statistics",
        "validation.scalesim_config",
        "validation.runs",
        "validation.agreement",
        "validation.sizing",
        "validation.summary",
        "validation.tables",
        "validation.timing",
        "validation.figure",
        "validation.validate",
    ],
    [
        "analysis.estimators",
        "analysis.samples",
        "analysis.exhibit",
        "analysis.frequency",
        "analysis.overlap",
        "analysis.information",
        "analysis.projection",
        "analysis.neighbours",
        "analysis.boundaries",
        "analysis.floors",
        "analysis.agreement",
        "analysis.coverage",
        "analysis.array_shapes",
        "analysis.array_budgets",
        "analysis.array_dataflow",
        "analysis.buffer_operands",
        "analysis.buffers",
        "analysis.schedules",
        "analysis.study",
    ],
    [
        "airchitect_v2.table",
        "airchitect_v2.inputs",
        "airchitect_v2.optimum",
        "airchitect_v2.scores",
        "airchitect_v2.forest",
        "airchitect_v2.experiment",
    ],
    ["experiment"],
    ["trained", "proposal"],
    ["recommend_tables", "recommend_plots", "recommend_report"],
]
# What never knows which case study it serves.
GENERAL = [
    "datasets",
    "models.airchitect",
    "models.additive",
    "losses",
    "checkpoints",
    "training",
    "evaluation",
    "network_evaluation",
    "plots",
]
GENERAL += ["report", "workdir", "experiment", "labelling.columns"]
GENERAL += ["labelling.sources", "labelling.engine"]
GENERAL += ["models.mlp", "calibration", "abstain"]
GENERAL += [f"analysis.{name}" for name in ("samples", "exhibit", "frequency", "overlap")]
GENERAL += [f"analysis.{name}" for name in ("information", "projection", "neighbours")]
GENERAL += [
    f"analysis.{name}" for name in ("boundaries", "floors", "agreement", "coverage", "study")
]
GENERAL += [f"baselines.{name}" for name in ("scores", "floors", "classifiers", "networks")]
GENERAL += ["comparison", "generalisation", "comparison_plots", "generalisation_plots"]
GENERAL += ["spread_table", "search_comparison", "search_plots", "search.registry"]


OPTIONAL = ("airchitect_jax", "evosax", "joblib", "matplotlib", "onnx", "optuna", "pyarrow")
OPTIONAL += ("scalesim", "sklearn", "xgboost")


def python_files(*folders):
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imports(path):
    """Names of the modules that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
            names.add(node.module)
    return names


def module_of(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def source_modules():
    files = [path for path in python_files("airchitect_jax") if path.name != "__init__.py"]
    return {module_of(path).removeprefix("airchitect_jax."): path for path in files}


def test_every_module_has_its_layer():
    assert sorted(source_modules()) == sorted(name for layer in LAYERS for name in layer)


def test_imports_run_one_way():
    order = [name for layer in LAYERS for name in layer]
    for name, path in source_modules().items():
        for imported in imports(path):
            other = imported.removeprefix("airchitect_jax.")
            if other in order and imported != other:
                assert order.index(other) < order.index(name), f"{name} imports {other}"


def test_general_modules_know_no_case_study():
    for name in GENERAL:
        found = {
            i for i in imports(source_modules()[name]) if "array_dataflow" in i or "buffer" in i
        }
        assert not found, f"{name} imports {found}"


def test_flags_live_in_experiments_and_benchmarks_only():
    for path in python_files("airchitect_jax"):
        assert not any(name.startswith("absl") for name in imports(path)), path


def test_the_public_face_is_sorted_and_real():
    assert airchitect_jax.__all__ == sorted(airchitect_jax.__all__)
    for name in airchitect_jax.__all__:
        assert getattr(airchitect_jax, name) is not None


def test_importing_the_package_is_light():
    heavy = ["flax", "optax", "orbax", "matplotlib", "onnx", "pyarrow", "pandas", "scipy.stats"]
    heavy += ["sklearn", "xgboost"]
    code = f"import sys, airchitect_jax; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert found.stdout.strip() == "[]", found.stderr


def test_files_are_of_readable_size():
    for path in python_files("airchitect_jax", "experiments", "benchmarks", "tools", "tests"):
        assert len(path.read_text().splitlines()) <= 400, path


@pytest.fixture(scope="module")
def targets():
    """Rules of BUILD by name: (kind, arguments). Starlark of this kind is Python syntax."""
    rules = {}
    for node in ast.parse((ROOT / "BUILD").read_text()).body:
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and getattr(call.func, "id", "").startswith("py_"):
            arguments = {keyword.arg: _value(keyword.value) for keyword in call.keywords}
            rules[arguments["name"]] = (call.func.id, arguments)
    return rules


def _value(node):
    if isinstance(node, ast.List):
        return [_value(element) for element in node.elts]
    if isinstance(node, ast.BinOp):  # glob([...]) + [...]
        return [_value(node.left), *_value(node.right)]
    if isinstance(node, ast.Call):  # requirement("jax") or glob([...])
        return f"{node.func.id}:{_value(node.args[0])}"
    return ast.literal_eval(node)


def test_build_has_every_source_file_once(targets):
    listed = [source for _, arguments in targets.values() for source in arguments["srcs"]]
    listed = [source for source in listed if source != RUN_PYTEST] + [RUN_PYTEST]
    assert len(listed) == len(set(listed))
    here = python_files("airchitect_jax", "experiments", "benchmarks", "tools", "tests")
    assert sorted(listed) == sorted(str(path.relative_to(ROOT)) for path in here)


def test_build_has_a_target_of_each_kind(targets):
    assert {kind for kind, _ in targets.values()} == {"py_library", "py_test", "py_binary"}
    for kind, arguments in targets.values():
        if kind == "py_test":
            assert arguments["main"] == RUN_PYTEST
            assert arguments["srcs"][-1] == RUN_PYTEST


# The distribution that provides a module, where the names differ.
DISTRIBUTIONS = {
    "absl": "absl-py",
    "orbax": "orbax-checkpoint",
    "sklearn": "scikit-learn",
}


def test_build_names_every_dependency(targets):
    owner = {
        source: name
        for name, (_, arguments) in targets.items()
        for source in arguments["srcs"]
        if source != RUN_PYTEST
    }
    modules = {source.removesuffix(".py").replace("/", "."): source for source in owner}
    modules |= {
        module.removesuffix(".__init__"): source for module, source in list(modules.items())
    }
    modules |= {  # tests import their helpers by bare name
        module.removeprefix("tests."): source
        for module, source in list(modules.items())
        if module.startswith("tests.")
    }
    for name, (_, arguments) in targets.items():
        declared = set(arguments.get("deps", []))
        for source in arguments["srcs"]:
            needed = set()
            for imported in imports(ROOT / source):
                top = imported.split(".")[0]
                if imported in modules:
                    needed.add(f":{owner[modules[imported]]}")
                elif top in sys.stdlib_module_names or top in ("airchitect_jax", "__future__"):
                    continue
                elif top not in ("experiments", "benchmarks", "tools", "tests"):
                    needed.add(f"requirement:{DISTRIBUTIONS.get(top, top)}")
            missing = needed - declared - {f":{name}"}
            assert not missing, f"BUILD: {name} ({source}) needs {sorted(missing)}"
        for dependency in declared:
            if dependency.startswith(":"):
                assert dependency.removeprefix(":") in targets, f"{name}: no target {dependency}"


def test_build_requirements_are_in_pyproject(targets):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        lines += extra
    known = {re.split(r"[\[<>=!~]", line)[0] for line in lines}
    for name, (_, arguments) in targets.items():
        for dependency in arguments.get("deps", []):
            if dependency.startswith("requirement:"):
                assert dependency.removeprefix("requirement:") in known, f"{name}: {dependency}"
    core = {re.split(r"[\[<>=!~]", line)[0] for line in project["dependencies"]}
    for path in python_files("airchitect_jax"):
        for imported in imports(path):
            top = imported.split(".")[0]
            if top not in sys.stdlib_module_names and top not in OPTIONAL:
                assert DISTRIBUTIONS.get(top, top) in core, f"{path} imports {imported}"
