"""Gymnasium environments: the checker's view, rewards by hand, and many episodes at once."""

import functools
import math
import pathlib
import re
import warnings

import jax
import numpy as np
import pytest

from airchitect_jax import search
from airchitect_jax.case_studies import ArrayDataflowCase, ScheduleCase
from airchitect_jax.search import JointProblem, PointCosts, case_subject
from airchitect_jax.search.case_problem import CaseProblem
from airchitect_jax.search.joint import batch_networks
from airchitect_jax.spaces import DEFAULT_ARRAYS, BufferSpace
from airchitect_jax.studies.search import measurer
from airchitect_jax.workloads import GemmCounts

gymnasium = pytest.importorskip("gymnasium")
environment = pytest.importorskip("airchitect_jax.search.environment")
WORKLOADS = np.array([[8, 11, 5], [300, 9, 1], [200, 700, 1], [64, 55, 10_000]])
CASE = ArrayDataflowCase()


@functools.cache
def costs():
    return PointCosts.of(CaseProblem(case=CASE), WORKLOADS.T)


def test_the_checker_of_gymnasium_has_no_complaint():
    ids = environment.register_environments()
    assert {f"airchitect_jax/CaseStudy{number}-v0" for number in "123"} <= set(ids)
    assert environment.register_environments() == ids
    made = gymnasium.make(ids[0], num_workloads=3, seed=1, proposals=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from gymnasium.utils.env_checker import check_env

        check_env(made.unwrapped)


@pytest.mark.slow
def test_many_registered_episodes():
    first, *_ = environment.register_environments()
    vector = gymnasium.make_vec(first, num_envs=2, num_workloads=3)
    assert vector.observation_space.contains(vector.reset(seed=3)[0])


def test_an_episode_by_hand():
    env = environment.DesignEnv(costs(), proposals=2)
    observed, info = env.reset(seed=0, options={"number": 0})
    # The middle of the grid, 512 x 512 WS, is repaired to 16 x 16 under 2**8 MAC units.
    assert info["design"] == {"rows": 16, "cols": 16, "dataflow": "WS"}
    reference = info["cost"]
    features = [3 / 13, *(math.log(dim, 10_000) for dim in (300, 200, 64))]
    np.testing.assert_allclose(observed, [*features, 3 / 16, 3 / 16, 0.5, 0, 1], rtol=1e-6)
    observed, reward, ended, truncated, info = env.step(np.array([3, 3, 0]))
    assert info["design"] == {"rows": 16, "cols": 16, "dataflow": "OS"}
    assert info["cost"] == 23217  # 19 * 13 folds of 16 + 16 + 64 - 2 cycles, less one
    assert reward == pytest.approx(math.log2(reference / 23217))
    np.testing.assert_allclose(observed[4:], [3 / 16, 3 / 16, 0, reward / 16, 0.5], rtol=1e-6)
    assert (ended, truncated) == (False, False)
    *_, ended, _, info = env.step(np.array([16, 3, 0]))  # beyond the budget
    assert ended
    assert info["design"]["rows"] * info["design"]["cols"] <= 256
    with pytest.raises(ValueError, match=r"number: 3 is not allowed; .* 0\.\.2"):
        env.reset(options={"number": 3})


def test_a_seed_draws_the_same_workloads():
    env = environment.DesignEnv(costs())
    draws = [[env.reset(seed=4)[1]["number"]] for _ in range(2)]
    for draw in draws:
        env.reset(seed=4)
        draw += [env.reset()[1]["number"] for _ in range(20)]
    assert draws[0] == draws[1]
    assert set(draws[0]) == {0, 1, 2}


def test_many_episodes_are_those_of_one_each():
    many = environment.DesignVectorEnv(costs(), 4, proposals=2)
    seen, _ = many.reset(seed=7)
    alone = environment.DesignEnv(costs(), proposals=2)
    rng, numbers = np.random.default_rng(0), None
    for step in range(4):
        actions = rng.integers(0, [17, 17, 3], (4, 3))
        before = seen
        seen, rewards, ended, truncated, infos = many.step(actions)
        assert ended.all() == (step % 2 == 1)
        assert not truncated.any()
        if step % 2 == 0:
            numbers, first = infos["number"], actions
        after = infos["final_obs"] if ended.all() else seen
        for row in range(4):
            observed, _ = alone.reset(options={"number": int(numbers[row])})
            if step % 2:
                observed, *_ = alone.step(first[row])
            np.testing.assert_array_equal(observed, before[row])
            observed, reward, _, _, info = alone.step(actions[row])
            np.testing.assert_array_equal(observed, after[row])
            assert (reward, info["cost"]) == (rewards[row], infos["cost"][row])
    assert len(set(numbers.tolist())) > 1


def test_networks_have_features_too():
    problem = JointProblem(max_mac_exponent=6, buffers=BufferSpace(step_kb=1, num_levels=3))
    networks = [GemmCounts(gemms=((90, 80, k),), counts=(2,)) for k in (9, 70)]
    workloads = batch_networks(problem, networks, ((4, 5), (6, 9)))
    features = environment.workload_features(PointCosts.of(problem, workloads))
    assert ((features >= 0) & (features <= 1)).all()
    assert len(np.unique(features, axis=0)) == 4
    macs = math.log2(2 * 90 * 80 * 9) / 64
    dims = [math.log2(dim) / 32 for dim in (90, 80, 9)]
    np.testing.assert_allclose(features[0], [macs, *dims, *dims, 4 / 32, 5 / 128])


def test_a_machine_beyond_every_budget_is_rewarded_least():
    episodes = environment._Episodes(costs(), 2, 1)
    episodes.costs = lambda numbers, actions: (actions, np.array([np.inf, 100.0]))
    episodes.reference_costs = np.array([np.inf, 200.0, 1.0])
    episodes.start(np.ones(2, bool), np.array([0, 1]))
    episodes.propose(np.zeros((2, 3), int))
    assert episodes.rewards.tolist() == [-16, 1]


@pytest.mark.slow
def test_ppo_keeps_its_budget_and_learns():
    pytest.importorskip("stable_baselines3")
    case = ScheduleCase(arrays=DEFAULT_ARRAYS[:2], max_dim=60)
    subject = case_subject(case, np.asarray(case.sample(jax.random.key(0), 1)))
    entry = search.entries(subject)["ppo"]
    measure = measurer("ppo", entry, subject, search.Tools(), evaluations=70, python_workloads=1)
    first, again = measure(0), measure(0)
    assert first["evaluations"] == 65  # the reference, and four rollouts of sixteen
    assert first["optimal_set_accuracy"] == 1  # of 18 designs
    for key in ("evaluations", "geomean_normalized_performance"):
        assert first[key] == again[key]


@pytest.mark.slow
def test_the_agent_of_the_documentation_runs(capsys):
    pytest.importorskip("stable_baselines3")
    page = pathlib.Path(__file__).parent.parent / "docs" / "agents.md"
    (code,) = re.findall(r"^```py\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    exec(compile(code, str(page), "exec"), {})
    assert re.search(r"'rows': \d+.* reward -?\d", capsys.readouterr().out)
