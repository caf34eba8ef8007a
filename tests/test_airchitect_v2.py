"""The AIrchitect v2 data set: reading, splitting, judging and learning, on made-up layers."""

import json
import math
import random

import numpy as np
import pytest
import scripts
from flax import nnx

from airchitect_jax.case_studies import Feature
from airchitect_jax.learning import Split
from airchitect_jax.studies.airchitect_v2 import forest, read_table
from airchitect_jax.studies.airchitect_v2.inputs import derived, encode, filter_side, split_rows
from airchitect_jax.studies.airchitect_v2.network import CrossedAirchitect
from airchitect_jax.studies.airchitect_v2.scores import (
    majority_class,
    most_pes,
    nearest_constant,
    optimal_set,
    scores,
)
from airchitect_jax.studies.airchitect_v2.table import DATAFLOWS

SCRIPT = "experiments.airchitect_v2"
CONV = "K,C,X,Y,R,S,df,ConfigID,rewards\n"
GEMM = "M,N,GEMM_K,df,ConfigID,rewards\n"


def best_designs(k, c, x, y, r, s, df):
    """The closed form once more, slowly."""
    spread = {"eye": x - r + 1, "shi": y - s + 1, "dla": c}[df]
    passes = [math.ceil(spread / pes) for pes in range(1, 65)]
    per_filter = r * r * s if df == "shi" else r * s
    costs = [math.ceil(k / t) * (min(t, k) * per_filter + 1) for t in range(1, 13)]
    pes = [pe for pe in range(64) if passes[pe] == min(passes)]
    buffers = [buffer for buffer in range(12) if costs[buffer] == min(costs)]
    return [pe * 12 + buffer for pe in pes for buffer in buffers]


def made_up_layers(num):
    """Layers as the data set draws them, with a best design of each, chosen at random."""
    rng = random.Random(0)
    layers = []
    for _ in range(num):
        side = rng.choice((1, 3, 5, 7, 9))
        layer = (
            *(2 * rng.randint(1, limit) for limit in (16, 256)),
            *(8 * rng.randint(2, 32) for _ in range(2)),
            *(side, side),
            rng.choice(DATAFLOWS),
        )
        layers.append((*layer, rng.choice(best_designs(*layer))))
    return layers


LAYERS = made_up_layers(3000)


@pytest.fixture(scope="module")
def conv_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "conv.csv"
    path.write_text(CONV + "".join(f"{','.join(map(str, row))},17\n" for row in LAYERS))
    return path


@pytest.fixture(scope="module")
def gemm_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "gemm.csv"
    rows = (
        f"{k},{(x - r + 1) * (y - s + 1)},{c * r * s},{df},{design},17.0\n"
        for k, c, x, y, r, s, df, design in LAYERS
    )
    path.write_text(GEMM + "".join(rows))
    return path


def written(tmp_path, text):
    path = tmp_path / "layers.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_convolution_is_read(tmp_path):
    table = read_table(
        written(
            tmp_path,
            "\ufeff" + CONV + "210,212,256,48,5,5,eye,765,40228273\r\n\r\n 2 ,4,8,1,1,1,dla,0,9\n",
        )
    )
    assert {name: values.tolist() for name, values in table.columns.items()} == {
        "K": [210, 2],
        "C": [212, 4],
        "X": [256, 8],
        "Y": [48, 1],
        "R": [5, 1],
        "S": [5, 1],
        "df": [DATAFLOWS.index("eye"), DATAFLOWS.index("dla")],
    }
    assert table.design_ids.tolist() == [765, 0]
    assert table.is_conv
    assert table.num_rejected == 0


def test_rows_that_are_no_layers_are_counted(tmp_path):
    filters_too_large = "8,8,1,1,9,9,eye,3,1\n8,8,8,16,9,9,eye,3,1\n8,8,16,8,9,9,eye,3,1\n"
    table = read_table(written(tmp_path, CONV + filters_too_large + "8,8,9,9,9,9,shi,4,1\n"))
    assert (len(table), table.num_rejected) == (1, 3)
    assert table.design_ids.tolist() == [4]
    table = read_table(
        written(tmp_path, GEMM + "8,0,81,eye,3,1.0\n8,-7,81,eye,3,1\n8,1,81,eye,4,1")
    )
    assert (len(table), table.num_rejected) == (1, 2)
    assert not table.is_conv


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("K,C\n1,2\n", "row 1: unknown columns K,C; expected K,C,X,Y,R,S,df,ConfigID,rewards or M"),
        (CONV, "no layers"),
        (CONV + "8,8,1,1,9,9,eye,3,1\n", "no layers"),
        (CONV + "8,8,9,9,1,1,eye,3\n", "row 2: 8 cells; expected 9"),
        (CONV + "8,8,9,9,1,1,eye,3,1\n8,,9,9,1,1,eye,3,1\n", "row 3, column C: ''"),
        (CONV + "8,8.5,9,9,1,1,eye,3,1\n", "row 2, column C: '8.5' is not allowed"),
        (CONV + "8,8,0,9,1,1,eye,3,1\n", "row 2, column X: '0' .* 1..4096"),
        (CONV + "8,8,9,4097,1,1,eye,3,1\n", "row 2, column Y: '4097'"),
        (CONV + "8,8,9,9,1,1,tpu,3,1\n", "row 2, column df: 'tpu' .* dla, eye, shi"),
        (CONV + "8,8,9,9,1,1,eye,768,1\n", "row 2, column ConfigID: '768' .* 0..767"),
        (GEMM + "0,8,9,eye,3,1\n", "row 2, column M: '0'"),
        (b"K,C\xff", "not a CSV text file"),
    ],
)
def test_bad_files_are_refused_by_row_and_column(tmp_path, text, message):
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=message) as caught:
        read_table(path)
    assert str(caught.value).startswith(str(path))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.csv: cannot be read: No such file"):
        read_table(tmp_path / "none.csv")


def test_splits_are_disjoint_whole_and_keep_equal_layers_together(tmp_path):
    rows = "".join(f"{2 + 2 * (i % 100)},8,9,9,1,1,eye,{i % 768},1\n" for i in range(400))
    table = read_table(written(tmp_path, CONV + rows))
    splits = split_rows(table)
    assert sorted(np.concatenate(list(splits.values()))) == list(range(400))
    seen = {split: set(table.columns["K"][rows]) for split, rows in splits.items()}
    assert {split: len(values) for split, values in seen.items()} == {
        Split.TRAIN: 90,
        Split.VALIDATION: 5,
        Split.TEST: 5,
    }
    assert all((splits[split] == again).all() for split, again in split_rows(table).items())


def test_derived_columns(conv_file, gemm_file):
    conv, gemm = read_table(conv_file), read_table(gemm_file)
    of_conv, of_gemm = derived(conv), derived(gemm)
    assert (of_conv["N"] == gemm.columns["N"]).all()
    assert (of_conv["GEMM_K"] == gemm.columns["GEMM_K"]).all()
    assert (of_conv["macs"] == of_gemm["macs"]).all()
    right = of_gemm["filter_side"] == conv.columns["R"]
    assert right.mean() > 0.98
    assert (of_gemm["C"] == conv.columns["C"])[right].all()


def test_filter_side_by_hand():
    # 12 = (8 - 2)(4 - 2) is off the grid; 36 = (8 - 2)(8 - 2); 7 divides by no square.
    assert filter_side(np.array([12, 36, 36, 64]), np.array([18, 18, 7, 18])).tolist() == [
        *(1, 3, 1, 1)
    ]


def test_codes_number_the_values_of_training(conv_file):
    table = read_table(conv_file)
    encoded = encode(table)
    for place, feature in enumerate(encoded.features):
        values = table.columns[feature.name]
        known = np.unique(values[encoded.rows[Split.TRAIN]])
        for split, rows in encoded.rows.items():
            codes = encoded.splits[split].workloads[place]
            assert (known[codes] == values[rows])[np.isin(values[rows], known)].all()
            assert codes.max() <= feature.high
    assert [encoded.features[place].name for place in encoded.crosses[0]] == ["df", "R"]
    assert len(encoded.crosses) == 6


def test_an_unknown_value_takes_the_code_below(tmp_path):
    rows = [f"{2 + 2 * i},8,9,9,1,1,eye,0,1\n" for i in range(100)]
    table = read_table(written(tmp_path, CONV + "".join(rows)))
    encoded = encode(table)
    known = np.unique(table.columns["K"][encoded.rows[Split.TRAIN]])
    test = encoded.rows[Split.TEST]
    nearest = [
        max([k for k in known if k <= value], default=known[0])
        for value in table.columns["K"][test]
    ]
    assert known[encoded.splits[Split.TEST].workloads[0]].tolist() == nearest


def test_closed_form_against_a_slow_one(conv_file):
    table = read_table(conv_file)
    best = optimal_set(table.columns)
    for row, layer in zip(best[:300], LAYERS, strict=False):
        assert np.flatnonzero(row).tolist() == best_designs(*layer[:-1])
    assert best[np.arange(len(best)), table.design_ids].all()
    assert most_pes(best).tolist() == [max(best_designs(*layer[:-1])) for layer in LAYERS]


def test_scores_by_hand():
    labels = np.array([63 * 12 + 9, 63 * 12 + 9, 47 * 12 + 1, 12])
    chosen = np.array([63 * 12 + 9, 58 * 12 + 9, 41 * 12 + 1, 13])
    best = np.zeros((4, 768), bool)
    best[:2, chosen[:2]] = True
    assert scores(labels, chosen, best) == {
        "accuracy": 0.25,
        "pe_accuracy": 0.5,
        "buffer_accuracy": 0.75,
        "pe_near_accuracy": 0.75,
        "optimal_set_accuracy": 0.5,
    }
    assert "optimal_set_accuracy" not in scores(labels, chosen)


def test_constant_answers_by_hand():
    pes, buffers = np.array([0, 47, 53, 56, 63, 63]), np.array([2, 2, 2, 1, 1, 1])
    labels = pes * 12 + buffers
    assert majority_class(labels) == 63 * 12 + 1
    # 58 is near to 53, 56, 63 and 63; no other PE index is near to more.
    assert nearest_constant(labels) // 12 == 58


def dense(layer, x):
    return x @ np.asarray(layer.kernel[...]) + np.asarray(layer.bias[...])


@pytest.mark.slow
def test_a_cross_has_a_row_for_each_combination():
    features = [Feature(name="a", low=0, high=2), Feature(name="b", low=0, high=4)]
    network = CrossedAirchitect(
        features, [(0,), (0, 1)], 4, 3, embedding_dim=2, hidden_size=5, rngs=nnx.Rngs(0)
    )
    tables = [np.asarray(table.embedding[...]) for table in network.embeddings]
    assert [table.shape for table in tables] == [(3, 2), (15, 2)]
    x = np.concatenate([tables[0][2], tables[1][14]])
    x = np.concatenate([x, np.maximum(dense(network.hidden, x), 0)])
    halves = dense(network.pes, x)[:, None] + dense(network.buffers, x)[None, :]
    expected = halves.reshape(-1) + dense(network.designs, x)
    logits = nnx.jit(lambda model, x: model(x))(network, np.array([[2], [4]], np.int32))
    np.testing.assert_allclose(logits[0], expected, rtol=1e-5, atol=1e-6)


def test_a_forest_grown_in_parts_learns_and_repeats():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 10, (2, 500))
    labels = x + 100 * (y > 4)
    first, second = (
        forest.predict(
            [x[:400], y[:400]],
            labels[:400],
            [x[400:], y[400:]],
            num_trees=6,
            all_columns=True,
            seed=1,
        )
        for _ in range(2)
    )
    assert (first == second).all()
    assert (first == labels[400:]).mean() > 0.95


SMALL = ("--batch_size=64", "--embedding_dim=8", "--hidden_size=16", "--learning_rate=0.01")


@pytest.mark.slow
def test_convolutions_end_to_end(conv_file, tmp_path):
    result = scripts.run(
        SCRIPT,
        *(f"--data={conv_file}", f"--workdir={tmp_path}", *SMALL),
        *("--num_networks=2", "--epochs=8", "--forest_trees=3"),
    )
    assert result.returncode == 0, result.stderr
    assert "3000 layers; 0 rows that are no layers" in result.stdout
    summary = json.loads((tmp_path / "summary.json").read_text())
    answers = summary["answers"]
    assert answers["closed form"]["optimal_set_accuracy"] == 1
    assert summary["labels_best_in_closed_form"] == 1
    assert answers["networks together"]["accuracy"] > answers["majority class"]["accuracy"]
    assert [network["seed"] for network in summary["networks"]] == [0, 1]
    for answer in answers:
        assert answer in result.stdout
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert sum("validation_loss" in row for row in rows) == 16
    for name in ("confusion", "training_curves"):
        assert (tmp_path / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "config.json").read_text())["flags"]["epochs"] == 8


@pytest.mark.slow
def test_gemms_end_to_end(gemm_file, tmp_path):
    result = scripts.run(
        SCRIPT,
        *(f"--data={gemm_file}", f"--workdir={tmp_path}", *SMALL),
        *("--num_networks=1", "--epochs=1", "--forest_trees=0"),
    )
    assert result.returncode == 0, result.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert list(summary["answers"]) == ["majority class", "nearest PE", "networks, mean"]
    assert "optimal_set_accuracy" not in summary["networks"][0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--data: no file is given"),
        (("--data=none.csv", "--epoch=3"), "--help lists the flags"),
        (("--data={file}", "--batch_size=100000"), "3000 layers are too few"),
    ],
)
def test_mistakes_end_with_one_line(conv_file, tmp_path, arguments, message):
    arguments = [argument.format(file=conv_file) for argument in arguments]
    assert message in scripts.error_of(SCRIPT, *arguments, f"--workdir={tmp_path}")
