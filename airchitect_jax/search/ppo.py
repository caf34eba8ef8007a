"""Proximal policy optimisation of Stable-Baselines3 as a searcher. Needs the extra `agents`.

J. Schulman, F. Wolski, P. Dhariwal, A. Radford, O. Klimov, "Proximal policy optimization
algorithms", 2017. As in ArchGym (Krishnan et al., ISCA 2023) an agent starts untrained on each
workload, and each design that it proposes is a sample of its budget.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import torch
from stable_baselines3 import PPO

from airchitect_jax.search.base import Key, Searcher, Tally, Workload
from airchitect_jax.search.environment import DesignEnv
from airchitect_jax.search.subject import Subject

_ROLLOUT = 16  # proposals between two updates of the policy
_SETTINGS = {
    "n_steps": _ROLLOUT,
    "batch_size": _ROLLOUT,
    "learning_rate": 3e-3,
    "gamma": 0.0,  # episodes have one step
    "ent_coef": 0.01,
    "policy_kwargs": {"net_arch": [32]},
}


class _Recorder(gymnasium.Wrapper[np.ndarray, np.ndarray, np.ndarray, np.ndarray]):
    """Remembers the cheapest design, and how many were evaluated."""

    def __init__(self, env: DesignEnv) -> None:
        super().__init__(env)
        _, self.best = env.reset()
        self.evaluations = 1  # the reference

    def step(self, action: np.ndarray) -> tuple[np.ndarray, Any, bool, bool, dict[str, Any]]:
        *seen, info = self.env.step(action)
        self.evaluations += 1
        if info["cost"] < self.best["cost"]:
            self.best = info
        return *seen, info  # type: ignore[return-value]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PpoState:
    """The agent, which learns with each step, what it has proposed, and the tally."""

    agent: Any
    recorder: _Recorder
    tally: Tally


def ppo(subject: Subject) -> Searcher[PpoState]:
    """An agent per workload; a step is 16 proposals and an update of its policy.

    The reference design of the rewards is its first evaluation. Not traceable: it runs in Python.
    """
    layout = subject.problem.layout

    def init(key: Key, workload: Workload) -> PpoState:
        costs = subject.point_costs.on(jax.tree.map(lambda leaf: np.asarray(leaf)[None], workload))
        recorder = _Recorder(DesignEnv(costs))
        seed = int(jax.random.bits(key, dtype=np.uint32))
        agent = PPO("MlpPolicy", recorder, seed=seed, device="cpu", **_SETTINGS)
        return PpoState(agent=agent, recorder=recorder, tally=Tally.empty(layout))

    def step(workload: Workload, state: PpoState) -> PpoState:
        del workload
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # so small a network is slower on more
        try:
            state.agent.learn(_ROLLOUT, reset_num_timesteps=False)
        finally:
            torch.set_num_threads(threads)
        recorder = state.recorder
        tally = dataclasses.replace(
            state.tally,
            point=jnp.asarray(recorder.best["places"]),
            cost=jnp.asarray(recorder.best["cost"], jnp.float64),
            evaluations=jnp.asarray(recorder.evaluations, jnp.int32),
        )
        return dataclasses.replace(state, tally=tally)

    return Searcher(init=init, step=step, traceable=False)
