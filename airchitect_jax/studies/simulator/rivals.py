"""Other learners of the same delays from the same inputs. They need the extra `baselines`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from airchitect_jax._support import map_chunks
from airchitect_jax.case_studies import BufferCase
from airchitect_jax.learning import decisions_per_second
from airchitect_jax.learning.replayed import Replays, Sizer, best_sizing
from airchitect_jax.learning.replayed.factors import factors

_TREES = 100
_TIMED_ROWS = 2048


class Told(NamedTuple):
    """A rival after `fit`, and the seconds of one core that this took."""

    ranker: DelayRanker
    seconds: float


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(_TREES, max_features=1 / 3, n_jobs=1, random_state=seed)


def _boosting(seed: int) -> Any:
    from xgboost import XGBRegressor

    return XGBRegressor(n_estimators=_TREES, tree_method="hist", n_jobs=1, random_state=seed)


def _neighbour(seed: int) -> Any:
    from sklearn.neighbors import KNeighborsRegressor

    del seed  # nothing is random
    return KNeighborsRegressor(n_neighbors=1, n_jobs=1)


RIVALS: Mapping[str, Callable[[int], Any]] = {
    "random forest": _forest,
    "XGBoost": _boosting,
    "nearest neighbour": _neighbour,
}


def check_installed() -> None:
    """Refuses a comparison that cannot be made.

    Raises:
      ValueError: scikit-learn or XGBoost is not installed.
    """
    try:
        for make in RIVALS.values():
            make(0)
    except ImportError as error:
        raise ValueError(
            f"{error.name} is needed: pip install 'airchitect-jax[baselines]', or --rival_train=0"
        ) from None


class DelayRanker:
    """Recommends sizings by the delays that an estimator predicts, as the network does."""

    def __init__(self, case: BufferCase, estimator: Any) -> None:
        self._case, self._estimator = case, estimator
        self._choose = jax.jit(best_sizing)

    def rank(
        self, workloads: Int[np.ndarray, "features num"], count: int = 1
    ) -> tuple[Int[np.ndarray, "num 1"], Bool[np.ndarray, "num"]]:
        """See `Ranker`; one column whatever `count`."""
        del count
        predicted = self._estimator.predict(_inputs(self._case, workloads))
        delays = predicted.reshape(len(predicted), 3, -1).transpose(1, 2, 0).astype(np.float32)
        budget = self._case.by_name(workloads)["budget_steps"]
        levels = np.asarray(self._choose(delays, budget))
        chosen = self._case.space.id_of_levels[tuple(levels)]
        return chosen[:, None], np.zeros(len(chosen), bool)

    def per_second(self, workloads: Int[np.ndarray, "features num"]) -> float:
        """Decisions per second, in one batch."""
        return decisions_per_second(self, workloads[:, :_TIMED_ROWS])


def fit(name: str, case: BufferCase, replays: Replays, seed: int) -> Told:
    """Trains one of `RIVALS` on replays, with one setting."""
    estimator = RIVALS[name](seed)
    inputs = _inputs(case, replays.workloads)
    start = time.process_time()
    estimator.fit(inputs, replays.delays.reshape(-1, len(replays)).T)
    return Told(DelayRanker(case, estimator), time.process_time() - start)


def _inputs(
    case: BufferCase, workloads: Int[np.ndarray, "features num"]
) -> Float[np.ndarray, "num inputs"]:
    """What the network is given, its estimates included; nearest by even weights."""
    sizes_kb = Sizer(case=case, parameters={}).sizes_kb

    def both(columns: list[Any]) -> Any:
        found = factors(jnp.stack(columns), sizes_kb)
        return jnp.concatenate([found.inputs, found.estimates.reshape(-1, len(columns[0])) / 3]).T

    return map_chunks(jax.jit(both), list(np.asarray(workloads, np.int32)), chunk=1 << 14)
