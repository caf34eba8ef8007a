"""The baseline: a random forest. Needs scikit-learn (extra `baselines`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, Num

_TREES_AT_A_TIME = 4  # a tree of 10^5 layers and 272 classes takes 0.2 GB


def check_installed() -> None:
    """Checks that scikit-learn is installed.

    Raises:
      ValueError: it is not; names the extra.
    """
    try:
        import sklearn.ensemble  # noqa: F401
    except ImportError:
        raise ValueError(
            "the random forest needs scikit-learn: pip install 'airchitect-jax[baselines]', or"
            " leave it out with --forest_trees=0"
        ) from None


def predict(
    train: Sequence[Num[np.ndarray, "rows"]],
    labels: Int[np.ndarray, "rows"],
    test: Sequence[Num[np.ndarray, "num"]],
    *,
    num_trees: int,
    all_columns: bool,
    seed: int,
) -> Int[np.ndarray, "num"]:
    """Trains a forest and returns its answers.

    A few trees are grown at a time and their probabilities added up: all trees of the data set
    together take 12 GB. With `all_columns` each split of a tree chooses among all columns; the
    library's own choice is a random few, the square root of their number.
    """
    from sklearn.ensemble import RandomForestClassifier

    votes: Float[np.ndarray, "num classes"] | float = 0.0
    for first in range(0, num_trees, _TREES_AT_A_TIME):
        trees = min(_TREES_AT_A_TIME, num_trees - first)
        state = np.random.RandomState([seed, first])
        forest = RandomForestClassifier(
            n_estimators=trees,
            max_features=None if all_columns else "sqrt",
            n_jobs=-1,
            random_state=state,
        )
        forest.fit(np.stack(train, axis=1), labels)
        votes = votes + trees * forest.predict_proba(np.stack(test, axis=1))
    return forest.classes_[np.asarray(votes).argmax(axis=1)]
