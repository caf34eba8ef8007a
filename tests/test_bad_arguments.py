"""Every public function and constructor refuses wrong arguments by name, before it compiles.

Each kind of parameter has a list of wrong values. A table says of every public callable what a
good call of it is and of what kind each parameter is; each wrong value takes the place of a good
one, and the error must be a `ValueError` or a `TypeError` of one line with the parameter's name.
"""

import dataclasses
import decimal
import fractions
import re

import jax.numpy as jnp
import numpy as np
import pytest

import airchitect_jax as aj
from airchitect_jax.case_studies.array_dataflow import ArrayDataflowCase
from airchitect_jax.case_studies.buffers import BufferCase
from airchitect_jax.case_studies.schedule import ScheduleCase
from airchitect_jax.oracle.joint_space import JointSpace, Platform, Workload
from airchitect_jax.oracle.ranking import Goal
from airchitect_jax.validation.scalesim_config import ScalesimConfig
from airchitect_jax.workloads.sampling import sample_integers

OBJECTS = [object(), {}, {"m": 1}, b"64", 3j, aj.Layer, fractions.Fraction(64), decimal.Decimal(64)]
# No number of any kind, wherever one is expected.
NO_NUMBERS = [*OBJECTS, None, True, False, np.bool_(True), "64", "", [None], ["64"], [True, 2]]
NO_NUMBERS += [float("nan"), np.nan, np.inf, -np.inf, np.float32("nan"), np.array("x"), 1j]
NO_NUMBERS += [np.array(True), jnp.array(True), np.timedelta64(3), np.datetime64("2020-01-01")]
NO_NUMBERS += [np.ma.masked, np.ma.masked_array([5, 6], mask=[False, True]), [[1, 2], [3]]]
NO_WHOLE = [*NO_NUMBERS, 63.7, 0.5, -0.5, np.float64(1.5), np.array(2.5), jnp.array(2.5), 1e-300]
NO_WHOLE += [-1, -64, np.int32(-3), -(2**63), -(10**400), 2**63, 2**64, 10**400, 10**5000, 1e30]
# A whole number in a range that starts above zero.
COUNT = [*NO_WHOLE, 0, 0.0, np.int64(0), [], [64, 64], np.array([64])]
# A batch of them; scalars and lists are allowed.
BATCH = [*NO_WHOLE, 0, [5, 0], [5, 2.5], np.array([True]), [5, np.nan], np.array([1, 2**63 - 1])]
BATCH += [np.ma.masked_array([5.0, 6.0], mask=True), np.array([2**40]), np.uint64(2**63), [5, "6"]]
INDEX = [*NO_WHOLE, 10**6]
PRICE = [*NO_NUMBERS, -1, -0.5, 1e10, 10**400, [1.0], np.array([1.0, 2.0])]
CHOICE = [*OBJECTS, None, True, 0, 1, 0.0, "", "x", "SCALESIM", "Cycles", "shared ", ["scalesim"]]
CHOICE += [aj.Dataflow.OS, aj.MemoryModel.IDEAL, aj.RuntimeModel, np.int64(1), float("nan")]
FLOW = [*OBJECTS, None, True, -1, 3, 0.5, "", "x", "Os", "output", float("nan"), 10**400, [0, 1]]
FLOW += [aj.RuntimeModel.SCALESIM, np.array([0, 1]), np.array(True), aj.Dataflow, 1j, "0"]
FLOWS = [value for value in FLOW if not isinstance(value, (list, np.ndarray))]
FLOWS += [[0, 3], np.array([0, -1]), [0, 0.5], [True], ["OS", "x"], np.array([0.5])]
# In place of a whole object.
OBJECT = [*OBJECTS, None, True, False, 0, 3, 1.5, "", "x", [], (), [1], np.ones(3), aj.Gemm]
OBJECT += [aj.Dataflow.OS, aj.Labels(design_id=0, cost=1), lambda: None]
OPTIONAL = [value for value in OBJECT if value is not None]
PATHS = [value for value in OBJECT if not isinstance(value, str)]

WEIGHTS = [*(v for v in OPTIONAL if not isinstance(v, list)), [0], [-1], [2.5], [True], [1, 1]]
WEIGHTS += [[], ["1"], [2**63], [np.nan]]

GEMM = aj.Gemm(m=64, n=32, k=16)
BUDGETED = aj.BudgetedGemm(mac_budget=64, m=64, n=32, k=16)
SIZES = aj.BufferSizes(ifmap_sram_bytes=1024, filter_sram_bytes=1024, ofmap_sram_bytes=1024)
BUFFERED = aj.BufferedGemm(
    sram_budget_bytes=2**20,
    m=64,
    n=32,
    k=16,
    rows=8,
    cols=8,
    dataflow=0,
    bandwidth_bytes_per_cycle=8,
)
ARRAY = aj.ArrayShape(rows=8, cols=8)
DESIGN = aj.ArrayDesign(rows=8, cols=8, dataflow=0)
MEMORY = aj.Memory(buffers=SIZES, bandwidth_bytes_per_cycle=8)
NETWORK = aj.Network(name="net", layers=(aj.Layer(name="a", m=8, n=8, k=8),))
SETS = aj.Gemm(m=np.full(2, 64), n=32, k=16)
RELAXED = aj.RelaxedArray(log2_rows=3.0, log2_cols=3.0, dataflow=jnp.array([1.0, 0.0, 0.0]))
RELAXATION = aj.Relaxation(temperature=0.1)
SPACE, SIZINGS = aj.ArrayDataflowSpace(), aj.BufferSpace()
SCHEDULES = aj.ScheduleSpace()
DIMS = dict.fromkeys("mnk", BATCH)
SIDES = dict.fromkeys(("rows", "cols"), BATCH)
# A concrete operand of an equation: numbers or arrays, floats included, that are positive.
OPERAND = [*NO_NUMBERS, -1, 0, -0.5, np.array([5, 0]), [5, 6], np.int32(5), jnp.int32(5)]
OPERANDS = [dict.fromkeys("mnk", OPERAND), dict.fromkeys(("rows", "cols"), OPERAND)]
REAL = [*NO_NUMBERS, -1.0, 0.0]
MODEL = {"runtime_model": CHOICE}


# callable, a good call, wrong values of its parameters, and of fields of their records.
TABLE = {
    "compute_cycles": (
        aj.compute_cycles,
        {"gemm": GEMM, "array": ARRAY, "dataflow": "OS", "runtime_model": "scalesim"},
        {"gemm": OBJECT, "array": OBJECT, "dataflow": FLOW, **MODEL},
        {"gemm": OPERANDS[0], "array": OPERANDS[1]},
    ),
    "compute_report": (
        aj.compute_report,
        {"gemm": GEMM, "array": ARRAY, "dataflow": "OS"},
        {"gemm": OBJECT, "array": OBJECT, "dataflow": FLOW, **MODEL},
        {"gemm": OPERANDS[0], "array": OPERANDS[1]},
    ),
    "evaluate": (
        aj.evaluate,
        {"workloads": GEMM, "designs": DESIGN},
        {"workloads": OBJECT, "designs": OBJECT, **MODEL},
        {"workloads": DIMS, "designs": {**SIDES, "dataflow": FLOWS}},
    ),
    "evaluate_memory": (
        aj.evaluate_memory,
        {"workloads": GEMM, "designs": DESIGN, "memory": MEMORY},
        {
            "workloads": OBJECT,
            "designs": OBJECT,
            "memory": OBJECT,
            "interface": CHOICE,
            "energy_table": OPTIONAL,
            **MODEL,
        },
        {
            "workloads": DIMS,
            "designs": {**SIDES, "dataflow": FLOWS},
            "memory": {
                "buffers": OBJECT,
                "bandwidth_bytes_per_cycle": BATCH,
                "element_bytes": BATCH,
            },
        },
    ),
    "label": (
        aj.label,
        {
            "workloads": BUDGETED,
            "space": aj.ArrayDataflowSpace(max_mac_exponent=2),
            "memory": MEMORY,
        },
        {
            "workloads": [*OBJECT, GEMM],
            "space": OPTIONAL,
            "objective": CHOICE,
            "memory": OBJECT,
            "energy_table": OPTIONAL,
            **MODEL,
        },
        {
            "workloads": {"mac_budget": BATCH, **DIMS},
            "memory": {
                "buffers": OBJECT,
                "bandwidth_bytes_per_cycle": COUNT,
                "element_bytes": COUNT,
            },
        },
    ),
    "label_buffers": (
        aj.label_buffers,
        {"workloads": BUFFERED, "space": aj.BufferSpace(num_levels=1)},
        {
            "workloads": [*OBJECT, GEMM],
            "space": OPTIONAL,
            "objective": CHOICE,
            "interface": CHOICE,
            "element_bytes": COUNT,
            "energy_table": OPTIONAL,
            **MODEL,
        },
        {
            "workloads": {
                "sram_budget_bytes": NO_WHOLE,
                **DIMS,
                **SIDES,
                "dataflow": FLOWS,
                "bandwidth_bytes_per_cycle": BATCH,
            }
        },
    ),
    "label_schedules": (
        aj.label_schedules,
        {"workloads": SETS, "space": aj.ScheduleSpace(arrays=(ARRAY, ARRAY))},
        {"workloads": [*OBJECT, BUDGETED, GEMM], "space": OPTIONAL, **MODEL},
        {"workloads": {"n": [0, *NO_WHOLE], "k": [0, *NO_WHOLE]}},
    ),
    "replay": (
        aj.replay,
        {
            "gemm": GEMM,
            "array": ARRAY,
            "dataflow": "OS",
            "ifmap_sram_kb": 8,
            "filter_sram_kb": 8,
            "ofmap_sram_kb": 8,
            "bandwidth_words_per_cycle": 8,
        },
        {
            "gemm": OBJECT,
            "array": OBJECT,
            "dataflow": FLOWS,
            "ifmap_sram_kb": BATCH,
            "filter_sram_kb": BATCH,
            "ofmap_sram_kb": BATCH,
            "bandwidth_words_per_cycle": [v for v in NO_WHOLE if v is not None],
        },
        {"gemm": DIMS, "array": SIDES},
    ),
    "recommend": (
        aj.recommend,
        {"workload": NETWORK, "mac_budget": 64},
        {
            "workload": OBJECT,
            "mac_budget": COUNT,
            "sram_budget_kb": [v for v in COUNT if v is not None],
            "bandwidth_bytes_per_cycle": COUNT,
            "objective": CHOICE,
            "weights": WEIGHTS,
            "element_bytes": COUNT,
            "interface": CHOICE,
            "energy_table": OPTIONAL,
            "buffers": OPTIONAL,
            "dims": [v for v in OPTIONAL if not isinstance(v, dict)],
            **MODEL,
        },
        {},
    ),
    "Layer": (
        aj.Layer,
        {"name": "a", "m": 8, "n": 8, "k": 8},
        {"name": PATHS, "m": COUNT, "n": COUNT, "k": COUNT, "count": COUNT},
        {},
    ),
    "Network": (
        aj.Network,
        {"name": "net", "layers": NETWORK.layers},
        {
            "name": PATHS,
            "layers": [v for v in OBJECT if not isinstance(v, (list, tuple)) or len(v)],
            "skipped": [value for value in OBJECT if not isinstance(value, dict)],
        },
        {},
    ),
    "ArrayDataflowSpace": (aj.ArrayDataflowSpace, {}, {"max_mac_exponent": [1, 31, *COUNT]}, {}),
    "BufferSpace": (aj.BufferSpace, {}, {"step_kb": COUNT, "num_levels": [33, *COUNT]}, {}),
    "ScheduleSpace": (
        aj.ScheduleSpace,
        {"arrays": (ARRAY, ARRAY)},
        {"arrays": [*OBJECT, (ARRAY,), (ARRAY, None), (ARRAY, 3), (ARRAY, GEMM), ARRAY]},
        {},
    ),
    "EnergyTable": (
        aj.EnergyTable,
        {},
        {
            "mac_pj": PRICE,
            "sram_pj_per_byte": PRICE,
            "sram_reference_bytes": COUNT,
            "sram_exponent": PRICE,
            "dram_pj_per_byte": PRICE,
        },
        {},
    ),
    "Relaxation": (
        aj.Relaxation,
        {"temperature": 0.1},
        {"temperature": PRICE, "interface": CHOICE, "energy_table": OBJECT, **MODEL},
        {},
    ),
    "sensitivity": (
        aj.sensitivity,
        {"cost": lambda gemm: gemm.m, "gemm": aj.Gemm(m=8.0, n=8.0, k=8.0)},
        {"cost": [v for v in OBJECT if not callable(v)], "gemm": OBJECT},
        {"gemm": dict.fromkeys("mnk", REAL)},
    ),
    "load_network": (aj.load_network, {"name": "gpt2"}, {"name": OBJECT}, {}),
    "network_names": (aj.network_names, {}, {}, {}),
    "open_network": (
        aj.open_network,
        {"source": "gpt2"},
        {"source": OBJECT, "dims": [v for v in OPTIONAL if not isinstance(v, dict)]},
        {},
    ),
    "from_jax": (
        aj.from_jax,
        {"fn": jnp.dot},
        {"fn": [v for v in OBJECT if not callable(v)]},
        {},
    ),
    "read_onnx": (aj.read_onnx, {"path": "x.onnx"}, {"path": PATHS}, {}),
    "read_topology": (aj.read_topology, {"path": "x.csv"}, {"path": PATHS}, {}),
    "write_topology": (
        aj.write_topology,
        {"path": "x.csv", "network": NETWORK},
        {"path": PATHS, "network": OBJECT},
        {},
    ),
}

CONFIG = {"rows": 8, "cols": 8, "ifmap_sram_kb": 8, "filter_sram_kb": 8, "ofmap_sram_kb": 8}
# The same of what stands behind the public names.
MORE = {
    "ArrayDataflowSpace.decode": (SPACE.decode, {"design_id": 0}, {"design_id": INDEX}, {}),
    "ArrayDataflowSpace.describe": (
        SPACE.describe,
        {"design_id": 0},
        {"design_id": [*INDEX, [0, 1], np.arange(3)]},
        {},
    ),
    "ArrayDataflowSpace.feasible": (
        SPACE.feasible,
        {"mac_exponent": 5},
        {"mac_exponent": [*NO_WHOLE, [5, 6]]},
        {},
    ),
    "ArrayDataflowSpace.design_id": (
        SPACE.design_id,
        {"row_exponent": 1, "col_exponent": 1, "dataflow": 0},
        {"row_exponent": [0, 18, *NO_WHOLE], "col_exponent": [0, *NO_WHOLE], "dataflow": FLOWS},
        {},
    ),
    "ArrayDataflowSpace.encode": (
        SPACE.encode,
        {"design": DESIGN},
        {"design": OBJECT},
        {"design": {**SIDES, "dataflow": FLOWS}},
    ),
    "BufferSpace.decode": (SIZINGS.decode, {"design_id": 0}, {"design_id": INDEX}, {}),
    "BufferSpace.describe": (SIZINGS.describe, {"design_id": 0}, {"design_id": INDEX}, {}),
    "BufferSpace.encode": (SIZINGS.encode, {"design": SIZES}, {"design": OBJECT}, {}),
    "ScheduleSpace.decode": (SCHEDULES.decode, {"design_id": 0}, {"design_id": INDEX}, {}),
    "ScheduleSpace.describe": (SCHEDULES.describe, {"design_id": 0}, {"design_id": INDEX}, {}),
    "ScheduleSpace.encode": (SCHEDULES.encode, {}, {"schedule": OBJECT}, {}),
    "ScheduleSpace.design_id": (
        SCHEDULES.design_id,
        {"permutation": 0, "dataflows": [0, 0, 0, 0]},
        {"permutation": [24, *NO_WHOLE], "dataflows": [*FLOWS, [0, 0, 0], [0, 0, 0, 3]]},
        {},
    ),
    "EnergyTable.sram_fj_per_byte": (
        aj.EnergyTable().sram_fj_per_byte,
        {},
        {"sram_bytes": [0, *NO_WHOLE]},
        {},
    ),
    "Relaxation.total_cycles": (
        RELAXATION.total_cycles,
        {"gemm": GEMM, "array": RELAXED, "memory": MEMORY},
        {"gemm": OBJECT, "array": OBJECT, "memory": OBJECT},
        {
            "gemm": dict.fromkeys("mnk", REAL),
            "array": {"log2_rows": [*NO_NUMBERS, 99.0], "dataflow": [*NO_NUMBERS, 0.5, [0.5, 0.5]]},
            "memory": {"buffers": OBJECT, "bandwidth_bytes_per_cycle": REAL},
        },
    ),
    "Goal": (Goal, {}, {"objective": CHOICE, "memory": OBJECT, "energy_table": OBJECT}, {}),
    "Platform": (
        Platform,
        {},
        {
            "bandwidth_bytes_per_cycle": COUNT,
            "element_bytes": COUNT,
            "interface": CHOICE,
            "energy_table": OBJECT,
            **MODEL,
        },
        {},
    ),
    "JointSpace": (
        JointSpace,
        {"rows": [2, 4], "cols": [2, 2], "sizings": [0, 1]},
        {"rows": [*BATCH, 2], "cols": [*BATCH, [2]], "sizings": [*NO_WHOLE, 0, [1, 0], []]},
        {},
    ),
    "JointSpace.within": (
        JointSpace.within,
        {"mac_budget": 64, "sram_budget_bytes": 2**20},
        {"mac_budget": COUNT, "sram_budget_bytes": NO_WHOLE, "buffers": OPTIONAL},
        {},
    ),
    "Workload": (
        Workload,
        {"gemms": ((1, 2, 3),), "counts": (1,)},
        {"gemms": [*BATCH, ((1, 2),), (1, 2, 3)], "counts": [*NO_WHOLE, 1, (0,), (1.5,), (1, 1)]},
        {},
    ),
    "ScalesimConfig": (
        ScalesimConfig,
        {**CONFIG, "dataflow": "OS", "bandwidth_words_per_cycle": 8},
        {
            **dict.fromkeys(CONFIG, COUNT),
            "dataflow": FLOW,
            "bandwidth_words_per_cycle": [v for v in COUNT if v is not None],
        },
        {},
    ),
    "ArrayDataflowCase": (
        ArrayDataflowCase,
        {},
        {
            "min_mac_exponent": COUNT,
            "max_mac_exponent": COUNT,
            "max_dim": COUNT,
            "distribution": CHOICE,
            "goal": OBJECT,
            **MODEL,
        },
        {},
    ),
    "BufferCase": (
        BufferCase,
        {},
        {
            **dict.fromkeys(("min_budget_kb", "max_budget_kb", "max_dim", "element_bytes"), COUNT),
            **dict.fromkeys(("min_side_exponent", "max_side_exponent"), NO_WHOLE),
            **dict.fromkeys(("distribution", "objective"), CHOICE),
            "memory_model": [v for v in CHOICE if v is not aj.MemoryModel.IDEAL],
            "max_bandwidth": COUNT,
            "interface": CHOICE,
            "energy_table": OBJECT,
            **MODEL,
        },
        {},
    ),
    "ScheduleCase": (
        ScheduleCase,
        {},
        {"arrays": [*OBJECT, (ARRAY, 3)], "max_dim": COUNT, "distribution": CHOICE, **MODEL},
        {},
    ),
    "sample_integers": (
        sample_integers,
        {"key": None, "shape": (2,), "low": 1, "high": 9, "distribution": "log_uniform"},
        {"low": COUNT, "high": COUNT, "distribution": CHOICE},
        {},
    ),
}

# Tuples of numbers that tracers pass through are not checked: what takes them checks them.
CARRIERS = {
    aj.ArrayDesign,
    aj.ArrayShape,
    aj.BudgetedGemm,
    aj.BufferSizes,
    aj.BufferedGemm,
    aj.CostReport,
    aj.Gemm,
    aj.Labels,
    aj.Memory,
    aj.MemoryReport,
    aj.Recommendation,
    aj.RelaxedArray,
    aj.ReplayReport,
    aj.Schedule,
    aj.Traffic,
}
ENUMS = {aj.Dataflow, aj.Interface, aj.MemoryModel, aj.Objective, aj.RuntimeModel}
# What messages call a parameter, where it is not its own name.
CALLED = {
    "source": "workload",
    "sram_budget_kb": "sram_budget",
    "sram_budget_bytes": "sram_budget",
    "min_mac_exponent": "mac exponents",
    "max_mac_exponent": "(max_)?mac[ _]exponents?",
    "min_budget_kb": "SRAM budgets",
    "max_budget_kb": "SRAM budgets",
    "name": "name|network|layer",
}


def test_the_table_has_every_public_callable():
    public = {name: getattr(aj, name) for name in aj.__all__ if name != "__version__"}
    checked = {name for name, value in public.items() if value not in CARRIERS | ENUMS}
    assert checked == set(TABLE)
    for name in checked:
        assert TABLE[name][0] is public[name]


def wrong_calls(good, wrong, nested):
    """Name, wrong value and arguments of each call."""
    for name, values in wrong.items():
        for value in values:
            yield name, value, good | {name: value}
    for parameter, fields in nested.items():
        for name, values in fields.items():
            for value in values:
                record = dataclasses.replace(good[parameter], **{name: value})
                yield name, value, good | {parameter: record}


def failure(call, name, value, arguments):
    """How a call fails to refuse a wrong value; None if it refuses as it should."""
    try:
        call(**arguments)
    except (ValueError, TypeError) as error:
        message = str(error)
        named = rf"(\b{re.escape(name)}\d*\b)|({CALLED.get(name, name)})\b"
        if re.search(named, message) and "\n" not in message:
            return None
        return f"{name}={value!r:.60}: {message!r:.200}"
    except Exception as error:
        return f"{name}={value!r:.60}: {error!r:.200}"
    return f"{name}={value!r:.60} is accepted"


@pytest.mark.parametrize("name", [*TABLE, *MORE])
def test_wrong_arguments_are_refused_by_name(name):
    call, good, wrong, nested = (TABLE | MORE)[name]
    failures = [failure(call, *case) for case in wrong_calls(good, wrong, nested)]
    found = [line for line in failures if line]
    assert not found, "\n".join([f"{name}: {len(found)} of {len(failures)}", *found[:60]])


SHAPES = {
    "evaluate": lambda x: aj.evaluate(aj.Gemm(m=[1, 2], n=[1, 2, 3], k=x), DESIGN),
    "evaluate_memory": lambda x: aj.evaluate_memory(
        aj.Gemm(m=[1, 2], n=[1, 2, 3], k=x), DESIGN, MEMORY
    ),
    "label": lambda x: aj.label(dataclasses.replace(BUDGETED, m=[1, 2], n=[1, 2, 3], k=x)),
    "label_buffers": lambda x: aj.label_buffers(
        dataclasses.replace(BUFFERED, m=[1, 2], n=[1, 2, 3], k=x)
    ),
    "label_schedules": lambda x: aj.label_schedules(
        aj.Gemm(m=np.ones((4, 2), int), n=np.ones((4, 3), int), k=x)
    ),
    "compute_cycles": lambda x: aj.compute_cycles(
        aj.Gemm(m=np.ones(2, int), n=np.ones(3, int), k=x), ARRAY, "OS"
    ),
    "replay": lambda x: aj.replay(
        aj.Gemm(m=[1, 2], n=[1, 2, 3], k=x),
        ARRAY,
        "OS",
        ifmap_sram_kb=8,
        filter_sram_kb=8,
        ofmap_sram_kb=8,
        bandwidth_words_per_cycle=None,
    ),
    "encode": lambda x: SPACE.encode(aj.ArrayDesign(rows=[2, 4], cols=[2, 4, 8], dataflow=0 * x)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_that_do_not_broadcast_are_named(name):
    with pytest.raises(ValueError, match=r"^the shapes of (m|rows) \(2,\), (n|cols) \(3,\)"):
        SHAPES[name](1)


def test_schedules_need_a_workload_for_each_array_in_every_field():
    with pytest.raises(ValueError, match=r"^n: the shape \(1, 2\) is not allowed"):
        aj.label_schedules(aj.Gemm(m=np.ones((4, 2), int), n=np.ones((1, 2), int), k=1))


WHOLE = [64, np.int32(64), np.uint8(64), np.array(64), 64.0, np.float32(64), jnp.array(64)]
FLOW_FORMS = [aj.Dataflow.WS, 1, "WS", "ws", np.int64(1), np.array(1), 1.0]
MODEL_FORMS = [aj.RuntimeModel.ISPASS2020, "ispass2020"]


def same(results):
    """Whether all reports or labels are equal, field by field."""
    first, *others = ([np.asarray(x).tolist() for x in vars(result).values()] for result in results)
    return all(other == first for other in others)


def test_numbers_of_every_origin_give_equal_recommendations():
    found = [aj.recommend(NETWORK, mac_budget=64, sram_budget_kb=384, bandwidth_bytes_per_cycle=64)]
    found += [
        aj.recommend(
            NETWORK,
            mac_budget=number,
            sram_budget_kb=number * 6,
            bandwidth_bytes_per_cycle=number,
            weights=[number // 64],
            runtime_model="scalesim",
            interface="shared",
            objective="cycles",
        )
        for number in WHOLE
        if number is not WHOLE[2]  # 6 times 64 is no uint8
    ]
    large = aj.Network(name="large", layers=(aj.Layer(name="a", m=10**5, n=3000, k=3000),))
    found_large = [
        aj.recommend(large, mac_budget=64, bandwidth_bytes_per_cycle=number).cycles
        for number in (64, np.int32(64))
    ]
    assert len({(one.cost, one.energy_fj, one.design) for one in found}) == 1
    assert found_large[0] == found_large[1]
    assert {type(one.cycles) for one in found} == {int}


def test_layers_and_spaces_hold_python_integers():
    for number in WHOLE:
        layer = aj.Layer(name="a", m=number, n=number, k=number, count=number)
        assert layer == aj.Layer(name="a", m=64, n=64, k=64, count=64)
        assert type(layer.macs) is int
        space = aj.ScheduleSpace(arrays=[aj.ArrayShape(rows=number, cols=number)] * 2)
        assert hash(space) == hash(aj.ScheduleSpace(arrays=(aj.ArrayShape(rows=64, cols=64),) * 2))
        assert aj.BufferSpace(step_kb=number) == aj.BufferSpace(step_kb=64)


def test_choices_are_members_or_their_values():
    cycles = {aj.compute_cycles(GEMM, ARRAY, flow, m) for flow in FLOW_FORMS for m in MODEL_FORMS}
    assert cycles == {2 * 4 * (16 + 8 + 64 - 2)}
    assert aj.compute_report(GEMM, ARRAY, "OS") == aj.compute_report(GEMM, ARRAY, aj.Dataflow.OS)
    small = aj.ArrayDataflowSpace(max_mac_exponent=2)
    assert same([aj.label(BUDGETED, small, runtime_model=model) for model in MODEL_FORMS])
    one = aj.BufferSpace(num_levels=1)
    workloads = [dataclasses.replace(BUFFERED, dataflow=flow) for flow in FLOW_FORMS]
    assert same([aj.label_buffers(w, one, interface="ports") for w in workloads])
    forms = ("energy", aj.Objective.ENERGY)
    assert same([aj.label_buffers(BUFFERED, one, objective=form) for form in forms])
    shared, ports = (
        aj.recommend(NETWORK, mac_budget=64, bandwidth_bytes_per_cycle=1, interface=form).cost
        for form in ("shared", "ports")
    )
    assert shared > ports


def test_dataflows_of_a_batch_may_be_ids_or_one_name():
    design = dataclasses.replace(DESIGN, dataflow="WS")
    ids = dataclasses.replace(DESIGN, dataflow=np.array([1, 1]))
    reports = [aj.evaluate(GEMM, each, runtime_model="ispass2020") for each in (design, ids)]
    assert reports[0].compute_cycles == reports[1].compute_cycles[1] == 688


def test_a_relaxation_names_its_models():
    costs = [
        aj.Relaxation(temperature=0.1, runtime_model=model).compute_cycles(
            aj.Gemm(m=64.0, n=32.0, k=16.0), RELAXED
        )
        for model in MODEL_FORMS
    ]
    assert costs[0] == costs[1]


def test_a_price_beyond_int64_is_refused():
    table = aj.EnergyTable(sram_exponent=9.0)
    with pytest.raises(ValueError, match=r"^sram_exponent: 9\.0 is not allowed with sram_bytes"):
        table.sram_fj_per_byte(2**30)
