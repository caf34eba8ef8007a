"""All searchers, by name."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Int

from airchitect_jax._support import register, registered
from airchitect_jax.search import evolution, gradient, local, proposals, simple, tpe
from airchitect_jax.search.base import Problem, Searcher
from airchitect_jax.search.case_problem import CaseProblem
from airchitect_jax.search.gradient import Descent
from airchitect_jax.search.subject import Subject

_BATCH = 8  # points that a step of the exhaustive search evaluates


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedNetwork:
    """A trained network for the searchers that use one.

    Attributes:
      name: of the registered network.
      logits: its logits of a workload, traceable: of shape [designs], or, without a case study, for
        each coordinate those of its values.
      train_seconds: what it took to train.
    """

    name: str
    logits: Any
    train_seconds: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tools:
    """Optional inputs of some searchers.

    Attributes:
      optimizer: an Optax transformation for gradient descent; None for each searcher's own.
      network: trained on the subject's case study; None where no searcher asks for it.
    """

    optimizer: Any = None
    network: TrainedNetwork | None = None

    @property
    def descent(self) -> Descent:
        """Settings of gradient descent with the optimiser."""
        return Descent(optimizer=self.optimizer) if self.optimizer else Descent()


Make = Callable[[Subject, Tools], Searcher[Any]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """A registered searcher and its requirements.

    Attributes:
      make: the searcher of a subject.
      num_steps: of a searcher that goes to its end, whatever the budget; None of all others.
      needs_network: whether it uses a trained network.
      module: an optional one that it imports.
      extra: the extra that the module is of.
    """

    make: Make
    num_steps: Callable[[Subject], int] | None = None
    needs_network: bool = False
    module: str | None = None
    extra: str = "search"

    @property
    def is_installed(self) -> bool:
        """Whether its optional module is there."""
        return not self.module or importlib.util.find_spec(self.module) is not None


def _of_problem(make: Callable[[Problem], Searcher[Any]]) -> Make:
    """A maker for searchers that need only the problem."""
    return lambda subject, _: make(subject.problem)


def _points(subject: Subject) -> Int[np.ndarray, "points coordinates"]:
    assert subject.points is not None  # noqa: S101 - see `entries`
    return subject.points


def _surrogate(subject: Subject, tools: Tools) -> Searcher[Any]:
    assert tools.network is not None  # noqa: S101 - see `Entry`
    if subject.case is None:
        return proposals.on_heads(subject.problem, tools.network.logits, tools.descent)
    problem = CaseProblem(case=subject.case)
    return proposals.surrogate(problem, tools.network.logits, tools.descent)


def _rerank(subject: Subject, tools: Tools) -> Searcher[Any]:
    assert tools.network is not None  # noqa: S101 - see `Entry`
    if subject.case is None:
        return proposals.sampled(subject.problem, tools.network.logits)
    return proposals.rerank(CaseProblem(case=subject.case), tools.network.logits)


def _ppo(subject: Subject, _: Tools) -> Searcher[Any]:
    from airchitect_jax.search.ppo import ppo

    return ppo(subject)


# In the order of tables.
_ALL = {
    "random": Entry(make=_of_problem(simple.random)),
    "exhaustive": Entry(
        make=lambda subject, _: simple.exhaustive(subject.problem, _points(subject), batch=_BATCH),
        num_steps=lambda subject: -(-len(_points(subject)) // _BATCH),
    ),
    "coordinate_descent": Entry(make=_of_problem(local.coordinate_descent)),
    "annealing": Entry(make=_of_problem(local.annealing)),
    "genetic": Entry(make=_of_problem(evolution.genetic)),
    "cma_es": Entry(make=_of_problem(evolution.cma_es), module="evosax"),
    "tpe": Entry(make=_of_problem(tpe.tpe), module="optuna"),
    "ppo": Entry(make=_ppo, module="stable_baselines3", extra="agents"),
    "gradient": Entry(
        make=lambda subject, tools: gradient.gradient(subject.problem, tools.descent)
    ),
    "gumbel": Entry(make=lambda subject, tools: gradient.gumbel(subject.problem, tools.descent)),
    "surrogate": Entry(make=_surrogate, needs_network=True),
    "rerank": Entry(make=_rerank, needs_network=True),
}


for _name, _entry in _ALL.items():
    register("searcher", _name, _entry)


def entries(subject: Subject) -> dict[str, Entry]:
    """The searchers that can run on a benchmark problem."""
    return {
        name: entry
        for name, entry in registered("searcher").items()
        if (subject.points is not None or entry.num_steps is None)
        and (subject.has_network or not entry.needs_network)
    }


def chosen(names: Sequence[str], available: dict[str, Entry]) -> dict[str, Entry]:
    """The entries of some names, or of "all" that are installed, in the order of tables.

    Raises:
      ValueError: there is no such searcher, or its library is not installed.
    """
    for name in names:
        if name not in ("all", *available):
            raise ValueError(
                f"searchers: {name!r} is not allowed; expected all or some of"
                f" {', '.join(available)}"
            )
    absent = left_out(available)
    for name in names:
        if name in absent:
            raise ValueError(f"searchers: {absent[name]}, or name searchers that do without")
    return {
        name: entry
        for name, entry in available.items()
        if name in names or ("all" in names and name not in absent)
    }


def left_out(available: dict[str, Entry]) -> dict[str, str]:
    """The searchers whose library is not installed, and what each of them needs."""
    return {
        name: f"{name} needs {entry.module}: pip install 'airchitect-jax[{entry.extra}]'"
        for name, entry in available.items()
        if not entry.is_installed
    }


def optimizer_named(name: str, learning_rate: float) -> Any:
    """An Optax optimiser that needs no more than gradients.

    Raises:
      ValueError: Optax has none of this name, or it needs more than gradients.
    """
    known = [
        found
        for found in dir(optax)
        if not found.startswith("_")
        and inspect.isfunction(getattr(optax, found))
        and "learning_rate" in inspect.signature(getattr(optax, found)).parameters
    ]
    if name not in known:
        raise ValueError(f"optimizer: {name!r} is not allowed; expected one of {', '.join(known)}")
    try:
        optimizer = getattr(optax, name)(learning_rate=learning_rate)
        trial = jnp.ones(2, jnp.float32)
        jax.eval_shape(lambda x: optimizer.update(x, optimizer.init(x), x), trial)
    except TypeError:
        raise ValueError(
            f"optimizer: {name!r} is not allowed; it needs more than a learning rate and gradients"
        ) from None
    return optimizer
