"""Flags that say which GEMMs under which MAC budgets, and the case study that they make."""

from __future__ import annotations

from absl import flags

from airchitect_jax.case_studies.array_dataflow import ArrayDataflowCase
from airchitect_jax.types import RuntimeModel
from airchitect_jax.workloads.sampling import Distribution
from experiments import gemm_flags

flags.adopt_module_key_flags(gemm_flags)

MIN_MAC_EXPONENT = flags.DEFINE_integer(
    "min_mac_exponent",
    5,
    "The smallest MAC budget is 2 to this power.",
    lower_bound=2,
    upper_bound=18,
)
MAX_MAC_EXPONENT = flags.DEFINE_integer(
    "max_mac_exponent",
    18,
    "The largest MAC budget is 2 to this power.",
    lower_bound=2,
    upper_bound=18,
)

ALL = (MIN_MAC_EXPONENT, MAX_MAC_EXPONENT, *gemm_flags.ALL)


def array_dataflow_case() -> ArrayDataflowCase:
    """The case study of the flags.

    Raises:
      ValueError: the ranges contradict each other.
    """
    return ArrayDataflowCase(
        min_mac_exponent=MIN_MAC_EXPONENT.value,
        max_mac_exponent=MAX_MAC_EXPONENT.value,
        max_dim=gemm_flags.MAX_DIM.value,
        distribution=Distribution(gemm_flags.DISTRIBUTION.value),
        runtime_model=RuntimeModel(gemm_flags.RUNTIME_MODEL.value),
    )
