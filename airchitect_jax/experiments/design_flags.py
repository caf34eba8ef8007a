"""Flags of a design: budgets, the array, bandwidth."""

from __future__ import annotations

import re

from absl import flags

from airchitect_jax.types import ArrayShape

MAC_BUDGET = flags.DEFINE_integer(
    "mac_budget", None, "The largest number of MAC units.", lower_bound=4, upper_bound=2**24
)
SRAM_BUDGET = flags.DEFINE_string(
    "sram_budget",
    None,
    "The largest total size of the memories, in KB, or with a unit, as in 24MB.",
)
ARRAY = flags.DEFINE_string(
    "array", None, "The only array to consider, as ROWSxCOLUMNS; any sides, for example 96x96."
)
BANDWIDTH = flags.DEFINE_string(
    "bandwidth",
    None,
    "DRAM bandwidth in bytes per cycle; with --platform also with a unit, as in 900GB/s.",
)
ALL = (MAC_BUDGET, SRAM_BUDGET, ARRAY, BANDWIDTH)


def array() -> ArrayShape | None:
    """The array of --array.

    Raises:
      ValueError: the text is not ROWSxCOLUMNS.
    """
    text = ARRAY.value
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,7})x([0-9]{1,7})", text)
    if not match:
        raise ValueError(f"--array: {text!r} is not allowed; expected ROWSxCOLUMNS, as in 96x96")
    return ArrayShape(rows=int(match[1]), cols=int(match[2]))
