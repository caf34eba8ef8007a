import os
import pathlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airchitect_jax import Layer, Network, load_network, open_network, read_topology, write_topology
from airchitect_jax.workloads import overlapping_windows, parse_topology

TOPOLOGIES = pathlib.Path(__file__).parent / "testdata" / "topologies"
GEMM = "Layer,M,N,K,\n"
CONV = (
    "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels,"
    " Num Filter, Strides,\n"
)


def parse(text, encoding="utf-8"):
    return parse_topology(text.encode(encoding), name="net", source="net.csv").layers


def test_crlf_blank_rows_and_no_last_comma():
    network = read_topology(TOPOLOGIES / "gemm_crlf.csv")
    assert network.name == "gemm_crlf"
    assert network.layers == (
        Layer(name="QKT", m=1024, n=1024, k=64),
        Layer(name="PW-FF-L2", m=1024, n=1600, k=3072),
    )


def test_byte_order_mark():
    (layer,) = read_topology(TOPOLOGIES / "conv_bom.csv").layers
    assert layer == Layer(name="Conv1a", m=2046 * 2046, n=64, k=9)


def test_extra_columns_and_rows_of_commas():
    conv1, fc = read_topology(TOPOLOGIES / "conv_extra_columns.csv").layers
    # ceil((224 - 7 + 2) / 2) = 110 outputs a side: rounded up, as the package does.
    assert conv1 == Layer(name="Conv1", m=110 * 110, n=64, k=7 * 7 * 3)
    assert fc == Layer(name="FC6", m=1, n=1000, k=2048)


def test_padded_cells_and_depthwise_by_name():
    conv1, depthwise = read_topology(TOPOLOGIES / "conv_padded_depthwise.csv").layers
    assert conv1 == Layer(name="Conv1", m=55 * 55, n=96, k=363)
    assert depthwise == Layer(name="Conv2_DP", m=112 * 112, n=1, k=9, count=32)


@pytest.mark.parametrize(
    "names",
    [
        "IFMAP height,IFMAP width,Filter height,Filter width,Channels,Num filter,Stride",
        "IFMAP_H, IFMAP_W, Filter_H, Filter_W, Channels, Num_Filters, Strides",
    ],
)
def test_the_names_of_a_convolution_file(names):
    (layer,) = parse(f"Layer name,{names},\nc,9,9,3,3,4,8,2,\n")
    assert layer == Layer(name="c", m=16, n=8, k=36)


def test_strides_of_height_and_width():
    """As the package itself writes its topologies."""
    names = "IFMAP height,IFMAP width,Filter height,Filter width,Channels,Num filter"
    text = f"Layer name,{names},Stride height,Stride width,\nc,9,9,3,3,4,8,2,1,\n"
    assert parse(text) == (Layer(name="c", m=4 * 7, n=8, k=36),)


def test_gemm_files_with_more_columns_are_no_convolutions():
    more = "Layer,M,N,K,Note,Owner,Kind,Batch,Precision\nfc,128,64,32,a,b,c,1,8\n"
    assert parse(more) == (Layer(name="fc", m=128, n=64, k=32),)
    with pytest.raises(ValueError, match=r"net.csv: row 1: unknown columns Layer, Kind, M, N, K"):
        parse("Layer,Kind,M,N,K,Batch,Bits,Note\nfc,1,128,64,32,1,1,1\n")
    with pytest.raises(ValueError, match=r"net.csv: row 1: two columns 'Count'; expected one"):
        parse("Layer,M,N,K,Count,count\nfc,128,64,32,2,3\n")


@pytest.mark.parametrize(
    "text",
    [
        "Layer,M,N,K,Sparsity\nfc,1,2,3,1:1\nsparse,128,64,32,2:4\n",
        "Layer,M,N,K,\nfc,1,2,3,\nsparse,128,64,32,2:4,\n",
        CONV.replace("Strides,", "Strides, Sparsity,")
        + "c,9,9,3,3,4,8,2,1:1,\nd,9,9,3,3,4,8,2,2:4,\n",
    ],
)
def test_a_sparsity_is_not_ignored_in_silence(text):
    message = "net.csv: row 3: sparsity '2:4' is not modelled; layers are taken as dense"
    with pytest.warns(UserWarning, match=message):
        parse(text)


@pytest.mark.filterwarnings("error")
def test_dense_layers_say_nothing_of_sparsity():
    parse("Layer,M,N,K,Sparsity\na,1,2,3,1:1\nb,1,2,3,\nc,1,2,3,4:4\n")


@pytest.mark.parametrize(
    ("row", "overlaps"),
    [
        ("9,9,3,3,4,8,1", True),
        ("9,9,3,3,4,8,2", True),
        ("9,9,3,3,4,8,3", False),
        ("9,9,1,1,4,8,1", False),
        ("3,3,3,3,4,8,1", False),  # one window
        ("3,9,3,3,4,8,2", True),  # side by side
    ],
)
def test_overlapping_windows_are_known(row, overlaps):
    network = parse_topology(f"{CONV}c,{row},\n".encode(), name="net", source="net.csv")
    assert network.layers[0].overlapping is overlaps
    assert bool(overlapping_windows(network)) is overlaps
    if overlaps:
        assert overlapping_windows(network).startswith("net: layer 'c': windows overlap")


def test_what_never_ends_is_refused(tmp_path):
    os.mkfifo(tmp_path / "fifo.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    for name in ("fifo.csv", "zero.csv"):
        with pytest.raises(ValueError, match=f"{name}: cannot be read: not a regular file"):
            open_network(tmp_path / name)


def test_messages_are_short_and_printable():
    long = "\x1b[31m" + "z" * 100_000
    for text in (f"Layer,{long}\na,1\n", f"{GEMM}a,{long},2,3,\n"):
        with pytest.raises(ValueError, match=r"^net.csv: row \d") as error:
            parse(text)
        assert len(str(error.value)) < 500
        assert str(error.value).isprintable()


def test_utf16_as_spreadsheets_write_it():
    assert parse(GEMM + "a,1,2,3,\n", "utf-16") == (Layer(name="a", m=1, n=2, k=3),)


def test_count_column_and_quoted_names():
    layers = parse('Layer, M, N, K, Count\n"a, b",1,2,3,7\n,4,5,6,1\n')
    assert layers == (
        Layer(name="a, b", m=1, n=2, k=3, count=7),
        Layer(name="row 3", m=4, n=5, k=6),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "net.csv: the file is empty"),
        ("\n\n,,,\n", "net.csv: the file is empty"),
        (GEMM, "net.csv: no layers after the header"),
        ("a,1,2,3,\nb,1,2,3,\n", "net.csv: row 1: expected a header"),
        ("Name,Size\na,1\n", "net.csv: row 1: unknown columns Name, Size"),
        (GEMM + "a,1,2,3,\nb,1,0,3,\n", "net.csv: row 3, column N: '0' is not allowed"),
        (GEMM + "a,1,-2,3,\n", "net.csv: row 2, column N: '-2' is not allowed"),
        (GEMM + "a,1,2.5,3,\n", "net.csv: row 2, column N: '2.5' is not allowed"),
        (GEMM + "a,1,2,many,\n", "net.csv: row 2, column K: 'many' is not allowed"),
        (GEMM + "a,1,2,1_000,\n", "net.csv: row 2, column K: '1_000' is not allowed"),
        (GEMM + "a,1,2,٣,\n", "net.csv: row 2, column K"),
        (GEMM + "a,1,2,2147483648,\n", "net.csv: row 2, column K: '2147483648' is not allowed"),
        (GEMM + "\n\na,1,2\n", "net.csv: row 4, column K: no value"),
        (CONV + "c,224,224,7,7,3,64,\n", "net.csv: row 2, column Strides: no value"),
        (CONV + "c,4,4,7,7,3,64,1,\n", "net.csv: row 2: filter 7x7 is larger than ifmap 4x4"),
        (CONV + "c,60000,60000,1,1,1,1,1,\n", "net.csv: row 2: the layer is a GEMM of 3600000000"),
        ("Layer,M,N,K,Count\na,1,2,3,0\n", "net.csv: row 2, column Count: '0' is not allowed"),
    ],
)
def test_malformed_files_name_row_and_column(text, message):
    with pytest.raises(ValueError, match="^" + re.escape(message)) as error:
        parse(text)
    assert "\n" not in str(error.value)


def test_unreadable_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"missing\.csv: cannot be read: No such file"):
        read_topology(tmp_path / "missing.csv")
    with pytest.raises(ValueError, match="cannot be read: Is a directory"):
        read_topology(tmp_path)


@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(lambda s: (GEMM + s).encode("utf-8", "ignore")),
    )
)
@settings(max_examples=300)
def test_nothing_but_value_errors_comes_out(data):
    try:
        network = parse_topology(data, name="net", source="net.csv")
    except ValueError:
        return
    assert all(min(layer.m, layer.n, layer.k, layer.count) >= 1 for layer in network.layers)


def test_unknown_network_lists_the_known():
    with pytest.raises(ValueError, match="'resnet51' is not packaged; there are bert_base, dlrm"):
        load_network("resnet51")


NAMES = st.text(st.characters(codec="utf-8"), max_size=12)


@given(
    st.lists(
        st.builds(
            Layer,
            name=NAMES,
            m=st.integers(1, 9999),
            n=st.integers(1, 9999),
            k=st.integers(1, 9999),
            count=st.integers(1, 99),
        ),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
)
def test_written_topologies_are_read_back(tmp_path_factory, layers, counts):
    path = tmp_path_factory.mktemp("written") / "net.csv"
    write_topology(path, Network(name="net", layers=tuple(layers)), counts=counts)
    found = read_topology(path).layers
    assert len(path.read_text().splitlines()) == 1 + len(layers)
    for layer, again in zip(layers, found, strict=True):
        assert (again.m, again.n, again.k) == (layer.m, layer.n, layer.k)
        assert again.count == (layer.count if counts else 1)
        assert not again.name.startswith(("=", "+", "-", "@"))


def test_a_written_topology_is_what_the_package_reads(tmp_path):
    layers = (Layer(name='=1, "a"\nb', m=1, n=2, k=3, count=7), Layer(name="plain", m=4, n=5, k=6))
    write_topology(tmp_path / "t.csv", Network(name="n", layers=layers), counts=False)
    assert (tmp_path / "t.csv").read_text() == "Layer,M,N,K,\n'=1_ _a__b,1,2,3,\nplain,4,5,6,\n"
