"""Gymnasium environments over search problems. Needs gymnasium (extra `agents`).

An action is the place of a value for each parameter of a design. It is projected onto the
constraints, as all searchers here do, and evaluated exactly. The reward is how often the cost of
the reference design, the one in the middle of the grid, halves: log2(reference / cost), between
-16 and 16.

An observation has the workload's features, the last design, its reward and the share of the episode
that is left, all between -1 and 1. An episode is one workload, and as many proposals as wanted.
"""

from __future__ import annotations

import math
import re
from typing import Any, SupportsFloat

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from airchitect_jax._support import (
    MissingExtraError,
    find,
    instance,
    registered,
    whole_number,
)
from airchitect_jax.case_studies.definition import DIMS
from airchitect_jax.search.base import Workload
from airchitect_jax.search.case_problem import CaseProblem
from airchitect_jax.search.joint import BudgetedNetwork
from airchitect_jax.search.machines import NumberedWorkload
from airchitect_jax.search.parameters import design_at, parameters
from airchitect_jax.search.point_costs import PointCosts

try:
    import gymnasium
    from gymnasium.vector import AutoresetMode, VectorEnv
    from gymnasium.vector.utils import batch_space
except ImportError as error:  # pragma: no cover - depends on the installation
    raise MissingExtraError("environments need gymnasium", "agents") from error

_MOST = 16.0  # halvings
_LOG2_SCALE = 64.0  # what logarithms of counts are divided by
Places = Int[np.ndarray, "rows coordinates"]
Rows = Float[np.ndarray, "rows"]


class _Episodes:
    """Some episodes side by side: the arithmetic of both environments."""

    def __init__(self, costs: PointCosts, count: int, proposals: int) -> None:
        self.costs = instance("costs", costs, PointCosts)
        self.proposals = whole_number("proposals", proposals)
        self.parameters = parameters(costs.problem)
        levels = np.array(costs.problem.layout.cardinalities)
        self.actions = gymnasium.spaces.MultiDiscrete(levels)
        self._highest = np.maximum(levels - 1, 1)
        self._features = workload_features(costs)
        everything = np.arange(len(costs))
        middle = np.broadcast_to(levels // 2, (len(costs), len(levels)))
        self.middle, self.reference_costs = costs(everything, middle)
        size = self._features.shape[1] + len(levels) + 2
        self.space = gymnasium.spaces.Box(-1.0, 1.0, (size,), np.float32)
        self.numbers = np.zeros(count, np.int64)
        self.places = np.zeros((count, len(levels)), np.int32)
        self.rewards, self.taken = np.zeros(count), np.zeros(count, np.int64)

    def start(self, rows: Bool[np.ndarray, "rows"], numbers: Int[np.ndarray, "rows"]) -> None:
        """Begins new episodes at some rows."""
        self.numbers = np.where(rows, numbers, self.numbers)
        self.places = np.where(rows[:, None], self.middle[self.numbers], self.places)
        self.rewards, self.taken = np.where(rows, 0, self.rewards), np.where(rows, 0, self.taken)

    def propose(self, actions: Places) -> Rows:
        """The costs of proposals; the rewards are kept."""
        self.places, costs = self.costs(self.numbers, actions)
        with np.errstate(invalid="ignore"):  # infinity less infinity: worst
            halvings = np.log2(self.reference_costs[self.numbers]) - np.log2(costs)
        self.rewards = np.clip(np.nan_to_num(halvings, nan=-_MOST), -_MOST, _MOST)
        self.taken = self.taken + 1
        return costs

    def observations(self) -> Float[np.ndarray, "rows observed"]:
        """What the agents see (float32)."""
        left = 1 - self.taken / self.proposals
        parts = (
            self._features[self.numbers],
            self.places / self._highest,
            self.rewards[:, None] / _MOST,
            left[:, None],
        )
        return np.concatenate(parts, axis=1).astype(np.float32)


class DesignEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """One workload per episode, drawn from those given; see the module for actions and rewards.

    `info` has the workload's `number`, the feasible `design` that was evaluated and its exact
    `cost`. `reset(options={"number": 3})` chooses the workload.
    """

    def __init__(self, costs: PointCosts, *, proposals: int = 1) -> None:
        """For the workloads of `costs`, for example `Subject.point_costs`.

        Args:
          costs: evaluates the middle of the grid for each workload, once.
          proposals: per episode.
        """
        self._episodes = _Episodes(costs, 1, proposals)
        self.observation_space = self._episodes.space
        self.action_space = self._episodes.actions

    @property
    def reference_costs(self) -> Rows:
        """The cost of the reference design of each workload."""
        return self._episodes.reference_costs

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """See `gymnasium.Env`; draws a workload unless `options` has its number."""
        super().reset(seed=seed)
        episodes, last = self._episodes, len(self._episodes.costs) - 1
        drawn = self.np_random.integers(last + 1)
        number = whole_number("number", (options or {}).get("number", drawn), low=0, high=last)
        episodes.start(np.array([True]), np.array([number]))
        return episodes.observations()[0], self._info(float(self.reference_costs[number]))

    def step(
        self, action: np.ndarray
    ) -> tuple[np.ndarray, SupportsFloat, bool, bool, dict[str, Any]]:
        """See `gymnasium.Env`; the last proposal of an episode terminates it."""
        episodes = self._episodes
        cost = episodes.propose(np.asarray(action)[None])[0]
        ended = bool(episodes.taken[0] >= episodes.proposals)
        info = self._info(float(cost))
        return episodes.observations()[0], float(episodes.rewards[0]), ended, False, info

    def _info(self, cost: float) -> dict[str, Any]:
        episodes = self._episodes
        return {
            "number": int(episodes.numbers[0]),
            "design": design_at(episodes.parameters, episodes.places[0]),
            "places": episodes.places[0],
            "cost": cost,
        }


class DesignVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """Many episodes of `DesignEnv` at once, evaluated by one compiled call.

    An episode that ends is followed by the next in the same step; `final_obs` of `infos` has its
    last observation. `cost`, `number` and `places` are those of the step, in arrays.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012 - as Gymnasium has it

    def __init__(self, costs: PointCosts, num_envs: int, *, proposals: int = 1) -> None:
        """See `DesignEnv`."""
        self.num_envs = whole_number("num_envs", num_envs)
        self._episodes = _Episodes(costs, num_envs, proposals)
        self.single_observation_space = self._episodes.space
        self.single_action_space = self._episodes.actions
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """See `VectorEnv`; one seed for all."""
        super().reset(seed=seed, options=options)
        self._start(np.ones(self.num_envs, bool))
        return self._episodes.observations(), {}

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """See `VectorEnv`."""
        episodes = self._episodes
        infos: dict[str, Any] = {"cost": episodes.propose(actions), "number": episodes.numbers}
        infos["places"], rewards = episodes.places, episodes.rewards
        ended = episodes.taken >= episodes.proposals
        if ended.any():
            infos["final_obs"], infos["_final_obs"] = episodes.observations(), ended
            self._start(ended)
        return episodes.observations(), rewards, ended, np.zeros(self.num_envs, bool), infos

    def _start(self, rows: Bool[np.ndarray, "rows"]) -> None:
        numbers = self.np_random.integers(len(self._episodes.costs), size=self.num_envs)
        self._episodes.start(rows, numbers)


def workload_features(costs: PointCosts) -> Float[np.ndarray, "workloads features"]:
    """What an agent sees of each workload, between 0 and 1 within the trained ranges.

    Of a case study its features, dimensions as logarithms; of a network the logarithm of its MACs,
    the mean of the logarithms of m, n and k by work and their maxima, and its budgets.
    """
    workloads = jax.tree.map(np.asarray, costs.workloads)
    if isinstance(costs.problem, CaseProblem):
        columns = []
        for feature, column in zip(costs.problem.case.features, workloads.T, strict=True):
            low, high, values = float(feature.low), float(feature.high), column.astype(float)
            if feature.name.rstrip("0123456789") in DIMS:
                low, high, values = math.log2(low), math.log2(high), np.log2(values)
            columns.append((values - low) / max(high - low, 1))
        return np.clip(np.stack(columns, axis=1), 0, 1)
    if isinstance(workloads, BudgetedNetwork | NumberedWorkload):
        return _network_features(workloads)
    leaves = [np.reshape(leaf, (len(costs), -1)) for leaf in jax.tree.leaves(workloads)]
    return np.clip(np.log2(1 + abs(np.concatenate(leaves, axis=1))) / _LOG2_SCALE, 0, 1)


def _network_features(workloads: Workload) -> Float[np.ndarray, "workloads features"]:
    logs = np.log2(np.asarray(workloads.dims, float)) / 32
    work = np.prod(workloads.dims, axis=2, dtype=float) * workloads.counts
    total = work.sum(axis=1, keepdims=True)
    mean = np.einsum("wg,wgd->wd", work / total, logs)
    most = np.where(workloads.counts[:, :, None] > 0, logs, 0).max(axis=1)
    parts = [np.log2(total) / _LOG2_SCALE, mean, most]
    if isinstance(workloads, BudgetedNetwork):
        budgets = np.stack([workloads.mac_exponent / 32, workloads.sram_steps / 128], axis=1)
        parts.append(budgets)
    return np.clip(np.concatenate(parts, axis=1), 0, 1)


def sampled_costs(case_study: str, *, num_workloads: int = 4096, seed: int = 0) -> PointCosts:
    """Costs for workloads drawn from the distribution of a case study, by its registered name.

    Raises:
      ValueError: there is no such case study, or it cannot be searched.
    """
    case = find("case_study", case_study)()
    return PointCosts.of(
        CaseProblem(case=case),
        np.asarray(case.sample(jax.random.key(seed), whole_number("workloads", num_workloads))).T,
    )


def register_environments() -> list[str]:
    """Registers an environment per case study with Gymnasium; returns the ids.

    For example `airchitect_jax/CaseStudy1-v0`, for `gymnasium.make` and `gymnasium.make_vec`, whose
    keywords are those of `sampled_costs` and `proposals`.
    """
    ids = []
    for name in registered("case_study"):
        title = re.sub(r"\W", "", name.title())
        ids.append(f"airchitect_jax/CaseStudy{title}-v0")
        if ids[-1] not in gymnasium.registry:
            gymnasium.register(
                ids[-1],
                entry_point=f"{__name__}:_one",
                vector_entry_point=f"{__name__}:_many",
                kwargs={"case_study": name},
            )
    return ids


def _one(*, case_study: str, proposals: int = 1, **sampling: int) -> DesignEnv:
    return DesignEnv(sampled_costs(case_study, **sampling), proposals=proposals)


def _many(
    *, num_envs: int, case_study: str, proposals: int = 1, **sampling: int
) -> DesignVectorEnv:
    costs = sampled_costs(case_study, **sampling)
    return DesignVectorEnv(costs, num_envs, proposals=proposals)
