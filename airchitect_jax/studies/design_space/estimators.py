"""The estimators of scikit-learn (extra `analysis`)."""

from __future__ import annotations

from airchitect_jax._support import MissingExtraError

try:
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.inspection import permutation_importance
    from sklearn.metrics import mutual_info_score
    from sklearn.neighbors import NearestNeighbors
except ImportError as error:  # pragma: no cover - depends on the installation
    reason = "the statistics of a design space need scikit-learn"
    raise MissingExtraError(reason, "analysis") from error

__all__ = [
    "PCA",
    "LinearDiscriminantAnalysis",
    "NearestNeighbors",
    "mutual_info_score",
    "permutation_importance",
]
