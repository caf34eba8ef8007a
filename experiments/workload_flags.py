"""Flags that say which GEMMs under which MAC budgets, and the case study that they make."""

from __future__ import annotations

from absl import flags

from airchitect_jax.case_studies.array_dataflow import ArrayDataflowCase
from airchitect_jax.types import RuntimeModel
from airchitect_jax.workloads.sampling import Distribution

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
MAX_DIM = flags.DEFINE_integer(
    "max_dim", 10_000, "Largest m, n and k.", lower_bound=8, upper_bound=1_000_000
)
DISTRIBUTION = flags.DEFINE_enum(
    "distribution",
    Distribution.UNIFORM.value,
    [distribution.value for distribution in Distribution],
    "How m, n and k are drawn from 1..max_dim.",
)
RUNTIME_MODEL = flags.DEFINE_enum(
    "runtime_model",
    RuntimeModel.SCALESIM.value,
    [model.value for model in RuntimeModel],
    "Cycles as the scalesim package counts them, or as in the ISPASS 2020 paper.",
)

ALL = (MIN_MAC_EXPONENT, MAX_MAC_EXPONENT, MAX_DIM, DISTRIBUTION, RUNTIME_MODEL)


def array_dataflow_case() -> ArrayDataflowCase:
    """The case study of the flags.

    Raises:
      ValueError: the ranges contradict each other.
    """
    return ArrayDataflowCase(
        min_mac_exponent=MIN_MAC_EXPONENT.value,
        max_mac_exponent=MAX_MAC_EXPONENT.value,
        max_dim=MAX_DIM.value,
        distribution=Distribution(DISTRIBUTION.value),
        runtime_model=RuntimeModel(RUNTIME_MODEL.value),
    )
