"""Reading the accelerator of a SCALE-Sim configuration, and refusing what is none."""

import pytest

from airchitect_jax import Dataflow
from airchitect_jax.scalesim import ScalesimConfig, read_config, write_config

CONFIG = """[general]
run_name = mine

[architecture_presets]
ArrayHeight:    16
ArrayWidth = 8
IfmapSramSzkB:   64
FilterSramSzkB:  32
OfmapSramSzkB:   128
Dataflow : ws
Bandwidth : 10, 20
IfmapSRAMBankBandwidth: 64
FilterSRAMBankBandwidth: 10

[sparsity]
SparsitySupport : True

[run_presets]
InterfaceBandwidth: USER
"""


def written(tmp_path, text):
    path = tmp_path / "scale.cfg"
    path.write_text(text)
    return path


def test_a_configuration_is_read(tmp_path):
    path = written(tmp_path, CONFIG)
    assert read_config(path) == ScalesimConfig(
        rows=16,
        cols=8,
        dataflow=Dataflow.WS,
        ifmap_sram_kb=64,
        filter_sram_kb=32,
        ofmap_sram_kb=128,
        bandwidth_words_per_cycle=10,
        notes=(
            "SparsitySupport: True is left out",
            "IfmapSRAMBankBandwidth: 64 is left out; the port has Bandwidth, 10",
        ),
    )
    calc = CONFIG.replace("USER", "CALC").replace("Bandwidth : 10, 20", "")
    assert read_config(written(tmp_path, calc)).bandwidth_words_per_cycle is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("16", "0", r"scale\.cfg: \[architecture_presets\] ArrayHeight: '0' is not allowed; expec"),
        ("= 8", "= 8.5", r"ArrayWidth: '8.5' is not allowed; expected a whole number in 1\.\.2147"),
        ("= 8", "=", "ArrayWidth: '' is not allowed"),
        ("ArrayWidth = 8", "", r"\[architecture_presets\] ArrayWidth: no value"),
        (": ws", ": rs", "Dataflow: 'rs' is not allowed; expected os or ws or is"),
        ("USER", "AUTO", r"InterfaceBandwidth: 'AUTO' is not allowed; expected CALC or USER"),
        ("10, 20", "x, 20", "Bandwidth: 'x, 20' is not allowed"),
        ("[run_presets]", "", r"\[run_presets\] InterfaceBandwidth: no value"),
        ("[general]", "", "not a SCALE-Sim configuration: File contains no section headers"),
        ("Dataflow", "ArrayWidth", "not a SCALE-Sim configuration"),
    ],
)
def test_bad_configurations_are_named_in_one_line(old, new, message, tmp_path):
    path = written(tmp_path, CONFIG.replace(old, new))
    with pytest.raises(ValueError, match=message) as caught:
        read_config(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_files_that_are_no_configuration_are_named(tmp_path):
    (tmp_path / "scale.cfg").write_bytes(b"\xff\xfe\x00")
    for path, message in (
        (tmp_path / "scale.cfg", "not a SCALE-Sim configuration"),
        (tmp_path / "none.cfg", "none.cfg: cannot be read"),
    ):
        with pytest.raises(ValueError, match=message):
            read_config(path)


@pytest.mark.parametrize("bandwidth", [None, 7])
def test_a_written_configuration_is_read_back(tmp_path, bandwidth):
    config = ScalesimConfig(
        rows=16,
        cols=8,
        dataflow=Dataflow.IS,
        ifmap_sram_kb=64,
        filter_sram_kb=32,
        ofmap_sram_kb=128,
        bandwidth_words_per_cycle=bandwidth,
        notes=(),
    )
    write_config(tmp_path / "out" / "scale.cfg", config, name="my run")
    assert read_config(tmp_path / "out" / "scale.cfg") == config
    assert "run_name = my_run\n" in (tmp_path / "out" / "scale.cfg").read_text()
