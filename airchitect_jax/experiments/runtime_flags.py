"""The flag for the cycle count."""

from __future__ import annotations

from absl import flags

from airchitect_jax.types import RuntimeModel

RUNTIME_MODEL = flags.DEFINE_enum(
    "runtime_model",
    RuntimeModel.SCALESIM.value,
    [model.value for model in RuntimeModel],
    "Compute cycles as the scalesim package counts them, or as in the ISPASS 2020 paper.",
)
