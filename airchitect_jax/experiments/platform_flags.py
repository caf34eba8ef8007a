"""Flags of a machine in physical units, and of budgets in these units."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from airchitect_jax._support import (
    AREA,
    FREQUENCY,
    POWER,
    RATE,
    SIZE,
    TIME,
    Unit,
    quantity,
    whole_quantity,
)
from airchitect_jax.cost import Platform, platform_names, read_platform, resolve_terms
from airchitect_jax.recommendation.machines import Budgets
from airchitect_jax.scalesim import read_config_platform
from airchitect_jax.types import ArrayShape

PLATFORM = flags.DEFINE_string(
    "platform",
    None,
    f"A machine in physical units: a YAML file, a packaged one ({', '.join(platform_names())}), or"
    " a SCALE-Sim configuration (.cfg) at 1 GHz. What the file leaves open is searched.",
)
COMPARE = flags.DEFINE_multi_string(
    "compare",
    [],
    "A platform to put beside the others, layer by layer; may be given several times.",
)
CLOCK = flags.DEFINE_string("clock", None, "The clock in place of the platform's, as in 1.2GHz.")
CORES = flags.DEFINE_integer(
    "cores", None, "The number of cores in place of the platform's.", lower_bound=1
)
AREA_BUDGET = flags.DEFINE_string(
    "area_budget", None, "The largest area of a platform's machine, as in 100mm2."
)
POWER_BUDGET = flags.DEFINE_string(
    "power_budget", None, "The largest average power of a platform's machine, as in 75W."
)
LATENCY_BUDGET = flags.DEFINE_string(
    "latency_budget", None, "The longest time of one run of the workload, as in 10ms."
)
OF_ONE = (PLATFORM, CLOCK, CORES, AREA_BUDGET, POWER_BUDGET, LATENCY_BUDGET)
ALL = (*OF_ONE, COMPARE)


def is_given() -> bool:
    """Whether a platform is asked about.

    Raises:
      ValueError: a flag is given that only a platform can have.
    """
    if PLATFORM.value or COMPARE.value:
        return True
    for flag in ALL:
        if flag.present:
            raise ValueError(f"--{flag.name}: needs --platform")
    return False


def platforms(
    array: ArrayShape | None, bandwidth: str | None, terms: Sequence[str]
) -> list[Platform]:
    """The platforms that the flags name, with what the flags override.

    Raises:
      ValueError: a file or a flag is refused.
    """
    names = [*([PLATFORM.value] if PLATFORM.value else []), *COMPARE.value]
    found = [_overridden(_read(name), array, bandwidth) for name in names]
    return [
        dataclasses.replace(platform, terms=(*platform.terms, *resolve_terms(terms)))
        for platform in found
    ]


def _read(name: str) -> Platform:
    return read_config_platform(name) if name.endswith(".cfg") else read_platform(name)


def _overridden(platform: Platform, array: ArrayShape | None, bandwidth: str | None) -> Platform:
    clock_hz = platform.clock_hz
    if CLOCK.value is not None:
        clock_hz = whole_quantity("--clock", CLOCK.value, FREQUENCY)
    fixed: dict[str, Any] = {}
    if array is not None:
        fixed |= {"rows": (array.rows,), "cols": (array.cols,)}
    if CORES.value is not None:
        fixed["num_cores"] = (CORES.value,)
    if bandwidth is not None:
        # A number without a unit is in bytes per cycle.
        rate = (
            int(bandwidth) * clock_hz
            if bandwidth.isdecimal()
            else whole_quantity("--bandwidth", bandwidth, RATE)
        )
        fixed["bandwidth_bytes_per_second"] = (rate,)
    hardware = dataclasses.replace(platform.hardware, **fixed)
    return dataclasses.replace(platform, clock_hz=clock_hz, hardware=hardware)


def budgets(mac_budget: int | None, sram_budget: str | None) -> Budgets:
    """The budgets that the flags set.

    Raises:
      ValueError: a flag is refused.
    """
    return Budgets(
        mac_budget=mac_budget,
        sram_budget_bytes=sram_bytes(sram_budget),
        area_budget_um2=_given(AREA_BUDGET, AREA, whole_quantity),
        power_budget_w=_given(POWER_BUDGET, POWER, _real_quantity),
        latency_budget_s=_given(LATENCY_BUDGET, TIME, _real_quantity),
    )


def sram_bytes(text: str | None) -> int | None:
    """A size; a number without a unit is in KB."""
    if text is None:
        return None
    if text.isdecimal():
        text += "KB"
    return whole_quantity("--sram_budget", text, SIZE)


def _given(
    flag: flags.FlagHolder[str | None], unit: Unit, read: Callable[[str, Any, Unit], float]
) -> Any:
    return None if flag.value is None else read(f"--{flag.name}", flag.value, unit)


def _real_quantity(name: str, value: Any, unit: Unit) -> float:
    return float(quantity(name, value, unit))
