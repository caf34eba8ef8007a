"""Every program of the public interface can be lowered for GPUs and TPUs; nothing is compiled."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import export

from airchitect_jax import (
    ArrayDataflowSpace,
    BudgetedGemm,
    BufferedGemm,
    BufferSpace,
    Gemm,
    Objective,
    ScheduleSpace,
    label,
    label_buffers,
    label_schedules,
)

ROWS = 8
SHAPES = ArrayDataflowSpace(max_mac_exponent=3)
SIZINGS = BufferSpace(step_kb=1, num_levels=2)
ONES = jax.ShapeDtypeStruct((ROWS,), np.int64)
PLATFORMS = ["cuda", "tpu"]
FIELDS = dict.fromkeys(("m", "n", "k"), ONES)
BUDGETED = BudgetedGemm(mac_budget=ONES, **FIELDS)
BUFFERED = BufferedGemm(
    sram_budget_bytes=ONES,
    rows=ONES,
    cols=ONES,
    dataflow=ONES,
    bandwidth_bytes_per_cycle=ONES,
    **FIELDS,
)
SETS = Gemm(**dict.fromkeys(("m", "n", "k"), jax.ShapeDtypeStruct((4, ROWS), np.int64)))
LABELLERS = {
    **{
        f"label, {one.value}": (functools.partial(label, space=SHAPES, objective=one), BUDGETED)
        for one in Objective
    },
    **{
        f"label_buffers, {one.value}": (
            functools.partial(label_buffers, space=SIZINGS, objective=one),
            BUFFERED,
        )
        for one in Objective
    },
    "label_schedules": (label_schedules, SETS),
}


def exported(program, *arguments, platforms=PLATFORMS, **options):
    with jax.enable_x64(True):
        return export.export(jax.jit(program), platforms=platforms)(*arguments, **options)


@pytest.mark.parametrize("name", LABELLERS)
def test_labellers(name):
    labeller, workloads = LABELLERS[name]
    assert exported(labeller, workloads).platforms == tuple(PLATFORMS)


@pytest.mark.parametrize("name", [name for name in LABELLERS if "edp" not in name])
def test_labels_of_tpus_need_no_float64(name):
    labeller, workloads = LABELLERS[name]
    assert "f64" not in exported(labeller, workloads, platforms=["tpu"]).mlir_module()
    assert "f64" in exported(labeller, workloads, platforms=["cuda"]).mlir_module()
