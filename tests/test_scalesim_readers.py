"""Reading the configurations, topologies and layouts of SCALE-Sim as the package does."""

import dataclasses
import pathlib

import pytest

from airchitect_jax.scalesim import LayerLayout, Settings
from airchitect_jax.scalesim.settings import read_settings
from airchitect_jax.scalesim.topology import read_layers, read_layout

GOLDEN = pathlib.Path(__file__).parent / "testdata" / "scalesim"
SIZES = ("ifmap_rows", "ifmap_cols", "filter_rows", "filter_cols", "channels", "num_filters")


def written(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    return path


CONV_ROWS = {
    "a,4,4,2,2,2,3,1,": [(4, 4, 2, 2, 2, 3, 1, 1, 1, 1)],
    " b ,+4, 4 ,2,2,1_0,3,2,": [(4, 4, 2, 2, 10, 3, 2, 2, 1, 1)],
    "a,4,4,2,2,2,3,1,2:4,": [(4, 4, 2, 2, 2, 3, 1, 1, 2, 4)],
    "a,4,4,2,2,2,3,1,2:4:6,": [(4, 4, 2, 2, 2, 3, 1, 1, 2, 4)],
    "xDP,4,4,2,2,3,2,1,2:4,": [(4, 4, 2, 2, 1, 2, 1, 1, 2, 4)] * 3,
}
DOUBTFUL_CONV_ROWS = {
    "a,4,4,2,2,2,3,1,2:4": ([(4, 4, 2, 2, 2, 3, 1, 1, 1, 1)], "follows the last comma, '2:4'"),
    "a,6,6,2,2,2,3,1,2,2:4,": ([(6, 6, 2, 2, 2, 3, 1, 1, 2, 2)], "cells '2' and '2' for"),
}
GEMM_ROWS = {
    "a,3,4,5,": (3, 5, 1, 5, 1, 4, 1, 1, 1, 1),
    "aDP,3,4,5,2:4,": (3, 5, 1, 5, 1, 4, 1, 1, 2, 4),
}


def numbers_of(layer):
    return tuple(
        getattr(layer, name)
        for name in (*SIZES, "row_stride", "col_stride", "sparsity_n", "sparsity_m")
    )


@pytest.mark.parametrize(("row", "expected"), CONV_ROWS.items())
def test_rows_of_convolutions(row, expected, tmp_path):
    layers = read_layers(written(tmp_path, "t.csv", f"header\n\n{row}\r\n  \n"), strict=True)
    assert [numbers_of(layer) for layer in layers] == expected


def test_channels_of_a_depthwise_convolution_have_names(tmp_path):
    layers = read_layers(written(tmp_path, "t.csv", "h\nxDP,4,4,2,2,2,2,1,"))
    assert [layer.name for layer in layers] == ["xDPChannel_0", "xDPChannel_1"]


@pytest.mark.parametrize(("row", "expected"), GEMM_ROWS.items())
def test_rows_of_gemms(row, expected, tmp_path):
    (layer,) = read_layers(written(tmp_path, "t.csv", f"h\n{row}\n"), input_type="gemm")
    assert numbers_of(layer) == expected


@pytest.mark.parametrize(("row", "expected"), DOUBTFUL_CONV_ROWS.items())
def test_doubtful_rows_are_read_as_the_package_does_or_refused(row, expected, tmp_path):
    path = written(tmp_path, "t.csv", f"h\n{row}\n")
    layers, message = expected
    with pytest.warns(UserWarning, match=message):
        assert [numbers_of(layer) for layer in read_layers(path)] == layers
    with pytest.raises(ValueError, match=rf"t.csv: row 2: .*{message}"):
        read_layers(path, strict=True)


@pytest.mark.parametrize(
    ("text", "message"), [("a,4,4,2,2,2,3,1,\n", "this layer for"), ("", "no")]
)
def test_layers_that_the_package_would_lose_are_doubtful(text, message, tmp_path):
    path = written(tmp_path, "t.csv", text)
    with pytest.warns(UserWarning, match=message):
        assert read_layers(path) == ()
    with pytest.raises(ValueError, match=message):
        read_layers(path, strict=True)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,4,4,2,2,2,3,1", "7 cells that end with a comma; expected name, ifmap height"),
        ("a", "0 cells that end with a comma"),
        ("a,4,4,2,2,2,3,1,,", "sparsity: '' is not allowed; expected n:m"),
        ("a,4,4,2,2,2,3,1,x:4,", "sparsity_n: 'x' is not allowed; expected a whole number"),
        ("a,4,4,2.0,2,2,3,1,", "filter_rows: '2.0' is not allowed; expected a whole number"),
        ("a,4,4,5,2,2,3,1,", "filter_rows: 5 is not allowed; expected at most ifmap_rows, 4"),
        (
            "a,4,4,2,2,0,3,1,",
            "channels: 0 is not allowed; expected a whole number in 1..2147483647",
        ),
        ("aDP,4,4,2,2,0,3,1,", "channels: 0 is not allowed"),
        ("a,4,4,2,2,2,3,1,2,2:4,1:1,", "sparsity_m: '2:4' is not allowed"),
    ],
)
def test_bad_rows_are_named(row, message, tmp_path):
    path = written(tmp_path, "t.csv", f"h\nb,4,4,2,2,2,3,1,\n{row}\n")
    with pytest.raises(ValueError, match=rf"t.csv: row 3: {message}"):
        read_layers(path)


def config(**changes):
    """A configuration in which values of keys are replaced; None takes the key out."""
    lines = (GOLDEN / "sparse_row_wise" / "scale.cfg").read_text().splitlines()
    for key, value in changes.items():
        place = next(i for i, line in enumerate(lines) if line.startswith(key))
        lines[place] = "" if value is None else f"{key} = {value}"
    return "\n".join(lines)


def test_every_key_of_a_configuration_is_read(tmp_path):
    text = config(
        run_name="net",
        ArrayHeight=8,
        ArrayWidth=5,
        IfmapSramSzkB=1,
        FilterSramSzkB=2,
        OfmapSramSzkB=3,
        IfmapOffset=4,
        FilterOffset=5,
        OfmapOffset=6,
        Dataflow="is",
        Bandwidth="7, 8",
        ReadRequestBuffer=9,
        WriteRequestBuffer=10,
        IfmapCustomLayout="yes",
        IfmapSRAMBankBandwidth=12,
        IfmapSRAMBankNum=3,
        IfmapSRAMBankPort=4,
        FilterCustomLayout=0,
        FilterSRAMBankBandwidth=14,
        FilterSRAMBankNum=7,
        FilterSRAMBankPort=5,
        SparsitySupport="TRUE",
        SparseRep="csc",
        OptimizedMapping="true",
        BlockSize=6,
        RandomNumberGeneratorSeed=11,
        InterfaceBandwidth="USER",
        UseRamulatorTrace="True",
    )
    settings = read_settings(written(tmp_path, "scale.cfg", text), strict=True)
    assert settings == Settings(
        run_name="net",
        user_bandwidth=True,
        ramulator=True,
        rows=8,
        cols=5,
        ifmap_sram_kb=1,
        filter_sram_kb=2,
        ofmap_sram_kb=3,
        ifmap_offset=4,
        filter_offset=5,
        ofmap_offset=6,
        dataflow="is",
        bandwidths=(7, 8),
        read_request_buffer=9,
        write_request_buffer=10,
        ifmap_custom_layout=True,
        ifmap_bank_bandwidth=12,
        ifmap_bank_num=3,
        ifmap_bank_port=4,
        filter_custom_layout=False,
        filter_bank_bandwidth=14,
        filter_bank_num=7,
        filter_bank_port=5,
        sparsity=True,
        sparse_representation="csc",
        optimized_mapping=True,
        block_size=6,
        sparsity_seed=11,
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ifmap_sram_kb": 0}, "ifmap_sram_kb: 0 is not allowed; expected a whole number in 1.."),
        ({"dataflow": "WS"}, "dataflow: 'WS' is not allowed; expected os, ws or is"),
        ({"bandwidths": ()}, r"bandwidths: \(\) is not allowed; expected a number of words per"),
        ({"bandwidths": (0,)}, "bandwidths: 0 is not allowed; expected a whole number in 1.."),
        ({"filter_bank_num": 3}, "filter_bank_bandwidth: 10 is not allowed; expected a multiple of"
         " filter_bank_num, 3"),
        ({"ifmap_custom_layout": True, "ifmap_bank_port": 0}, "ifmap_bank_port: 0 is not allowed"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)  # fmt: skip
def test_settings_with_which_the_package_crashes_are_refused(change, message):
    settings = read_settings(GOLDEN / "conv_os_user" / "scale.cfg")
    settings = dataclasses.replace(settings, ifmap_bank_num=1, filter_bank_bandwidth=10)
    with pytest.raises(ValueError, match=f"^{message}"):
        dataclasses.replace(settings, **change)


def test_what_is_off_is_not_missed(tmp_path):
    text = config(
        InterfaceBandwidth="CALC",
        Bandwidth="none",
        IfmapSRAMBankNum=3,
        SparsitySupport="false",
        SparseRep=None,
        BlockSize=None,
        RandomNumberGeneratorSeed=None,
    )
    settings = read_settings(written(tmp_path, "scale.cfg", text), strict=True)
    assert (settings.bandwidths, settings.sparsity, settings.ifmap_bank_num) == ((), False, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ArrayHeight": None}, r"\[architecture_presets\] ArrayHeight: no value"),
        ({"ArrayHeight": "8.0"}, r"ArrayHeight: '8.0' is not allowed; expected a whole number"),
        ({"ArrayWidth": 0}, r"ArrayWidth: 0 is not allowed; expected a whole number in 1.."),
        ({"Bandwidth": "x"}, r"\[architecture_presets\] Bandwidth: 'x' is not allowed"),
        ({"Bandwidth": 0}, r"\[architecture_presets\] Bandwidth: 0 is not allowed"),
        ({"IfmapSRAMBankNum": 3}, r"\[layout\] IfmapSRAMBankBandwidth: 10 is not allowed; exp"
         r"ected a multiple of IfmapSRAMBankNum, 3"),
        ({"FilterCustomLayout": "maybe"}, "'maybe' is not allowed; expected True or False"),
        ({"InterfaceBandwidth": "user"}, "'user' is not allowed; expected USER or CALC"),
        ({"SparseRep": "coo"}, r"\[sparsity\] SparseRep: 'coo' is not allowed; expected csr, csc"),
        ({"BlockSize": 9}, r"BlockSize: 9 is not allowed; expected a whole number in 2..8"),
        ({"run_name": "../x"}, "'../x' is not allowed; expected the name of a folder"),
        ({"run_name": "50%"}, r"\[general\] run_name: '%' must be followed by"),
        ({"InterfaceBandwidth": "USER\n[network_presets]\na = 1"}, r"\[network_presets\]: with this"
         r" section the package expects \[architecture_presets\] TopologyCsvLoc"),
    ],
)  # fmt: skip
def test_bad_configurations_are_named(changes, message, tmp_path):
    path = written(tmp_path, "scale.cfg", config(**changes))
    with pytest.raises(ValueError, match=message) as caught:
        read_settings(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ArrayHeight": "1\nArrayHight: 8"}, "ArrayHight: the package ignores this key; the near"
         r"est key is \[architecture_presets\] ArrayHeight"),
        ({"Dataflow": "WS"}, "Dataflow: 'WS' is not one of os, ws or is; the package runs os"),
        ({"UseRamulatorTrace": "true"}, "'true' is not one of True or False; the package reads"),
    ],
)  # fmt: skip
def test_doubtful_configurations_warn_or_are_refused(changes, message, tmp_path):
    path = written(tmp_path, "scale.cfg", config(OptimizedMapping="no way", **changes))
    with pytest.warns(UserWarning, match=message):
        settings = read_settings(path)
    assert settings.optimized_mapping is False
    with pytest.raises(ValueError, match="OptimizedMapping: 'no way'|" + message):
        read_settings(path, strict=True)


def test_a_missing_key_has_its_neighbour_named(tmp_path):
    text = config(ArrayHeight="8").replace("ArrayHeight", "ArrayHight")
    with (
        pytest.warns(UserWarning, match="ignores this key"),
        pytest.raises(ValueError, match=r"no value; there is .* ArrayHight$"),
    ):
        read_settings(written(tmp_path, "scale.cfg", text))


LAYOUT_ROW = "a,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,"


def test_a_layout_is_read_by_column(tmp_path):
    path = written(tmp_path, "layout.csv", f"h\n{LAYOUT_ROW}\n{LAYOUT_ROW}\n")
    assert read_layout(path, strict=True) == LayerLayout(
        ifmap_intraline_factor=(1, 2, 5),
        ifmap_intraline_order=(7, 8, 9),
        ifmap_interline_order=(10, 11, 12),
        filter_intraline_factor=(6, 5, 3, 4),
        filter_intraline_order=(13, 14, 15, 16),
        filter_interline_order=(17, 18, 19, 20),
    )
    depthwise = written(tmp_path, "layout.csv", f"h\nDP{LAYOUT_ROW}\n")
    assert read_layout(depthwise).ifmap_intraline_factor == (1, 2, 1)
    assert read_layout(path, ifmap=False, filters=False) is None


def test_layouts_of_later_layers_are_doubtful(tmp_path):
    path = written(tmp_path, "layout.csv", f"h\n{LAYOUT_ROW}\n{LAYOUT_ROW.replace('20', '21')}\n")
    with pytest.warns(UserWarning, match="the package uses the first row for every layer"):
        assert read_layout(path).filter_interline_order[-1] == 20
    with pytest.raises(ValueError, match="first row"):
        read_layout(path, strict=True)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "no row below the header; expected 20 numbers after the name"),
        ("a,1,2,3,", "3 numbers below the header; expected 20"),
        ("a,1,x,3,", r"row 2: cell 3: 'x' is not allowed"),
        ("a", "row 2: 'a' is not allowed; expected cells that end with a comma"),
    ],
)
def test_bad_layouts_are_named(rows, message, tmp_path):
    with pytest.raises(ValueError, match=f"layout.csv: {message}"):
        read_layout(written(tmp_path, "layout.csv", f"h\n{rows}\n"))


def test_files_that_cannot_be_read_are_named(tmp_path):
    for read in (read_settings, read_layers, read_layout):
        with pytest.raises(ValueError, match="nothing: cannot be read: No such file"):
            read(tmp_path / "nothing")
        (tmp_path / "latin").write_bytes(b"[general]\nrun_name = \xe9\n")
        with pytest.raises(ValueError, match="latin: cannot be read: not UTF-8"):
            read(tmp_path / "latin")
