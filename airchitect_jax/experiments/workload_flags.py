"""Flags for random GEMMs and MAC budgets."""

from __future__ import annotations

from absl import flags

from airchitect_jax.experiments import gemm_flags

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
