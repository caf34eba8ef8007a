"""The accelerator of a SCALE-Sim configuration as a machine in physical units."""

from __future__ import annotations

import pathlib

from airchitect_jax.cost import Platform, Widths
from airchitect_jax.scalesim.config import ScalesimConfig, read_config
from airchitect_jax.spaces import HardwareSpace
from airchitect_jax.types import MemoryModel

_CLOCK_HZ = 10**9  # the file counts in cycles
_WORDS_PER_KB = 1024


def platform_of(config: ScalesimConfig, *, name: str) -> Platform:
    """The machine of a configuration: one core at 1 GHz, whose words are bytes.

    SCALE-Sim gives the bandwidth to each operand's port; here it is that of the interface that all
    share, so that no operand is faster than there.

    Raises:
      ValueError: the configuration has no bandwidth (CALC mode), or a size is out of range.
    """
    if config.bandwidth_words_per_cycle is None:
        raise ValueError(
            "InterfaceBandwidth: CALC is not allowed for a machine, which needs a bandwidth;"
            " expected USER"
        )
    sizes = {
        f"{operand}_sram_bytes": (_WORDS_PER_KB * getattr(config, f"{operand}_sram_kb"),)
        for operand in ("ifmap", "filter", "ofmap")
    }
    return Platform(
        memory_model=MemoryModel.TILED,
        name=name,
        source="SCALE-Sim configuration; clock, word size, technology and vector unit are assumed",
        clock_hz=_CLOCK_HZ,
        dataflows=(config.dataflow,),
        hardware=HardwareSpace(
            rows=(config.rows,),
            cols=(config.cols,),
            bandwidth_bytes_per_second=(config.bandwidth_words_per_cycle * _CLOCK_HZ,),
            **sizes,
        ),
        widths=Widths(input_bits=8, weight_bits=8, accumulator_bits=8, output_bits=8),
    )


def read_config_platform(path: str | pathlib.Path) -> Platform:
    """The machine of a configuration file, named after it; see `platform_of`.

    Raises:
      ValueError: the file is refused, or is no machine; names the file.
    """
    config = read_config(path)
    try:
        return platform_of(config, name=pathlib.Path(path).stem)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
