"""Stall-free cycles and utilisations of a GEMM on a systolic array.

The equations are written with operators only, so one text serves Python integers (exact at any
size), NumPy arrays, and JAX tracers of integers (in 64 bits, for exactness) or floats (for
gradients). They broadcast, so they need no `vmap`, and they are not jitted.

Sources: SCALE-Sim (the scalesim 3.0.0 package, `RuntimeModel.SCALESIM`, verified against its
output) and Samajdar et al., "A systematic methodology for characterizing scalability of DNN
accelerators using SCALE-Sim", ISPASS 2020, equations 1 to 4 (`RuntimeModel.ISPASS2020`).
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

from airchitect_jax._support import common_shape, dataflow_member, instance, member, shown
from airchitect_jax.cost.arithmetic import Number, ceil_div, select
from airchitect_jax.cost.soft import Soft
from airchitect_jax.types import ArrayShape, CostReport, Dataflow, Gemm, RuntimeModel


def mapped_dims(gemm: Gemm, dataflow: Dataflow) -> tuple[Number, Number, Number]:
    """(s_r, s_c, t): what is mapped to rows, to columns and to time (ISPASS 2020, table III)."""
    match dataflow_member("dataflow", dataflow):
        case Dataflow.OS:
            return gemm.m, gemm.n, gemm.k
        case Dataflow.WS:
            return gemm.k, gemm.n, gemm.m
        case Dataflow.IS:
            return gemm.k, gemm.m, gemm.n


def mixed_dims(gemm: Gemm, dataflow: Number) -> list[Number]:
    """`mapped_dims` where dataflows differ along the batch."""
    by_flow = [mapped_dims(gemm, flow) for flow in Dataflow]
    own = {flow: dataflow == flow for flow in (Dataflow.IS, Dataflow.OS)}
    mixed = []
    for values in zip(*by_flow, strict=True):
        # WS shares s_r with IS and s_c with OS, so only what differs is selected.
        result = values[Dataflow.WS]
        for flow, is_own in own.items():
            if values[flow] is not values[Dataflow.WS]:
                result = select(is_own, values[flow], result)
        mixed.append(result)
    return mixed


def row_passes(dataflow: Dataflow, runtime_model: RuntimeModel) -> int:
    """How many times a fold crosses the rows, the factor of R in its cycles.

    WS and IS first load the stationary operand row by row, then stream; OS only streams. The
    ISPASS 2020 model counts the draining of OS outputs as a second crossing.
    """
    flow = dataflow_member("dataflow", dataflow)
    model = member("runtime_model", runtime_model, RuntimeModel)
    return 1 if flow is Dataflow.OS and model is RuntimeModel.SCALESIM else 2


def last_cycle_offset(runtime_model: RuntimeModel) -> int:
    """SCALE-Sim reports the index of the last cycle, counted from 0; ISPASS 2020 counts cycles."""
    model = member("runtime_model", runtime_model, RuntimeModel)
    return 1 if model is RuntimeModel.SCALESIM else 0


def fold_cycles(
    array: ArrayShape, t: Number, dataflow: Dataflow, runtime_model: RuntimeModel
) -> Number:
    """Cycles of one fold, partly filled or not: `R + C + T - 2`, or `2R + C + T - 2`.

    Example:
      >>> array = aj.ArrayShape(rows=32, cols=32)
      >>> fold_cycles(array, 64, aj.Dataflow.OS, aj.RuntimeModel.SCALESIM)  # 32 + 32 + 64 - 2
      126
    """
    return row_passes(dataflow, runtime_model) * array.rows + array.cols + t - 2


def compute_cycles(
    gemm: Gemm,
    array: ArrayShape,
    dataflow: Dataflow,
    runtime_model: RuntimeModel = RuntimeModel.SCALESIM,
) -> Number:
    """Stall-free cycles: `F (p R + C + T - 2)`, less one for SCALESIM.

    F = ceil(s_r / R) ceil(s_c / C) folds; p from `row_passes`. Exact in Python integers; in JAX
    and NumPy as exact as the dtype: the count of a large GEMM overflows 32 bits, which is refused
    here, and 64 bits, which `airchitect_jax.evaluate` refuses.

    Args:
      gemm: m, n and k, positive numbers.
      array: rows and cols, positive numbers.
      dataflow: one dataflow.
      runtime_model: the cycle count to use.

    Raises:
      TypeError: an operand is not a number, or an integer array of less than 64 bits.
      ValueError: an operand is not positive, or shapes do not broadcast.

    Example:
      >>> gemm, array = aj.Gemm(m=64, n=64, k=64), aj.ArrayShape(rows=32, cols=32)
      >>> aj.compute_cycles(gemm, array, aj.Dataflow.OS)  # 4 (32 + 32 + 64 - 2) - 1
      503
    """
    _check_operands(gemm, array)
    s_r, s_c, t = mapped_dims(gemm, dataflow)
    folds = ceil_div(s_r, array.rows) * ceil_div(s_c, array.cols)
    cycles = folds * fold_cycles(array, t, dataflow, runtime_model)
    return cycles - last_cycle_offset(runtime_model)


def compute_report(
    gemm: Gemm,
    array: ArrayShape,
    dataflow: Dataflow,
    runtime_model: RuntimeModel = RuntimeModel.SCALESIM,
) -> CostReport:
    """Every figure of the stall-free model, by SCALE-Sim's definitions.

    mapping efficiency `s_r s_c / (F R C)`; compute utilisation `s_r s_c t / (F R C X)` with X the
    cycles of a fold, plus C - 1 for WS and IS; overall utilisation `m n k / (cycles R C)`,
    which is mapping efficiency times `F t / cycles`. Arguments and errors as in `compute_cycles`.

    Example:
      >>> gemm, array = aj.Gemm(m=48, n=64, k=64), aj.ArrayShape(rows=32, cols=32)
      >>> aj.compute_report(gemm, array, aj.Dataflow.OS).mapping_efficiency  # 48 of 64 rows
      0.75
    """
    dataflow = dataflow_member("dataflow", dataflow)
    cycles = compute_cycles(gemm, array, dataflow, runtime_model)
    s_r, s_c, t = mapped_dims(gemm, dataflow)
    row_folds, col_folds = ceil_div(s_r, array.rows), ceil_div(s_c, array.cols)
    # Ratios of similar sizes: m n k and F R C would overflow before the cycles do.
    mapping = (s_r / (row_folds * array.rows)) * (s_c / (col_folds * array.cols))
    drain = 0 if dataflow is Dataflow.OS else array.cols - 1
    utilization_cycles = fold_cycles(array, t, dataflow, runtime_model) + drain
    return CostReport(
        row_folds=row_folds,
        col_folds=col_folds,
        compute_cycles=cycles,
        mapping_efficiency=mapping,
        compute_utilization=mapping * (t / utilization_cycles),
        overall_utilization=mapping * (row_folds * col_folds * t / cycles),
    )


def _check_operands(gemm: Gemm, array: ArrayShape) -> None:
    """Refuses operands that are not positive; tracers and soft numbers have no value to check."""
    instance("gemm", gemm, Gemm)
    instance("array", array, ArrayShape)
    operands = {
        "m": gemm.m,
        "n": gemm.n,
        "k": gemm.k,
        "rows": array.rows,
        "cols": array.cols,
    }
    batches = set()
    for name, operand in operands.items():
        if isinstance(operand, (int, float)) and not isinstance(operand, bool):
            if not operand > 0 or operand == math.inf:
                raise ValueError(f"{name}: {shown(operand)} is not allowed; expected at least 1")
        elif isinstance(operand, (np.ndarray, np.generic, jax.Array)):
            _check_array(name, operand)
            batches.add(operand.shape)
        elif not isinstance(operand, Soft):
            raise TypeError(
                f"{name}: {shown(operand)} is not allowed; expected a number or an array"
            )
    if len(batches) > 1:
        common_shape({n: x for n, x in operands.items() if not isinstance(x, Soft)})


def _check_array(name: str, operand: np.ndarray | np.generic | jax.Array) -> None:
    is_float = jnp.issubdtype(operand.dtype, np.floating)
    if not is_float and getattr(operand.dtype, "kind", None) not in ("i", "u"):
        raise TypeError(f"{name}: {operand.dtype} is not allowed; expected a number or an array")
    if not is_float and operand.dtype.itemsize < 8:
        raise TypeError(
            f"{name}: compute_cycles is exact in 64 bits or more, but an operand is"
            f" {operand.dtype}: use Python ints, int64 (in JAX under jax.enable_x64(True)), or"
            " floats for gradients"
        )
    if isinstance(operand, jax.core.Tracer):
        return
    values = np.asarray(operand)
    masked = isinstance(operand, np.ma.MaskedArray) and bool(np.any(operand.mask))
    if masked or not bool(np.all((values > 0) & (values < np.inf))):
        raise ValueError(f"{name}: {shown(operand)} is not allowed; expected at least 1")
