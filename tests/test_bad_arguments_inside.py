"""What stands behind the public names refuses wrong arguments as these do: spaces, case studies."""

import numpy as np
import pytest
import wrong_values as w

import airchitect_jax as aj
from airchitect_jax.case_studies import ArrayDataflowCase, BufferCase, ScheduleCase
from airchitect_jax.scalesim import ScalesimConfig
from airchitect_jax.spaces import JointSpace
from airchitect_jax.workloads import GemmCounts, sample_integers

CONFIG = {"rows": 8, "cols": 8, "ifmap_sram_kb": 8, "filter_sram_kb": 8, "ofmap_sram_kb": 8}
# As in `test_bad_arguments`.
TABLE = {
    "ArrayDataflowSpace.decode": (w.SPACE.decode, {"design_id": 0}, {"design_id": w.INDEX}, {}),
    "ArrayDataflowSpace.describe": (
        w.SPACE.describe,
        {"design_id": 0},
        {"design_id": [*w.INDEX, [0, 1], np.arange(3)]},
        {},
    ),
    "ArrayDataflowSpace.feasible": (
        w.SPACE.feasible,
        {"mac_exponent": 5},
        {"mac_exponent": [*w.NO_WHOLE, [5, 6]]},
        {},
    ),
    "ArrayDataflowSpace.design_id": (
        w.SPACE.design_id,
        {"row_exponent": 1, "col_exponent": 1, "dataflow": 0},
        {
            "row_exponent": [0, 18, *w.NO_WHOLE],
            "col_exponent": [0, *w.NO_WHOLE],
            "dataflow": w.FLOWS,
        },
        {},
    ),
    "ArrayDataflowSpace.encode": (
        w.SPACE.encode,
        {"design": w.DESIGN},
        {"design": w.OBJECT},
        {"design": {**w.SIDES, "dataflow": w.FLOWS}},
    ),
    "BufferSpace.decode": (w.SIZINGS.decode, {"design_id": 0}, {"design_id": w.INDEX}, {}),
    "BufferSpace.describe": (w.SIZINGS.describe, {"design_id": 0}, {"design_id": w.INDEX}, {}),
    "BufferSpace.encode": (w.SIZINGS.encode, {"design": w.SIZES}, {"design": w.OBJECT}, {}),
    "ScheduleSpace.decode": (w.SCHEDULES.decode, {"design_id": 0}, {"design_id": w.INDEX}, {}),
    "ScheduleSpace.describe": (w.SCHEDULES.describe, {"design_id": 0}, {"design_id": w.INDEX}, {}),
    "ScheduleSpace.encode": (w.SCHEDULES.encode, {}, {"schedule": w.OBJECT}, {}),
    "ScheduleSpace.design_id": (
        w.SCHEDULES.design_id,
        {"permutation": 0, "dataflows": [0, 0, 0, 0]},
        {"permutation": [24, *w.NO_WHOLE], "dataflows": [*w.FLOWS, [0, 0, 0], [0, 0, 0, 3]]},
        {},
    ),
    "EnergyTable.sram_fj_per_byte": (
        aj.EnergyTable().sram_fj_per_byte,
        {},
        {"sram_bytes": [0, *w.NO_WHOLE]},
        {},
    ),
    "Relaxation.total_cycles": (
        w.RELAXATION.total_cycles,
        {"gemm": w.GEMM, "array": w.RELAXED, "memory": w.MEMORY},
        {"gemm": w.OBJECT, "array": w.OBJECT, "memory": w.OBJECT},
        {
            "gemm": dict.fromkeys("mnk", w.REAL),
            "array": {
                "log2_rows": [*w.NO_NUMBERS, 99.0],
                "dataflow": [*w.NO_NUMBERS, 0.5, [0.5, 0.5]],
            },
            "memory": {"buffers": w.OBJECT, "bandwidth_bytes_per_cycle": w.REAL},
        },
    ),
    "JointSpace": (
        JointSpace,
        {"rows": [2, 4], "cols": [2, 2], "sizings": [0, 1]},
        {"rows": [*w.BATCH, 2], "cols": [*w.BATCH, [2]], "sizings": [*w.NO_WHOLE, 0, [1, 0], []]},
        {},
    ),
    "JointSpace.within": (
        JointSpace.within,
        {"mac_budget": 64, "sram_budget_bytes": 2**20},
        {"mac_budget": w.COUNT, "sram_budget_bytes": w.NO_WHOLE, "buffers": w.OPTIONAL},
        {},
    ),
    "GemmCounts": (
        GemmCounts,
        {"gemms": ((1, 2, 3),), "counts": (1,)},
        {
            "gemms": [*w.BATCH, ((1, 2),), (1, 2, 3)],
            "counts": [*w.NO_WHOLE, 1, (0,), (1.5,), (1, 1)],
        },
        {},
    ),
    "ScalesimConfig": (
        ScalesimConfig,
        {**CONFIG, "dataflow": "OS", "bandwidth_words_per_cycle": 8},
        {
            **dict.fromkeys(CONFIG, w.COUNT),
            "dataflow": w.FLOW,
            "bandwidth_words_per_cycle": [v for v in w.COUNT if v is not None],
        },
        {},
    ),
    "ArrayDataflowCase": (
        ArrayDataflowCase,
        {},
        {
            "min_mac_exponent": w.COUNT,
            "max_mac_exponent": w.COUNT,
            "max_dim": w.COUNT,
            "distribution": w.CHOICE,
            "objective": w.CHOICE,
            "memory": w.OBJECT,
            "energy_table": w.OBJECT,
            "terms": [v for v in w.OBJECT if not isinstance(v, (list, tuple)) or v],
            **w.MODEL,
        },
        {},
    ),
    "BufferCase": (
        BufferCase,
        {},
        {
            **dict.fromkeys(
                ("min_budget_kb", "max_budget_kb", "max_dim", "element_bytes"), w.COUNT
            ),
            **dict.fromkeys(("min_side_exponent", "max_side_exponent"), w.NO_WHOLE),
            **dict.fromkeys(("distribution", "objective"), w.CHOICE),
            "memory_model": [v for v in w.CHOICE if v is not aj.MemoryModel.IDEAL],
            "max_bandwidth": w.COUNT,
            "interface": w.CHOICE,
            "energy_table": w.OBJECT,
            **w.MODEL,
        },
        {},
    ),
    "ScheduleCase": (
        ScheduleCase,
        {},
        {
            "arrays": [*w.OBJECT, (w.ARRAY, 3)],
            "max_dim": w.COUNT,
            "distribution": w.CHOICE,
            **w.MODEL,
        },
        {},
    ),
    "sample_integers": (
        sample_integers,
        {"key": None, "shape": (2,), "low": 1, "high": 9, "distribution": "log_uniform"},
        {"low": w.COUNT, "high": w.COUNT, "distribution": w.CHOICE},
        {},
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_wrong_arguments_are_refused_by_name(name):
    w.check(*TABLE[name])
