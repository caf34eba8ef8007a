"""Learning to size buffers from replays: labels, factors, choices, losses, training, the script."""

import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scripts
from hypothesis import given, settings
from hypothesis import strategies as st

from airchitect_jax import Dataflow
from airchitect_jax.learning import Split, split_of
from airchitect_jax.learning.replayed import (
    Sizer,
    TrainingConfig,
    best_sizing,
    collect,
    exact_delays,
    initial,
    labels,
    losses,
    replayed_case,
    train,
)
from airchitect_jax.learning.replayed.factors import factors
from airchitect_jax.learning.replayed.network import delays, sizing_delays
from airchitect_jax.studies.simulator import RIVALS, rivals

CASE = replayed_case(max_dim=1024)
SIZES_KB = tuple(range(100, 1001, 100))
# Budget, m, n, k, row and column exponent, dataflow, bandwidth.
FITS = (12, 64, 64, 64, 5, 5, Dataflow.OS, 16)
SLOW = (12, 1000, 900, 800, 7, 6, Dataflow.WS, 4)


first_estimates = jax.jit(lambda workloads: factors(workloads, SIZES_KB))


def columns(*workloads):
    return np.array(workloads, np.int32).T


@pytest.fixture(scope="module")
def drawn():
    return np.asarray(CASE.sample(jax.random.key(3), 64))


@pytest.fixture(scope="module")
def replays(drawn):
    """Few, as `collect` makes them."""
    exact = exact_delays(CASE, drawn).astype(np.float32)
    return labels.Replays(workloads=drawn, delays=exact, seconds=2.0)


def test_exact_delays_are_fewest_cycles_of_all_sizings():
    workloads = columns(FITS, SLOW)
    found = exact_delays(CASE, workloads)
    assert found.shape == (3, 10, 2)
    np.testing.assert_array_equal(found[..., 0], 0)  # every sizing is free of stalls
    costs = CASE.costs(workloads[:, 1:], np.arange(1000)[None])[0]
    # WS: K = 800 on 128 rows, N = 900 on 64 columns, M = 1000 in time.
    stall_free = 7 * 15 * (128 + 128 + 64 + 1000 - 2) - 1
    assert labels.stall_free_cycles(CASE, workloads)[1] == stall_free
    for operand, level in itertools.product(range(3), range(10)):
        chosen = costs[CASE.space.levels[:, operand] == level + 1]
        assert found[operand, level, 1] == np.log(min(chosen) / stall_free)


def test_collect_draws_of_the_split_and_reads_what_it_has(tmp_path, monkeypatch):
    monkeypatch.setattr(labels, "SHARD", 64)
    made = collect(CASE, tmp_path, seed=1, num=100, split=Split.TRAIN, jobs=1)
    assert len(made) == 100
    assert made.delays.shape == (3, 10, 100)
    assert np.all(np.asarray(split_of(jnp.asarray(made.workloads))) == Split.TRAIN)
    assert len(np.unique(made.workloads, axis=1).T) == 100
    assert made.seconds > 0
    monkeypatch.setattr(labels, "_replayed", None)  # nothing is replayed again
    again = collect(CASE, tmp_path, seed=1, num=100, split=Split.TRAIN, jobs=1)
    np.testing.assert_array_equal(again.delays, made.delays)
    np.testing.assert_array_equal(again.workloads, made.workloads)
    assert again.first(50).seconds == pytest.approx(again.seconds / 2)


def test_estimates_are_those_of_the_run(drawn):
    found = first_estimates(drawn)
    cycles = labels.stall_free_cycles(CASE, drawn)
    np.testing.assert_allclose(found.lines, cycles + 1, rtol=1e-6)
    assert np.all(np.isfinite(found.inputs))
    assert np.abs(found.inputs).max() < 4
    none = first_estimates(np.repeat(columns(FITS), 64, axis=1)).estimates
    assert np.all(none <= 0)


def test_estimates_choose_better_than_heuristics(drawn, replays):
    estimates = first_estimates(drawn).estimates
    swapped = drawn[6] == Dataflow.IS
    row, col, outputs = estimates
    by_operand = jnp.stack([jnp.where(swapped, col, row), jnp.where(swapped, row, col), outputs])
    best = CASE.exact(drawn).cost

    def geomean(chosen):
        return np.exp(np.mean(np.log(best / CASE.costs(drawn, chosen))))

    def ids(values):
        return CASE.space.id_of_levels[tuple(np.asarray(best_sizing(values, drawn[0])))]

    simple = max(map(geomean, CASE.heuristics(drawn).values()))
    assert simple < geomean(ids(by_operand)) < geomean(ids(jnp.asarray(replays.delays)))
    assert geomean(ids(jnp.asarray(replays.delays))) > 0.99


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.sampled_from([-1.0, 0.0, 0.25, 0.5, 2.0]), min_size=12, max_size=12),
    budget=st.integers(3, 14),
)
def test_best_sizing_is_the_first_of_the_least(values, budget):
    table = np.reshape(values, (3, 4))
    sizings = sorted(
        (max(0.0, *table[range(3), levels]), sum(levels), *levels)
        for levels in itertools.product(range(4), repeat=3)
        if sum(levels) + 3 <= budget
    )
    found = best_sizing(jnp.asarray(table, jnp.float32)[..., None], jnp.array([budget]))
    assert tuple(np.asarray(found)[:, 0]) == sizings[0][2:]


def plain_regret(predicted, exact, budget):
    """The loss of one workload without its own gradient."""
    guess, truth = sizing_delays(predicted), sizing_delays(exact)
    sums = np.indices(guess.shape[:3]).sum(axis=0)[..., None] + 3
    outside = jnp.where(sums <= budget, 0.0, jnp.inf)
    shares = jax.nn.softmax(-(guess + outside).ravel() / losses.TEMPERATURE)
    excess = jnp.minimum(truth - (truth + outside).min(), 3.0)
    return (shares * excess.ravel()).sum()


def test_regret_and_its_gradient(replays):
    exact = jnp.asarray(replays.delays)[..., np.arange(losses.CHUNK) % len(replays)]
    noise = jax.random.uniform(jax.random.key(0), exact.shape, minval=0.01, maxval=0.3)
    budgets = jnp.asarray(replays.workloads[0])[np.arange(losses.CHUNK) % len(replays)]
    both = jax.jit(jax.value_and_grad(losses.regret))
    value, gradient = both(exact + noise, exact, budgets)
    one = jax.jit(jax.value_and_grad(plain_regret))
    expected = [
        one((exact + noise)[..., w : w + 1], exact[..., w : w + 1], int(budgets[w]))
        for w in range(0, losses.CHUNK, 32)
    ]
    for row, (_, slope) in zip(range(0, losses.CHUNK, 32), expected, strict=True):
        np.testing.assert_allclose(
            gradient[..., row] * losses.CHUNK, slope[..., 0], rtol=1e-3, atol=1e-5
        )
    assert value > both(exact, exact, budgets)[0] >= 0


def test_delay_errors_vanish_for_delays_that_add_up():
    alone = jnp.asarray([[0.5, 0.0], [0.3, 0.2], [0.1, 0.4]])[..., None]
    # The fewest of all sizings with a buffer: its own delay, or the best of the others if longer.
    fewest = jnp.asarray([[0.5, 0.2], [0.3, 0.2], [0.2, 0.4]])[..., None]
    assert losses.delay_errors(alone, fewest) == 0
    # One of six is wrong by 0.2, beyond the quadratic part.
    wrong = alone.at[0, 0].add(0.2)
    assert losses.delay_errors(wrong, fewest) == pytest.approx((0.2 - 0.05) / 6)


def trained_on(replays):
    config = TrainingConfig(hidden_sizes=(16,), steps=128, batch_size=128, learning_rate=0.003)
    with jax.numpy_dtype_promotion("standard"):  # as Optax needs it
        return train(CASE, replays, config, seed=2)


@pytest.mark.slow
def test_training_learns(replays):
    losses = trained_on(replays).losses
    assert losses[1] < losses[0]


@pytest.mark.slow
def test_training_is_repeatable(replays):
    first, second = trained_on(replays), trained_on(replays)
    assert first.losses == second.losses
    for name, values in first.sizer.parameters.items():
        np.testing.assert_array_equal(second.sizer.parameters[name], values)


@pytest.mark.parametrize(("name", "value"), [("steps", 100), ("batch_size", 64)])
def test_training_config_refuses(name, value):
    sizes = {"hidden_sizes": (8,), "steps": 64, "batch_size": 128, "learning_rate": 0.1}
    with pytest.raises(ValueError, match=f"{name}: {value} is not allowed; expected a multiple"):
        TrainingConfig(**(sizes | {name: value}))


@pytest.fixture(scope="module")
def sizer():
    parameters = initial(jax.random.key(0), (8,), SIZES_KB)
    return Sizer(case=CASE, parameters=jax.tree.map(np.asarray, parameters))


def test_sizer_chooses_by_predicted_delays(sizer, drawn):
    ranked, masked = sizer.rank(drawn, 5)
    assert ranked.shape == (64, 1)
    assert not masked.any()
    assert np.take_along_axis(np.asarray(CASE.feasible(drawn)), ranked, axis=1).all()
    predicted = jax.jit(delays, static_argnums=2)(sizer.parameters, drawn, SIZES_KB)
    levels = np.asarray(best_sizing(predicted, drawn[0]))
    np.testing.assert_array_equal(CASE.space.levels[ranked[:, 0]].T - 1, levels)


def test_sizer_refuses_what_it_was_not_trained_for(sizer):
    outside = columns(FITS, (12, 1025, *FITS[2:]))
    with pytest.raises(ValueError, match=r"workload 1 is out of range: .*m 1025 \(trained 1..1024"):
        sizer.rank(outside)


def test_sizer_is_read_as_it_was_saved(sizer, drawn, tmp_path):
    path = tmp_path / "weights.npz"
    sizer.save(path, {"seed": 0})
    read = Sizer.load(CASE, path)
    np.testing.assert_array_equal(read.rank(drawn)[0], sizer.rank(drawn)[0])
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match="damaged: its checksum differs"):
        Sizer.load(CASE, path)


def test_nearest_neighbour_knows_what_it_was_told(replays):
    ranker = rivals.fit("nearest neighbour", CASE, replays, 0).ranker
    levels = np.asarray(best_sizing(jnp.asarray(replays.delays), replays.workloads[0]))
    chosen = ranker.rank(replays.workloads)[0][:, 0]
    np.testing.assert_array_equal(CASE.space.levels[chosen].T - 1, levels)
    assert set(RIVALS) == {"random forest", "XGBoost", "nearest neighbour"}


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--curve=many", "--curve: 'many' is not allowed; expected whole numbers"),
        ("--steps=100", "steps: 100 is not allowed; expected a multiple of 64"),
    ],
)
def test_script_refuses(flag, message, tmp_path):
    error = scripts.error_of(
        "experiments.learn_simulator", flag, f"--workdir={tmp_path}/run", "--rival_train=0"
    )
    assert message in error


@pytest.mark.slow
def test_script_end_to_end(tmp_path):
    flags = [f"--workdir={tmp_path}", "--preset=smoke", "--num_train=256", "--num_test=64"]
    flags += ["--curve=", "--rival_train=256"]
    result = scripts.run("experiments.learn_simulator", *flags)
    assert not result.returncode, result.stderr
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["workloads"] == 256
    simple = [row for row in summary["rows"] if not row["workloads"]]
    assert summary["geomean_normalized_performance"] > max(
        row["geomean_normalized_performance"] for row in simple
    )
    assert summary["times_faster_than_exhaustive_search"] > 100
    assert {row["network"] for row in summary["networks"]} >= {"bert_base", "resnet50"}
    assert (tmp_path / "figures" / "quality.png").exists()
    assert "number of replayed workloads" in (tmp_path / "report.html").read_text()
    before = (tmp_path / "networks" / "256.npz").read_bytes()
    again = scripts.run("experiments.learn_simulator", *flags, "--resume")
    assert not again.returncode, again.stderr
    assert "replayed" not in again.stdout.split("model")[0]
    assert (tmp_path / "networks" / "256.npz").read_bytes() == before
