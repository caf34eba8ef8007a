"""Flags for random GEMMs and for the cycle model."""

from __future__ import annotations

from typing import Any

from absl import flags

from airchitect_jax.case_studies import gemm_fields
from airchitect_jax.experiments import runner, runtime_flags
from airchitect_jax.workloads import Distribution

flags.adopt_module_key_flags(runtime_flags)

LARGEST_DIM = 1_000_000  # that a case study takes

MAX_DIM = flags.DEFINE_integer(
    "max_dim", 10_000, "Largest m, n and k.", lower_bound=8, upper_bound=LARGEST_DIM
)
DISTRIBUTION = flags.DEFINE_enum(
    "distribution",
    Distribution.UNIFORM.value,
    [distribution.value for distribution in Distribution],
    "How m, n and k are drawn from 1..max_dim.",
)

ALL = (MAX_DIM, DISTRIBUTION, runtime_flags.RUNTIME_MODEL)


def fields() -> dict[str, Any]:
    """The flag values as fields of a case study."""
    return gemm_fields(runner.values(*ALL))
