"""Batch evaluation: the costs of given designs for given workloads, exact, in one compiled call."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from airchitect_jax.batching import map_chunks
from airchitect_jax.checks import INT64_SAFE, int_field
from airchitect_jax.cost.compute import compute_cycles, compute_report
from airchitect_jax.types import (
    ArrayDesign,
    ArrayShape,
    CostReport,
    Dataflow,
    Gemm,
    RuntimeModel,
)


def evaluate(
    workloads: Gemm,
    designs: ArrayDesign,
    *,
    runtime_model: RuntimeModel = RuntimeModel.SCALESIM,
) -> CostReport:
    """The `CostReport` of each design for each workload, fields broadcast against each other.

    Args:
      workloads: m, n, k as whole numbers in 1..2**31 - 1, of any shapes that broadcast.
      designs: rows and cols as whole numbers in 1..2**31 - 1 (not only powers of two) and
        `Dataflow` values. For all pairs give `workloads` a trailing axis of one.
      runtime_model: which cycle count is meant.

    Returns:
      NumPy arrays of the broadcast shape: int64 counts, float64 utilisations.

    Raises:
      ValueError: a field out of range, or a cycle count that int64 cannot hold.
    """
    fields = {
        name: int_field(name, value, low=1)
        for name, value in (
            ("m", workloads.m),
            ("n", workloads.n),
            ("k", workloads.k),
            ("rows", designs.rows),
            ("cols", designs.cols),
        )
    }
    fields["dataflow"] = int_field("dataflow", designs.dataflow, low=0, high=len(Dataflow) - 1)
    arrays = np.broadcast_arrays(*fields.values())
    columns = [array.reshape(-1) for array in arrays]
    with jax.enable_x64(True):
        report, too_large = map_chunks(
            functools.partial(_evaluate, runtime_model=runtime_model), columns
        )
    if too_large.any():
        row = int(np.argmax(too_large))
        values = ", ".join(
            f"{name}={value}"
            for name, value in zip(fields, (column[row] for column in columns), strict=True)
        )
        raise ValueError(f"compute_cycles at row {row} exceed int64 (2**63 - 1): {values}")
    return jax.tree.map(lambda field: field.reshape(arrays[0].shape), report)


@functools.partial(jax.jit, static_argnames="runtime_model")
def _evaluate(
    columns: Sequence[Int[Array, "batch"]], *, runtime_model: RuntimeModel
) -> tuple[CostReport, Bool[Array, "batch"]]:
    """The reports, and where int64 is too small for the cycles."""
    m, n, k, rows, cols, dataflow = columns
    gemm, array = Gemm(m=m, n=n, k=k), ArrayShape(rows=rows, cols=cols)

    def select(*by_dataflow: Array) -> Array:
        return jnp.select([dataflow == value for value in Dataflow], by_dataflow)

    reports = [compute_report(gemm, array, value, runtime_model) for value in Dataflow]
    wide_gemm, wide_array = jax.tree.map(lambda x: x.astype(jnp.float64), (gemm, array))
    estimates = [compute_cycles(wide_gemm, wide_array, value, runtime_model) for value in Dataflow]
    return jax.tree.map(select, *reports), select(*estimates) >= INT64_SAFE
