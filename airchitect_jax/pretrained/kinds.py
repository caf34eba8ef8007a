"""What can be released: kinds of predictors, by name."""

from __future__ import annotations

import dataclasses
import enum
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from jaxtyping import Num

Arrays = Mapping[str, Num[np.ndarray, "..."]]
TRAINED = "params."  # the names of trained arrays begin so


class Precision(enum.Enum):
    """How trained weights are stored; they are used in float32, as all else is stored.

    Statistics of the inputs do not survive float16: decorrelation divides by small variances.
    """

    FLOAT32 = "float32"
    FLOAT16 = "float16"


class Predictor(Protocol):
    """Released weights, ready to answer."""

    @property
    def config(self) -> Mapping[str, Any]:
        """What config.json says: settings, metrics, command, versions."""
        ...

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Recommended designs for workloads."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kind:
    """How one kind of predictor is taken from a finished run and made again.

    Registered as "pretrained" (`register`); config.json names the kind.

    Attributes:
      pack: from the workdir of a run to the arrays, the names of trained ones beginning with
        `TRAINED`, and what `restore` needs beside them and the run's flags, JSON-compatible.
      restore: from the arrays, in any `Precision`, and config.json to the predictor. In it are the
        "settings" of `pack` and the "flags" of the run.
      measure: metrics of a predictor on unseen workloads, JSON-compatible.
    """

    pack: Callable[[pathlib.Path], tuple[Arrays, Mapping[str, Any]]]
    restore: Callable[[Arrays, Mapping[str, Any]], Predictor]
    measure: Callable[[Any], Mapping[str, Any]]
