"""Every public function and constructor refuses wrong arguments by name, before it compiles.

The table says of every public callable what a good call of it is, and what is wrong for each
parameter: each wrong value takes the place of a good one, and the error must be a `ValueError` or a
`TypeError` of one line with the parameter's name.
"""

import jax.numpy as jnp
import pytest
import wrong_values as w
from wrong_machines import MACHINES

import airchitect_jax as aj
from airchitect_jax._support import find

# callable, a good call, wrong values of its parameters, and of fields of their records.
TABLE = {
    "compute_cycles": (
        aj.compute_cycles,
        {"gemm": w.GEMM, "array": w.ARRAY, "dataflow": "OS", "runtime_model": "scalesim"},
        {"gemm": w.OBJECT, "array": w.OBJECT, "dataflow": w.FLOW, **w.MODEL},
        {"gemm": w.OPERANDS[0], "array": w.OPERANDS[1]},
    ),
    "compute_report": (
        aj.compute_report,
        {"gemm": w.GEMM, "array": w.ARRAY, "dataflow": "OS"},
        {"gemm": w.OBJECT, "array": w.OBJECT, "dataflow": w.FLOW, **w.MODEL},
        {"gemm": w.OPERANDS[0], "array": w.OPERANDS[1]},
    ),
    "evaluate": (
        aj.evaluate,
        {"workloads": w.GEMM, "designs": w.DESIGN},
        {"workloads": w.OBJECT, "designs": w.OBJECT, **w.MODEL},
        {"workloads": w.DIMS, "designs": {**w.SIDES, "dataflow": w.FLOWS}},
    ),
    "evaluate_memory": (
        aj.evaluate_memory,
        {"workloads": w.GEMM, "designs": w.DESIGN, "memory": w.MEMORY},
        {
            "workloads": w.OBJECT,
            "designs": w.OBJECT,
            "memory": w.OBJECT,
            "interface": w.CHOICE,
            "energy_table": w.OPTIONAL,
            **w.MODEL,
        },
        {
            "workloads": w.DIMS,
            "designs": {**w.SIDES, "dataflow": w.FLOWS},
            "memory": {
                "buffers": w.OBJECT,
                "bandwidth_bytes_per_cycle": w.BATCH,
                "element_bytes": w.BATCH,
            },
        },
    ),
    "label": (
        aj.label,
        {
            "workloads": w.BUDGETED,
            "space": aj.ArrayDataflowSpace(max_mac_exponent=2),
            "memory": w.MEMORY,
        },
        {
            "workloads": [*w.OBJECT, w.GEMM],
            "space": w.OPTIONAL,
            "objective": w.CHOICE,
            "memory": w.OBJECT,
            "energy_table": w.OPTIONAL,
            **w.MODEL,
        },
        {
            "workloads": {"mac_budget": w.BATCH, **w.DIMS},
            "memory": {
                "buffers": w.OBJECT,
                "bandwidth_bytes_per_cycle": w.COUNT,
                "element_bytes": w.COUNT,
            },
        },
    ),
    "label_buffers": (
        aj.label_buffers,
        {"workloads": w.BUFFERED, "space": aj.BufferSpace(num_levels=1)},
        {
            "workloads": [*w.OBJECT, w.GEMM],
            "space": w.OPTIONAL,
            "objective": w.CHOICE,
            "interface": w.CHOICE,
            "element_bytes": w.COUNT,
            "energy_table": w.OPTIONAL,
            **w.MODEL,
        },
        {
            "workloads": {
                "sram_budget_bytes": w.NO_WHOLE,
                **w.DIMS,
                **w.SIDES,
                "dataflow": w.FLOWS,
                "bandwidth_bytes_per_cycle": w.BATCH,
            }
        },
    ),
    "label_schedules": (
        aj.label_schedules,
        {"workloads": w.SETS, "space": aj.ScheduleSpace(arrays=(w.ARRAY, w.ARRAY))},
        {"workloads": [*w.OBJECT, w.BUDGETED, w.GEMM], "space": w.OPTIONAL, **w.MODEL},
        {"workloads": {"n": [0, *w.NO_WHOLE], "k": [0, *w.NO_WHOLE]}},
    ),
    "replay": (
        aj.replay,
        {
            "gemm": w.GEMM,
            "array": w.ARRAY,
            "dataflow": "OS",
            "ifmap_sram_kb": 8,
            "filter_sram_kb": 8,
            "ofmap_sram_kb": 8,
            "bandwidth_words_per_cycle": 8,
        },
        {
            "gemm": w.OBJECT,
            "array": w.OBJECT,
            "dataflow": w.FLOWS,
            "ifmap_sram_kb": w.BATCH,
            "filter_sram_kb": w.BATCH,
            "ofmap_sram_kb": w.BATCH,
            "bandwidth_words_per_cycle": [v for v in w.NO_WHOLE if v is not None],
        },
        {"gemm": w.DIMS, "array": w.SIDES},
    ),
    "recommend": (
        aj.recommend,
        {"workload": w.NETWORK, "mac_budget": 64},
        {
            "workload": w.OBJECT,
            "mac_budget": w.COUNT,
            "sram_budget_kb": [v for v in w.COUNT if v is not None],
            "bandwidth_bytes_per_cycle": w.COUNT,
            "objective": w.CHOICE,
            "weights": w.WEIGHTS,
            "element_bytes": w.COUNT,
            "interface": w.CHOICE,
            "energy_table": w.OPTIONAL,
            "buffers": w.OPTIONAL,
            "dims": [v for v in w.OPTIONAL if not isinstance(v, dict)],
            **w.MODEL,
        },
        {},
    ),
    "Layer": (
        aj.Layer,
        {"name": "a", "m": 8, "n": 8, "k": 8},
        {"name": w.PATHS, "m": w.COUNT, "n": w.COUNT, "k": w.COUNT, "count": w.COUNT},
        {},
    ),
    "Operator": (
        aj.Operator,
        {
            "name": "a",
            "kind": "softmax",
            "operations": 8,
            "input_elements": 8,
            "output_elements": 8,
        },
        {
            "name": w.PATHS,
            "kind": w.CHOICE,
            "operations": w.NO_WHOLE,
            "input_elements": w.NO_WHOLE,
            "output_elements": w.COUNT,
            "count": w.COUNT,
        },
        {},
    ),
    "Network": (
        aj.Network,
        {"name": "net", "layers": w.NETWORK.layers},
        {
            "name": w.PATHS,
            "layers": [v for v in w.OBJECT if not isinstance(v, (list, tuple)) or len(v)],
            "operators": [v for v in w.OBJECT if not isinstance(v, (list, tuple)) or len(v)],
            "skipped": [value for value in w.OBJECT if not isinstance(value, dict)],
        },
        {},
    ),
    "ArrayDataflowSpace": (aj.ArrayDataflowSpace, {}, {"max_mac_exponent": [1, 31, *w.COUNT]}, {}),
    "BufferSpace": (aj.BufferSpace, {}, {"step_kb": w.COUNT, "num_levels": [33, *w.COUNT]}, {}),
    "ScheduleSpace": (
        aj.ScheduleSpace,
        {"arrays": (w.ARRAY, w.ARRAY)},
        {
            "arrays": [
                *w.OBJECT,
                (w.ARRAY,),
                (w.ARRAY, None),
                (w.ARRAY, 3),
                (w.ARRAY, w.GEMM),
                w.ARRAY,
            ]
        },
        {},
    ),
    "EnergyTable": (
        aj.EnergyTable,
        {},
        {
            "mac_pj": w.PRICE,
            "sram_pj_per_byte": w.PRICE,
            "sram_reference_bytes": w.COUNT,
            "sram_exponent": w.PRICE,
            "dram_pj_per_byte": w.PRICE,
        },
        {},
    ),
    "Platform": (
        aj.Platform,
        {},
        {
            "bandwidth_bytes_per_cycle": w.COUNT,
            "element_bytes": w.COUNT,
            "interface": w.CHOICE,
            "memory_model": [v for v in w.CHOICE if v is not aj.MemoryModel.IDEAL],
            "buffers": w.OBJECT,
            "energy_table": w.OBJECT,
            "terms": [
                *(v for v in w.OBJECT if not isinstance(v, (list, tuple)) or v),
                ("no such term",),
                (1,),
            ],
            "name": w.PATHS,
            "source": w.PATHS,
            "clock_hz": w.COUNT,
            "dataflows": [*(v for v in w.OBJECT if not isinstance(v, list)), ("XS",), (0, 3)],
            "hardware": w.OBJECT,
            "widths": w.OBJECT,
            "vector_unit": w.OBJECT,
            "technology": w.OBJECT,
            **w.MODEL,
        },
        {},
    ),
    "platform_names": (aj.platform_names, {}, {}, {}),
    "read_platform": (aj.read_platform, {"platform": "paper"}, {"platform": w.OBJECT}, {}),
    "CostTerm": (
        aj.CostTerm,
        {"name": "leakage"},
        {
            "name": [*(v for v in w.OBJECT if not isinstance(v, str)), "", "a,b"],
            "cycles": [v for v in w.OPTIONAL if not callable(v)],
            "energy_fj": [v for v in w.OPTIONAL if not callable(v)],
        },
        {},
    ),
    "Relaxation": (
        aj.Relaxation,
        {"temperature": 0.1},
        {"temperature": w.PRICE, "platform": w.OBJECT},
        {},
    ),
    "sensitivity": (
        aj.sensitivity,
        {"cost": lambda gemm: gemm.m, "gemm": aj.Gemm(m=8.0, n=8.0, k=8.0)},
        {"cost": [v for v in w.OBJECT if not callable(v)], "gemm": w.OBJECT},
        {"gemm": dict.fromkeys("mnk", w.REAL)},
    ),
    "load_network": (aj.load_network, {"name": "gpt2"}, {"name": w.OBJECT}, {}),
    "load_pretrained": (aj.load_pretrained, {"name": "case_study1"}, {"name": w.OBJECT}, {}),
    "network_names": (aj.network_names, {}, {}, {}),
    "pretrained_names": (aj.pretrained_names, {}, {}, {}),
    "open_network": (
        aj.open_network,
        {"source": "gpt2"},
        {"source": w.OBJECT, "dims": [v for v in w.OPTIONAL if not isinstance(v, dict)]},
        {},
    ),
    "from_jax": (
        aj.from_jax,
        {"fn": jnp.dot},
        {"fn": [v for v in w.OBJECT if not callable(v)]},
        {},
    ),
    "register": (
        aj.register,
        {"kind": "network", "name": "paper", "thing": find("network", "paper")},
        {"kind": w.CHOICE, "name": [*w.OBJECTS, None, True, 3, "", "a,b"]},
        {},
    ),
    "read_onnx": (aj.read_onnx, {"path": "x.onnx"}, {"path": w.PATHS}, {}),
    "read_stablehlo": (aj.read_stablehlo, {"path": "x.mlir"}, {"path": w.PATHS}, {}),
    "read_topology": (aj.read_topology, {"path": "x.csv"}, {"path": w.PATHS}, {}),
    "read_torch": (aj.read_torch, {"path": "x.pt2"}, {"path": w.PATHS}, {}),
    "write_topology": (
        aj.write_topology,
        {"path": "x.csv", "network": w.NETWORK},
        {"path": w.PATHS, "network": w.OBJECT},
        {},
    ),
    **MACHINES,
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
    aj.Hardware,
    aj.Labels,
    aj.Mapping,
    aj.Memory,
    aj.MemoryReport,
    aj.Recommendation,
    aj.MachineAnswer,
    aj.RelaxedArray,
    aj.ReplayReport,
    aj.Schedule,
    aj.Scratchpad,
    aj.Traffic,
}
ENUMS = {
    aj.Dataflow,
    aj.Interface,
    aj.LoopOrder,
    aj.MachineObjective,
    aj.MemoryModel,
    aj.Objective,
    aj.OperatorKind,
    aj.RuntimeModel,
}


def test_the_table_has_every_public_callable():
    public = {name: getattr(aj, name) for name in aj.__all__ if name != "__version__"}
    checked = {name for name, value in public.items() if value not in CARRIERS | ENUMS}
    assert checked == set(TABLE)
    for name in checked:
        assert TABLE[name][0] is public[name]


@pytest.mark.parametrize("name", TABLE)
def test_wrong_arguments_are_refused_by_name(name):
    w.check(*TABLE[name])
