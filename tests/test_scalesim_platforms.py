"""Accelerators of SCALE-Sim configurations as machines in physical units."""

import dataclasses

import pytest
from absl import flags
from absl.testing import flagsaver

from airchitect_jax import Dataflow, read_platform, write_platform
from airchitect_jax.experiments import platform_flags
from airchitect_jax.scalesim import ScalesimConfig, platform_of, read_config_platform, write_config

CONFIG = ScalesimConfig(
    rows=16,
    cols=24,
    dataflow=Dataflow.WS,
    ifmap_sram_kb=64,
    filter_sram_kb=32,
    ofmap_sram_kb=128,
    bandwidth_words_per_cycle=10,
)


def test_the_machine_of_a_configuration(tmp_path):
    write_config(tmp_path / "scale.cfg", CONFIG, name="mine")
    platform = read_config_platform(tmp_path / "scale.cfg")
    assert platform == platform_of(CONFIG, name="scale")
    machine = platform.hardware_of()
    assert (machine.rows, machine.cols, machine.num_cores) == (16, 24, 1)
    buffers = machine.memory
    sizes = buffers.ifmap_sram_bytes, buffers.filter_sram_bytes, buffers.ofmap_sram_bytes
    assert sizes == (65_536, 32_768, 131_072)
    assert machine.bandwidth_bytes == 10 * machine.bandwidth_cycles
    assert platform.dataflows == (Dataflow.WS,)
    write_platform(tmp_path / "scale.yaml", platform)
    assert read_platform(tmp_path / "scale.yaml") == platform


def test_the_flag_takes_a_configuration_and_others_override_it(tmp_path):
    write_config(tmp_path / "scale.cfg", CONFIG, name="mine")
    with flagsaver.flagsaver(platform=str(tmp_path / "scale.cfg"), clock="2GHz"):
        flags.FLAGS.mark_as_parsed()
        (platform,) = platform_flags.platforms(None, "20", ())
    assert platform.hardware.rows == (16,)
    assert platform.clock_hz == 2 * 10**9
    assert platform.hardware.bandwidth_bytes_per_second == (40 * 10**9,)


def test_a_machine_needs_a_bandwidth(tmp_path):
    path = tmp_path / "scale.cfg"
    write_config(path, dataclasses.replace(CONFIG, bandwidth_words_per_cycle=None), name="mine")
    with pytest.raises(ValueError, match=r"scale.cfg: InterfaceBandwidth: CALC is not allowed"):
        read_config_platform(path)
    with pytest.raises(ValueError, match=r"none.cfg: cannot be read"):
        read_config_platform(tmp_path / "none.cfg")
