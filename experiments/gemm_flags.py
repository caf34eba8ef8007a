"""Flags of random GEMMs and of the cycle count that is meant."""

from __future__ import annotations

from absl import flags

from airchitect_jax.types import RuntimeModel
from airchitect_jax.workloads.sampling import Distribution

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
RUNTIME_MODEL = flags.DEFINE_enum(
    "runtime_model",
    RuntimeModel.SCALESIM.value,
    [model.value for model in RuntimeModel],
    "Compute cycles as the scalesim package counts them, or as in the ISPASS 2020 paper.",
)

ALL = (MAX_DIM, DISTRIBUTION, RUNTIME_MODEL)
