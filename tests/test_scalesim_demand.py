"""What the array asks for, line by line: golden matrices of the scalesim package, properties."""

import dataclasses
import hashlib
import json
import pathlib
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airchitect_jax.scalesim.lines import counts, demand, operands, prefetch
from airchitect_jax.scalesim.settings import Settings
from airchitect_jax.scalesim.topology import LayerLayout, ScalesimLayer

DEMAND = sys.modules["airchitect_jax.scalesim.lines.demand"]  # the face has a function of its name
GOLDEN = json.loads(
    (pathlib.Path(__file__).parent / "testdata" / "scalesim_demand.json").read_text()
)["cases"]


def make_settings(**values):
    defaults = {
        "run_name": "run",
        "user_bandwidth": True,
        "ramulator": False,
        "rows": 4,
        "cols": 4,
        "ifmap_sram_kb": 1,
        "filter_sram_kb": 1,
        "ofmap_sram_kb": 1,
        "ifmap_offset": 0,
        "filter_offset": 10_000_000,
        "ofmap_offset": 20_000_000,
        "dataflow": "ws",
        "bandwidths": (10,),
        "read_request_buffer": 32,
        "write_request_buffer": 32,
        "ifmap_bank_num": 1,
        "filter_bank_num": 1,
    }
    return Settings(**(defaults | values))


def gemm(m, n, k, **values):
    return ScalesimLayer(
        name="gemm",
        ifmap_rows=m,
        ifmap_cols=k,
        filter_rows=1,
        filter_cols=k,
        channels=1,
        num_filters=n,
        row_stride=1,
        col_stride=1,
        **values,
    )


def make_layout(**values):
    defaults = {
        "ifmap_intraline_factor": (2, 2, 1),
        "ifmap_intraline_order": (3, 4, 5),
        "ifmap_interline_order": (0, 1, 2),
        "filter_intraline_factor": (2, 1, 1, 2),
        "filter_intraline_order": (4, 5, 6, 7),
        "filter_interline_order": (0, 1, 2, 3),
    }
    return LayerLayout(**(defaults | values))


def joined(settings, parts):
    """The ifmap, filter and ofmap lines of a whole run."""
    blocks = list(demand(settings, parts))
    return tuple(
        np.concatenate([getattr(block, name) for block in blocks])
        for name in ("ifmap", "filter", "ofmap")
    )


@pytest.mark.parametrize("case", GOLDEN, ids=[case["case"] for case in GOLDEN])
@pytest.mark.parametrize("block_words", [1, 1 << 17])
def test_matrices_are_those_of_the_package(case, block_words, monkeypatch):
    monkeypatch.setattr(DEMAND, "_BLOCK_WORDS", block_words)
    settings, layer = make_settings(**case["settings"]), ScalesimLayer(**case["layer"])
    layout = case["layout"] and LayerLayout(**{k: tuple(v) for k, v in case["layout"].items()})
    parts = operands(settings, layer)
    matrices = {
        "ifmap": parts.ifmap,
        "filter": parts.filter,
        "ofmap": parts.ofmap,
        **({} if parts.sparse_filter is None else {"sparse_filter": parts.sparse_filter}),
    }
    fetched = prefetch(settings, layer, parts, layout)
    matrices |= zip(("ifmap_prefetch", "filter_prefetch"), fetched, strict=True)
    lines = joined(settings, parts)
    matrices |= zip(("ifmap_demand", "filter_demand", "ofmap_demand"), lines, strict=True)
    sums = {
        name: [list(words.shape), hashlib.sha256(words.astype("<i8").tobytes()).hexdigest()]
        for name, words in matrices.items()
    }
    assert sums == case["matrices"]


@pytest.mark.parametrize("case", GOLDEN, ids=[case["case"] for case in GOLDEN])
def test_counts_are_those_of_the_package(case):
    settings, layer = make_settings(**case["settings"]), ScalesimLayer(**case["layer"])
    printed = {
        name: str(value)
        for name, value in dataclasses.asdict(
            counts(settings, layer, operands(settings, layer))
        ).items()
    }
    expected = dict(case["counts"])
    if sys.version_info >= (3, 12):  # `sum` rounds less there, in the package as well
        for name in ("mapping_efficiency", "compute_utilization"):
            assert float(printed.pop(name)) == pytest.approx(float(expected.pop(name)), rel=1e-14)
    assert printed == expected


def test_lines_of_two_by_two_worked_by_hand():
    layer = gemm(2, 2, 2)
    offsets = {"ifmap_offset": 0, "filter_offset": 10, "ofmap_offset": 20}
    x = -1

    def lines(dataflow):
        settings = make_settings(rows=2, cols=2, dataflow=dataflow, **offsets)
        parts = operands(settings, layer)
        # A = [[0, 1], [2, 3]]; B = [[10, 12], [11, 13]]; C = [[20, 21], [22, 23]]
        return [words.tolist() for words in joined(settings, parts)]

    assert lines("os") == [
        [[0, x], [1, 2], [x, 3], [x, x]],
        [[10, x], [11, 12], [x, 13], [x, x]],
        [[x, x], [22, x], [20, 23], [x, 21]],
    ]
    assert lines("ws") == [
        [[x, x], [x, x], [0, x], [2, 1], [x, 3], [x, x]],
        [[11, 13], [10, 12], [x, x], [x, x], [x, x], [x, x]],
        [[x, x], [x, x], [x, x], [20, x], [22, 21], [x, 23]],
    ]
    assert lines("is") == [
        [[1, 3], [0, 2], [x, x], [x, x], [x, x], [x, x]],
        [[x, x], [x, x], [10, x], [12, 11], [x, 13], [x, x]],
        [[x, x], [x, x], [x, x], [20, x], [21, 22], [x, 23]],
    ]


sides = st.integers(1, 5)
small = st.integers(1, 12)


@st.composite
def convolutions(draw):
    filter_rows, filter_cols = draw(sides), draw(sides)
    return ScalesimLayer(
        name="conv",
        ifmap_rows=filter_rows + draw(st.integers(0, 6)),
        ifmap_cols=filter_cols + draw(st.integers(0, 6)),
        filter_rows=filter_rows,
        filter_cols=filter_cols,
        channels=draw(sides),
        num_filters=draw(small),
        row_stride=draw(sides),
        col_stride=draw(sides),
    )


@given(layer=convolutions(), rows=small, cols=small, dataflow=st.sampled_from(["os", "ws", "is"]))
def test_every_word_is_fetched_and_asked_for_as_often_as_counted(layer, rows, cols, dataflow):
    settings = make_settings(rows=rows, cols=cols, dataflow=dataflow)
    parts = operands(settings, layer)
    counted = counts(settings, layer, parts)
    ifmap, weights, ofmap = joined(settings, parts)
    # A fold's tile is read whole, past the edge of the ifmap as well, where no word is.
    past_edge = np.count_nonzero(parts.ifmap == -1)
    times = counted.ifmap_sram_reads // parts.ifmap.size
    assert np.count_nonzero(ifmap != -1) == times * (parts.ifmap.size - past_edge)
    assert np.count_nonzero(weights != -1) == counted.filter_sram_reads
    folds = -(-layer.ofmap_pixels // rows) * -(-layer.num_filters // cols)
    drained = folds * (rows + cols) if dataflow == "os" else 0
    assert np.count_nonzero(ofmap != -1) == counted.ofmap_sram_writes - drained
    for fetched, matrix in zip(
        prefetch(settings, layer, parts, None), (parts.ifmap, parts.filter), strict=True
    ):
        assert np.array_equal(np.sort(fetched[fetched != -1]), np.sort(matrix[matrix != -1]))


def test_calc_mode_fetches_nothing_in_advance():
    settings, layer = make_settings(user_bandwidth=False), gemm(5, 6, 7)
    for fetched in prefetch(settings, layer, operands(settings, layer), None):
        assert fetched.shape == (0,)


ROW_WISE = {"sparsity": True, "sparse_representation": "csr", "optimized_mapping": True}
LAYER_WISE = {"sparsity": True, "sparse_representation": "csr"}
CUSTOM = {
    "ifmap_custom_layout": True,
    "filter_custom_layout": True,
    "ifmap_bank_bandwidth": 4,
    "filter_bank_bandwidth": 4,
}


@pytest.mark.parametrize(
    ("values", "layer", "layout", "message"),
    [
        (LAYER_WISE, gemm(3, 3, 8, sparsity_n=0, sparsity_m=4), None, r"sparsity: 0:4 is not"),
        (LAYER_WISE, gemm(3, 3, 8, sparsity_n=5, sparsity_m=4), None, r"sparsity: 5:4 is not"),
        # One filter at address 0, which counts as no weight: nothing is left of it.
        (
            LAYER_WISE | {"filter_offset": 0},
            gemm(3, 1, 4, sparsity_n=1, sparsity_m=4),
            None,
            r"sparsity: True is not allowed for layer gemm with dataflow ws.*not 1 and 0",
        ),
        (
            LAYER_WISE | {"filter_offset": 0, "dataflow": "os"},
            gemm(3, 1, 4, sparsity_n=2, sparsity_m=4),
            None,
            r"sparsity: True is not allowed for layer gemm with dataflow os.*not 2 and 1",
        ),
        (
            ROW_WISE | {"dataflow": "is"},
            gemm(3, 3, 20),
            None,
            r"optimized_mapping: True is not allowed.* not 20 and 12$",
        ),
        (ROW_WISE | {"block_size": 3}, gemm(3, 3, 8), None, r"block_size: 3 .*twice.* 8$"),
        (
            ROW_WISE | {"sparse_representation": "ellpack_block"},
            gemm(3, 3, 8, sparsity_m=0),
            None,
            r"sparsity: 1:0 is not allowed",
        ),
        (CUSTOM, gemm(4, 4, 4), None, r"ifmap_custom_layout: True .* expected a layout file"),
        (
            CUSTOM | {"ifmap_bank_bandwidth": 3},
            gemm(4, 4, 4),
            make_layout(),
            r"ifmap_intraline_factor: \(2, 2, 1\) is not allowed; .* at most .* 3$",
        ),
        (
            CUSTOM | {"filter_bank_bandwidth": 5},
            gemm(4, 4, 4),
            make_layout(),
            r"filter_intraline_factor: \(2, 1, 1, 2\) is not allowed; .* 5$",
        ),
        (
            CUSTOM,
            gemm(4, 4, 4),
            make_layout(ifmap_intraline_factor=(2, 0, 1)),
            r"ifmap_intraline_factor: \(2, 0, 1\) is not allowed; .*at least 1$",
        ),
        (
            CUSTOM,
            gemm(4, 4, 4),
            make_layout(filter_interline_order=(0, 1, 2, 2)),
            r"filter_interline_order, filter_intraline_order: .* expected each of 0 to 7 once$",
        ),
    ],
)
@pytest.mark.parametrize("user_bandwidth", [True, False])
def test_what_ends_the_package_is_refused_in_one_line(
    values, layer, layout, message, user_bandwidth
):
    settings = make_settings(**values, user_bandwidth=user_bandwidth)

    def run():
        parts = operands(settings, layer)
        counts(settings, layer, parts)
        prefetch(settings, layer, parts, layout)

    with pytest.raises(ValueError, match=message) as caught:
        run()
    assert "\n" not in str(caught.value)
