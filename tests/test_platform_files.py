"""Platform files: what they mean, that nothing is lost, and that errors name file and line."""

import dataclasses
import itertools
import pathlib
import re
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import airchitect_jax as aj
from airchitect_jax._support import find, register
from airchitect_jax.cost import parse_platform, platform_file
from airchitect_jax.types import OperatorKind

ROOT = pathlib.Path(__file__).parent.parent
EDGE = """\
name: edge
source: a data sheet
clock: 800MHz
runtime_model: ispass2020

array:
  rows: [8, 256, 8]
  cols: [4, 64, x2]
  cores: {choices: [1, 3, 4]}
  dataflows: [OS, ws]
memory:
  ifmap_sram: 512KB
  filter_sram: [64KB, 1MB, 100KB]
  ofmap_sram: 0.5MB
dram: {bandwidth: 25.6GB/s, kind: LPDDR4, energy: 3.5pJ/bit}
widths: {input: 4, weight: 8, accumulator: 24, output: 16}
vector_unit:
  lanes: 64
  rates: {softmax: 1/4, activation: 0.5}
  overlapped: true
technology: {node: 12nm, mac_energy: 50fJ, mac_area: 250um2}
"""


def test_a_worked_file():
    platform = parse_platform(EDGE.encode(), source="edge.yaml")
    assert platform == aj.Platform(
        name="edge",
        source="a data sheet",
        clock_hz=800_000_000,
        runtime_model=aj.RuntimeModel.ISPASS2020,
        memory_model=aj.MemoryModel.TILED,
        dataflows=(aj.Dataflow.OS, aj.Dataflow.WS),
        hardware=aj.HardwareSpace(
            rows=tuple(range(8, 257, 8)),
            cols=(4, 8, 16, 32, 64),
            num_cores=(1, 3, 4),
            ifmap_sram_bytes=(524288,),
            filter_sram_bytes=tuple(1024 * kb for kb in range(64, 1025, 100)),
            ofmap_sram_bytes=(524288,),
            bandwidth_bytes_per_second=(25_600_000_000,),
        ),
        widths=aj.Widths(input_bits=4, weight_bits=8, accumulator_bits=24, output_bits=16),
        vector_unit=aj.VectorUnit(
            lanes=64,
            rates={OperatorKind.SOFTMAX: Fraction(1, 4), OperatorKind.ACTIVATION: 0.5},
            overlapped=True,
        ),
        technology=aj.Technology(
            node_nm=12, dram="LPDDR4", dram_pj_per_byte=28, mac_pj=0.05, mac_um2=250
        ),
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[8, 256, 8]", "many", "7: array: rows: 'many' is not allowed; expected a whole number"),
        ("[8, 256, 8]", "", "7: array: rows: an empty value is not allowed; expected a single v"),
        ("[8, 256, 8]", "0", "7: array: rows: 0 is not allowed; expected a whole number in 1.."),
        ("[8, 256, 8]", "[8, 256]", "7: array: rows: 2 items are not allowed; expected a value, ["),
        ("[8, 256, 8]", "[8, 256, 0]", "7: array: rows: [8, 256, 0] is not allowed"),
        ("[8, 256, 8]", "[8, 256, x1]", "7: array: rows: [8, 256, x1] is not allowed"),
        ("[8, 256, 8]", "[8, 256, x0.5]", "7: array: rows: [8, 256, x0.5] is not allowed; expecte"),
        ("[8, 256, 8]", "[8, 256, x1.01]", "7: array: rows: [8, 256, x1.01] is not allowed; expec"),
        ("[8, 256, 8]", "[8, 256, xx]", "7: array: rows: 'x' is not allowed; expected a whole num"),
        ("[8, 256, 8]", "[9, 8, 1]", "7: array: rows: [9, 8, 1] is not allowed; expected to asc"),
        ("[8, 256, 8]", "[1, 5000, 1]", "7: array: rows: [1, 5000, 1] is not allowed; expected at"),
        ("[8, 256, 8]", "[8, [1], 8]", "7: array: rows: a list is not allowed; expected a single"),
        ("[8, 256, 8]", "{choice: [1]}", "7: array: rows: expected a value, [low, high, step], ["),
        ("[8, 256, 8]", "{choices: 1}", "7: array: rows: choices: a single value is not allowed"),
        ("[8, 256, 8]", "{choices: [4, 2]}", "7: array: rows: (4, 2) is not allowed; expected to"),
        ("800MHz", "800MB", "3: clock: '800MB' is not allowed; expected a frequency in Hz, kHz, "),
        ("800MHz", "0.3Hz", "3: clock: '0.3Hz' is not allowed; expected whole Hz"),
        ("800MHz", "1e13", "3: clock: 10000000000000 is not allowed; expected a whole number in 1"),
        ("ispass2020", "x", "4: runtime_model: 'x' is not allowed; expected scalesim or ispass2"),
        ("[OS, ws]", "[OS, XS]", "10: array: dataflows: 'XS' is not allowed; expected OS, WS, IS"),
        ("[OS, ws]", "OS", "10: array: dataflows: a single value is not allowed; expected a list"),
        ("  ofmap_sram: 0.5MB\n", "", "11: memory: ofmap_sram: no value is given"),
        ("ofmap_sram", "accumulator", "11: memory: scratchpad: no value is given"),
        ("LPDDR4", "[1]", "15: dram: kind: a list is not allowed; expected a single value"),
        ("3.5pJ/bit", "3.5pJ", "15: dram: energy: '3.5pJ' is not allowed; expected an energy in"),
        ("input: 4", "input: 4B", "16: widths: input: '4B' is not allowed; expected a whole num"),
        ("softmax: 1/4", "x: 1", "19: vector_unit: rates: 'x' is not allowed; expected softmax, "),
        ("1/4", "1/0", "19: vector_unit: rates: softmax: '1/0' is not allowed; expected a number"),
        ("1/4", "1e9", "19: vector_unit: rates: softmax: '1e9' is not allowed; expected a number"),
        ("1/4", "0", "19: vector_unit: rates: softmax: 0.0 is not allowed; expected a number in"),
        ("overlapped: true", "overlapped: on", "20: vector_unit: overlapped: 'on' is not allowed"),
        ("12nm", "1e99", "21: technology: node: 1e+99 is not allowed; expected a number in "),
        ("clock:", "clok:", "3: clok: unknown key; expected name, source, clock, runtime_model,"),
        ("  cols:", "  rows:", "8: array: rows: given twice"),
        ("  cols:", "  colz:", "8: array: colz: unknown key; expected rows, cols, cores, datafl"),
        ("  cols:", "  [1]:", "6: array: a list is not allowed; expected a single value"),
        ("name: edge", "name: &a edge", "1: anchors, aliases and tags are not allowed"),
        ("name: edge", "name: !!python/name:os.system", "1: anchors, aliases and tags are not all"),
        ("name: edge", "name: *a", "1: anchors, aliases and tags are not allowed"),
        ("name: edge", "name: [[[[[[[[edge]]]]]]]]", "1: nested too deep; expected at most 8 le"),
        ("name: edge", "name: [edge", "2: not YAML: expected ',' or ']', but got ':'"),
        ("source:", "\tsource:", "2: not YAML: found character '\\t' that cannot start any token"),
        ("a data sheet", "\udc80", "2: not UTF-8 text"),
    ],
)
def test_errors_name_file_line_and_key(old, new, message):
    text = EDGE.replace(old, new, 1).encode("utf-8", "surrogateescape")
    with pytest.raises(ValueError, match=f"^edge.yaml:{re.escape(message)}") as caught:
        parse_platform(text, source="edge.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["name", "clock", "array: rows", "array: cols", "dram: bandwidth"])
def test_required_keys_have_no_default(key):
    inner = key.split(": ")[-1]
    text = re.sub(rf"\b{inner}: ([^\[,\n]+(, )?|\[.*\])", "", EDGE)
    with pytest.raises(ValueError, match=rf"^edge.yaml: {key}: no value is given$"):
        parse_platform(text.encode(), source="edge.yaml")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x: the file is empty"),
        (b"# nothing", "x: the file is empty"),
        (b"edge", "x:1: a single value is not allowed; expected keys with values"),
        (b"- edge", "x:1: a list is not allowed; expected keys with values"),
        (b"a: 1\n---\nb: 2", "x:2: not YAML: but found another document"),
        (b"name: \x00", "x: not YAML: unacceptable character"),
        (b"#" * 2**16 + b"#", "x: too large; expected at most 65536 bytes"),
        (b"[" * 60000, "x:1: nested too deep"),
        (b"{a: " * 10000, "x:1: nested too deep"),
    ],
)
def test_what_is_no_platform_file(data, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        parse_platform(data, source="x")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(ValueError, match=r"none.yaml: cannot be read: No such file"):
        aj.read_platform(tmp_path / "none.yaml")
    with pytest.raises(ValueError, match=r"'none' is neither a .yaml file nor a packaged platform"):
        aj.read_platform("none")
    (tmp_path / "large.yaml").write_bytes(b"#" * 10**6)
    with pytest.raises(ValueError, match=r"large.yaml: too large"):
        aj.read_platform(str(tmp_path / "large.yaml"))


def choices(high):
    """Values of an axis: one, several, or a progression of either kind."""
    value = st.integers(1, high)
    several = st.lists(value, min_size=1, max_size=5, unique=True).map(lambda v: tuple(sorted(v)))
    steps = st.builds(
        lambda low, step, n: tuple(low + i * step for i in range(n)),
        st.integers(1, high // 16),
        st.integers(1, high // 16),
        st.integers(1, 8),
    )
    powers = st.builds(
        lambda low, factor, n: tuple(low * factor**i for i in range(n)),
        st.integers(1, 4),
        st.integers(2, 4),
        st.integers(1, 4),
    )
    return several | steps | powers


operand_srams = st.fixed_dictionaries(
    dict.fromkeys(("ifmap_sram_bytes", "filter_sram_bytes", "ofmap_sram_bytes"), choices(2**40))
)
scratchpads = st.fixed_dictionaries(
    dict.fromkeys(("scratchpad_bytes", "accumulator_bytes"), choices(2**40))
)
prices = st.none() | st.floats(0, 1e9)
platforms = st.builds(
    aj.Platform,
    name=st.text(min_size=1),
    source=st.text(),
    clock_hz=st.integers(1, 10**12),
    runtime_model=st.sampled_from(aj.RuntimeModel),
    memory_model=st.just(aj.MemoryModel.TILED),
    dataflows=st.lists(st.sampled_from(aj.Dataflow), min_size=1, unique=True),
    hardware=st.builds(
        lambda memory, **axes: aj.HardwareSpace(**memory, **axes),
        operand_srams | scratchpads,
        rows=choices(2**20),
        cols=choices(2**20),
        num_cores=choices(1024),
        bandwidth_bytes_per_second=choices(10**15),
    ),
    widths=st.builds(
        aj.Widths,
        **dict.fromkeys(
            ("input_bits", "weight_bits", "accumulator_bits", "output_bits"), st.integers(1, 512)
        ),
    ),
    vector_unit=st.builds(
        aj.VectorUnit,
        lanes=st.integers(1, 2**20),
        rates=st.dictionaries(
            st.sampled_from(OperatorKind),
            st.fractions(Fraction(1, 10**6), 10**6, max_denominator=10**6) | st.floats(1e-6, 1e6),
        ),
        fused=st.lists(st.sampled_from(aj.OperatorKind), max_size=3).map(tuple),
        overlapped=st.booleans(),
    ),
    technology=st.builds(
        aj.Technology,
        node_nm=st.floats(7, 90),
        dram=st.sampled_from(["DDR3", "DDR4", "HBM2"]),
        mac_pj=prices,
        mac_um2=prices,
        dram_pj_per_byte=prices,
    ),
)


def test_texts_with_rare_line_breaks_are_read_back(tmp_path):
    platform = dataclasses.replace(aj.read_platform("gemmini"), source="a\x85b\u2028c\u2029 d\ne")
    aj.write_platform(tmp_path / "x.yaml", platform)
    assert aj.read_platform(tmp_path / "x.yaml") == platform


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(platforms)
def test_a_file_that_is_written_is_read_back(tmp_path, platform):
    path = tmp_path / "x.yaml"
    aj.write_platform(path, platform)
    assert aj.read_platform(path) == platform
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.yaml"]


def test_progressions_are_written_as_such(tmp_path):
    aj.write_platform(tmp_path / "x.yaml", parse_platform(EDGE.encode(), source="edge.yaml"))
    text = (tmp_path / "x.yaml").read_text()
    for line in (
        "clock: 800MHz",
        "rows: [8, 256, 8]",
        "cols: [4, 64, x2]",
        "choices: [1, 3, 4]",
        "filter_sram: [64KB, 964KB, 100KB]",
        "dram: {bandwidth: 25.6GB/s, kind: LPDDR4, energy: 3.5pJ/bit}",
        "rates: {activation: 1/2, softmax: 1/4}",
        "technology: {node: 12nm, floating_point: false, mac_energy: 50fJ, mac_area: 250um2",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("[3KB, 10KB, x1.5]", [3072, 5120, 7168, 10240]),  # 3, 4.5, 6.75, 10.125
        ("[3000B, 10000B, x1.5]", [3000, 4500, 6750]),  # 10125 is above
        ("[64KB, 600KB, x3]", [65536, 196608, 589824]),
        ("[8KB, 8KB, x2]", [8192]),
    ],
)
def test_factors_of_ranges_need_not_be_whole(values, expected, tmp_path):
    text = EDGE.replace("[64KB, 1MB, 100KB]", values)
    platform = parse_platform(text.encode(), source="edge.yaml")
    assert platform.hardware.filter_sram_bytes == tuple(expected)
    aj.write_platform(tmp_path / "x.yaml", platform)
    assert aj.read_platform(tmp_path / "x.yaml") == platform


def test_the_large_space():
    space = aj.read_platform("large").hardware
    sizes = space.ifmap_sram_bytes
    assert (len(sizes), sizes[0], sizes[-1]) == (48, 8 * 2**10, 16 * 2**20)
    assert all(1.1 < b / a < 1.23 for a, b in itertools.pairwise(sizes))
    assert space.num_designs == 32 * 32 * 48**3 * 5


def test_cost_terms_are_named(tmp_path):
    leakage = aj.CostTerm(name="test_leakage", energy_fj=lambda gemm, array, dataflow: gemm.m)
    edge = parse_platform(EDGE.encode(), source="edge.yaml")
    platform = dataclasses.replace(edge, terms=(leakage,))
    with pytest.raises(ValueError, match=r"terms: 'test_leakage' is not allowed"):
        aj.write_platform(tmp_path / "x.yaml", platform)
    assert not list(tmp_path.iterdir())
    register("cost_term", "test_leakage", leakage)
    aj.write_platform(tmp_path / "x.yaml", platform)
    assert aj.read_platform(tmp_path / "x.yaml").terms == (find("cost_term", "test_leakage"),)


def test_what_files_do_not_hold_is_refused(tmp_path):
    edge = parse_platform(EDGE.encode(), source="edge.yaml")
    for changed, message in (
        ({"memory_model": "ideal"}, "memory_model: <MemoryModel.IDEAL: 'ideal'> is not allowed"),
        ({"element_bytes": 2}, "element_bytes: 2 is not allowed in a file; expected 1"),
    ):
        with pytest.raises(ValueError, match=message):
            aj.write_platform(tmp_path / "x.yaml", dataclasses.replace(edge, **changed))
    assert not list(tmp_path.iterdir())


def test_every_field_has_a_key():
    named = [field for field, _ in platform_file._KEYS.values()]
    for part, kind in platform_file._PARTS.items():
        for field in dataclasses.fields(kind):
            assert named.count(f"{part}.{field.name}") == 1, f"{part}.{field.name}"


# Peak 10**12 operations per second, two per MAC, as published: table 2 of TPU v1, table 1 of v4i,
# 168 MACs at 200 MHz of Eyeriss, 64 MACs at 1 GHz of ShiDianNao, 256 at 1 GHz of Gemmini.
PEAKS = {"tpu_v1": 92, "tpu_v4i": 138, "eyeriss": 0.0672, "shidiannao": 0.128, "gemmini": 0.512}


@pytest.mark.parametrize("name", aj.platform_names())
def test_packaged_platforms(name, tmp_path):
    platform = aj.read_platform(name)
    assert platform.name == name
    assert re.search(r"(19|20)\d\d", platform.source)
    aj.write_platform(tmp_path / "x.yaml", platform)
    assert aj.read_platform(tmp_path / "x.yaml") == platform
    if name in PEAKS:
        machine = platform.hardware_of()
        operations = 2 * machine.rows * machine.cols * machine.num_cores * platform.clock_hz
        assert operations / 1e12 == pytest.approx(PEAKS[name], rel=0.005)


def test_the_paper_is_the_default_platform_in_physical_units():
    paper = aj.read_platform("paper")
    counted = dataclasses.replace(
        paper, memory_model="ideal", hardware=aj.Platform().hardware, source="", widths=aj.Widths()
    )
    assert counted == aj.Platform()
    machine = paper.hardware_of(
        rows=8, cols=8, ifmap_sram_bytes=1, filter_sram_bytes=1, ofmap_sram_bytes=1
    )
    assert machine.bandwidth_bytes == 64 * machine.bandwidth_cycles
    assert paper.hardware.ifmap_sram_bytes == tuple(102400 * step for step in range(1, 11))


def test_the_documentation_has_a_file_and_every_packaged_platform():
    page = (ROOT / "docs" / "platforms.md").read_text()
    (example,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    edge = parse_platform(example.encode(), source="edge.yaml")
    assert edge.hardware.num_designs == 32 * 6 * 3
    assert sorted(re.findall(r"^\| `(\w+)` \| .* at ", page, re.MULTILINE)) == list(
        aj.platform_names()
    )
    with pytest.raises(ValueError, match=r"^edge.yaml:5: array: rows: ") as caught:
        parse_platform(example.replace("[8, 256, 8]", "many").encode(), source="edge.yaml")
    assert f"`{caught.value}`" in page
    for section in platform_file._SECTIONS:
        assert f"| `{section}`" in page


def test_a_machine_is_chosen_by_axis():
    edge = parse_platform(EDGE.encode(), source="edge.yaml")
    chosen = edge.hardware_of(rows=8, cols=4, num_cores=3, filter_sram_bytes=65536)
    assert chosen == aj.Hardware(
        rows=8,
        cols=4,
        num_cores=3,
        memory=aj.BufferSizes(
            ifmap_sram_bytes=524288, filter_sram_bytes=65536, ofmap_sram_bytes=524288
        ),
        bandwidth_bytes=32,
        bandwidth_cycles=1,
    )
    with pytest.raises(ValueError, match=r"^rows: 32 values are possible; expected one$"):
        edge.hardware_of()
    with pytest.raises(ValueError, match=r"^row: unknown axis; expected rows, cols, num_cores, "):
        edge.hardware_of(row=8)
