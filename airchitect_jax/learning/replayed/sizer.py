"""The trained network as a function: workloads in, sizings of the buffers out."""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
from collections.abc import Mapping
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from airchitect_jax._support import atomic_path, check_file, map_chunks, write_checksum
from airchitect_jax.case_studies import BufferCase, out_of_range
from airchitect_jax.learning.evaluation import best_seconds
from airchitect_jax.learning.replayed.network import best_sizing, delays

_BATCH = 8192
_DESCRIPTION = "description"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sizer:
    """Recommends sizes of SRAMs by predicted delays.

    Attributes:
      case: the case study, whose ranges are those of the training.
      parameters: of the network, by name.
    """

    case: BufferCase
    parameters: Mapping[str, Float[np.ndarray, "..."]]

    @functools.cached_property
    def sizes_kb(self) -> tuple[int, ...]:
        """The sizes of the space."""
        space = self.case.space
        return tuple(level * space.step_kb for level in range(1, space.num_levels + 1))

    def rank(
        self, workloads: Int[np.ndarray, "features num"], count: int = 1
    ) -> tuple[Int[np.ndarray, "num 1"], Bool[np.ndarray, "num"]]:
        """The best design of each workload, whatever `count`; its budget is part of the choice.

        Raises:
          ValueError: a workload outside the ranges of the case study.
        """
        del count
        outside = out_of_range(self.case, np.asarray(workloads, np.int64))
        if outside.any():
            column = int(outside.argmax())
            values = ", ".join(
                f"{feature.name} {workloads[row][column]} (trained {feature.low}..{feature.high})"
                for row, feature in enumerate(self.case.features)
            )
            raise ValueError(f"workload {column} is out of range: {values}")
        chosen = map_chunks(
            lambda columns: self._choose(jnp.stack(columns)),
            list(np.asarray(workloads, np.int32)),
            chunk=_BATCH,
        )
        return chosen[:, None], np.zeros(len(chosen), bool)

    def per_second(self, workloads: Int[np.ndarray, "features num"]) -> float:
        """Decisions per second, in a batch of 8192, without transfers."""
        repeated = workloads[:, np.arange(_BATCH) % workloads.shape[1]]
        batch = jnp.asarray(repeated, jnp.int32)
        return _BATCH / best_seconds(lambda: self._choose(batch))

    @functools.cached_property
    def _choose(self) -> Any:
        parameters = jax.tree.map(jnp.asarray, dict(self.parameters))
        names = [feature.name for feature in self.case.features]
        budget, ids = names.index("budget_steps"), jnp.asarray(self.case.space.id_of_levels)

        @jax.jit
        def choose(
            parameters: Any, workloads: Int[jax.Array, "features batch"]
        ) -> Int[jax.Array, "batch"]:
            found = delays(parameters, workloads, self.sizes_kb)
            return ids[tuple(best_sizing(found, workloads[budget]))]

        return functools.partial(choose, parameters)

    def save(self, path: pathlib.Path, description: Mapping[str, Any]) -> None:
        """Writes the parameters to an .npz file with their origin inside, and its checksum."""
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            text = json.dumps(description, sort_keys=True)
            contents: dict[str, Any] = {**self.parameters, _DESCRIPTION: np.array(text)}
            np.savez(file, **contents)
        write_checksum(path)

    @classmethod
    def load(cls, case: BufferCase, path: pathlib.Path) -> Self:
        """Reads what `save` wrote.

        Raises:
          ValueError: the file is damaged.
          OSError: the file cannot be read.
        """
        check_file(path)
        with np.load(path, allow_pickle=False) as arrays:
            names = set(arrays) - {_DESCRIPTION}
            return cls(case=case, parameters={name: arrays[name] for name in sorted(names)})
