"""Classifiers of scikit-learn and XGBoost (extra `baselines`), with one setting each."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from airchitect_jax._support import MissingExtraError
from airchitect_jax.baselines.classifiers import Classifier

_TREES = 100
_ROUNDS = 10
_FOREST_BYTES = 1 << 32  # for the trees that are grown at one time


@contextlib.contextmanager
def _extra() -> Iterator[None]:
    """Names the extra if an import fails."""
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(f"{error.name} is needed", "baselines") from error


class _ScikitLearn:
    """An estimator of scikit-learn's interface, which scores by its decision function."""

    _model: Any

    def fit(self, inputs: Float[np.ndarray, "num inputs"], classes: Int[np.ndarray, "num"]) -> None:
        """See `Estimator`."""
        import joblib

        # Threads, which libsvm keeps busy: processes would each print a trace at Ctrl-C.
        with joblib.parallel_config(backend="threading"):
            self._model.fit(inputs, classes)

    def scores(
        self, inputs: Float[np.ndarray, "batch inputs"]
    ) -> Float[np.ndarray, "batch classes"]:
        """Decision values."""
        return np.asarray(self._model.decision_function(inputs))


class LinearSvc(_ScikitLearn):
    """Linear support vectors, one design against the rest."""

    def __init__(self, seed: int) -> None:
        with _extra():
            from sklearn.svm import LinearSVC
        self._model = LinearSVC(random_state=seed)

    @property
    def num_parameters(self) -> int:
        """Coefficients and intercepts."""
        return int(self._model.coef_.size + self._model.intercept_.size)


class RbfSvc(_ScikitLearn):
    """Support vectors with a Gaussian kernel, one design against the rest.

    scikit-learn's SVC by itself compares each pair of designs: a hundred thousand pairs and more.
    """

    def __init__(self, seed: int) -> None:
        del seed  # nothing is random
        with _extra():
            from sklearn.multiclass import OneVsRestClassifier
            from sklearn.svm import SVC
        self._model = OneVsRestClassifier(SVC(kernel="rbf"), n_jobs=-1)

    @property
    def num_parameters(self) -> int:
        """Support vectors, their weights and the intercepts."""
        return sum(
            int(one.support_vectors_.size + one.dual_coef_.size + one.intercept_.size)
            for one in self._model.estimators_
        )


class RandomForest:
    """A hundred trees, fully grown, which vote.

    A leaf of a fully grown tree holds one class, so a tree is kept as its structure and a class for
    each leaf. scikit-learn keeps a number for each class in each node: tens of gigabytes here.
    """

    def __init__(self, seed: int) -> None:
        with _extra():
            from sklearn.ensemble import RandomForestClassifier
        self._seed, self._make = seed, RandomForestClassifier
        self._trees: list[tuple[Any, Int[np.ndarray, "nodes"]]] = []
        self._num_classes = 0

    @property
    def num_parameters(self) -> int:
        """A feature and a threshold for each inner node, a class for each leaf."""
        return sum(_tree_parameters(len(classes)) for _, classes in self._trees)

    def fit(self, inputs: Float[np.ndarray, "num inputs"], classes: Int[np.ndarray, "num"]) -> None:
        """See `Estimator`; as many trees at a time as there are cores."""
        self._num_classes = int(classes.max()) + 1
        cores = _cores()
        for first in range(0, _TREES, cores):
            forest = self._make(
                min(cores, _TREES - first), random_state=self._seed * _TREES + first, n_jobs=-1
            ).fit(inputs, classes)
            for one in forest.estimators_:
                # Trees number the classes that the whole forest was given.
                of_node = one.tree_.value[:, 0, :].argmax(axis=1).astype(np.int32)
                self._trees.append((_structure(one.tree_), of_node))

    def scores(
        self, inputs: Float[np.ndarray, "batch inputs"]
    ) -> Float[np.ndarray, "batch classes"]:
        """Votes."""
        votes = np.zeros((len(inputs), self._num_classes), np.float32)
        rows = np.arange(len(inputs))
        for structure, of_node in self._trees:
            votes[rows, of_node[_leaves(structure, inputs)]] += 1
        return votes


def _structure(tree: Any) -> tuple[np.ndarray, ...]:
    """Feature (-2 in leaves), threshold, left and right child of each node."""
    return (
        tree.feature.astype(np.int32),
        tree.threshold.astype(np.float64),
        tree.children_left.astype(np.int32),
        tree.children_right.astype(np.int32),
    )


def _leaves(
    structure: tuple[np.ndarray, ...], inputs: Float[np.ndarray, "batch inputs"]
) -> Int[np.ndarray, "batch"]:
    """The leaf that each row ends in, all rows going down a level at a time."""
    feature, threshold, left, right = structure
    at = np.zeros(len(inputs), np.int32)
    while True:
        moving = np.flatnonzero(feature[at] >= 0)
        if not len(moving):
            return at
        node = at[moving]
        goes_left = inputs[moving, feature[node]] <= threshold[node]
        at[moving] = np.where(goes_left, left[node], right[node])


class XgBoost(_ScikitLearn):
    """Ten rounds of boosted trees of depth six, by histograms; one tree per class and round."""

    def __init__(self, seed: int) -> None:
        # Threads that wait in a loop stop all others where cores are shared.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        with _extra():
            from xgboost import XGBClassifier
        # Steps are bounded as XGBoost's documentation advises for rare classes: unbounded ones
        # overshoot, and more examples make the model worse.
        self._model = XGBClassifier(
            n_estimators=_ROUNDS,
            max_delta_step=1,
            tree_method="hist",
            random_state=seed,
            n_jobs=_cores(),
        )

    @property
    def num_parameters(self) -> int:
        """A feature and a threshold for each inner node, a weight for each leaf."""
        model = json.loads(self._model.get_booster().save_raw("json"))
        trees = model["learner"]["gradient_booster"]["model"]["trees"]
        return sum(_tree_parameters(int(tree["tree_param"]["num_nodes"])) for tree in trees)

    def scores(
        self, inputs: Float[np.ndarray, "batch inputs"]
    ) -> Float[np.ndarray, "batch classes"]:
        """Sums of leaves."""
        return np.asarray(self._model.predict(inputs, output_margin=True))


def _tree_parameters(num_nodes: int) -> int:
    """Of a binary tree: two numbers for each inner node, one for each leaf."""
    inner = num_nodes // 2
    return 2 * inner + num_nodes - inner


def _cores() -> int:
    return os.cpu_count() or 1


def _forest_examples(num_designs: int) -> int:
    """Examples for which the trees of one time fit: two nodes per example, a number per class."""
    return _FOREST_BYTES // (_cores() * 2 * 8 * num_designs)


def off_the_shelf() -> list[Classifier]:
    """All of them, unfitted."""
    return [
        Classifier("linear_svc", LinearSvc),
        Classifier("rbf_svc", RbfSvc),
        Classifier("random_forest", RandomForest, _forest_examples),
        Classifier("xgboost", XgBoost),
    ]
