"""Wrong values of each kind of parameter, good ones, and calls with one wrong argument."""

import dataclasses
import decimal
import fractions
import re

import jax.numpy as jnp
import numpy as np

import airchitect_jax as aj

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
REAL = [*NO_NUMBERS, -1.0]
MODEL = {"runtime_model": CHOICE}

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


def check(call, good, wrong, nested):
    """Makes all wrong calls of a row of a table: (callable, good call, wrong values)."""
    failures = [failure(call, *case) for case in wrong_calls(good, wrong, nested)]
    found = [line for line in failures if line]
    assert not found, "\n".join([f"{len(found)} of {len(failures)}", *found[:60]])
