"""Answers to workloads given by the names of their fields, with exact search where needed."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from airchitect_jax._support import shown
from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.case_studies import out_of_range as is_out_of_range

Choices = tuple[Int[np.ndarray, "batch"], Float[np.ndarray, "batch"], Bool[np.ndarray, "batch"]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prediction:
    """Recommended designs; all fields have the shape of the workloads.

    Attributes:
      design_id: ids in the space of the case study.
      design: the same decoded, such as an `ArrayDesign`, `BufferSizes` or a `Schedule`.
      confidence: the calibrated probability that the network gives its choice; 1 for answers of
        exact search, NaN for those of a network that gives none.
      from_search: which answers come from exact search: those to workloads outside the trained
        ranges, and those where the network's first choice is infeasible.
    """

    design_id: Int[np.ndarray, "*batch"]
    design: Any
    confidence: Float[np.ndarray, "*batch"]
    from_search: Bool[np.ndarray, "*batch"]


def refuses(out_of_range: str) -> bool:
    """Whether questions outside the ranges of training are refused, not searched.

    Raises:
      ValueError: it is neither "search" nor "refuse".
    """
    if out_of_range not in ("search", "refuse"):
        raise ValueError(
            f"out_of_range: {shown(out_of_range)} is not allowed; expected search or refuse"
        )
    return out_of_range == "refuse"


class WorkloadPredictor(abc.ABC):
    """A network that chooses one design per workload of a case study.

    Args:
      case: the case study, whose ranges are those of the training.
      config: what config.json says.
    """

    def __init__(self, case: CaseStudy, config: Mapping[str, Any]) -> None:
        self.case, self.config = case, config

    @abc.abstractmethod
    def _choices(self, workloads: Int[np.ndarray, "features batch"]) -> Choices:
        """Design ids for workloads in range, confidences, and which designs are feasible."""

    def predict(self, *, out_of_range: str = "search", **fields: Any) -> Prediction:
        """Recommends a design for each workload, in one inference.

        Args:
          out_of_range: "search" has exact search answer workloads outside the trained ranges;
            "refuse" raises an error.
          fields: whole numbers of one shape (scalars broadcast), by name. Case study 1: mac_budget,
            m, n, k. Case study 2: sram_budget_bytes, m, n, k, rows, cols, dataflow (a `Dataflow`,
            its name or its id), bandwidth_bytes_per_cycle. Case study 3: m, n, k, whose first axis
            is that of the workloads, one for each array. Others: as in `CaseStudy.limits`. A budget
            counts as the largest in the network's steps that it covers: of MACs a power of two, of
            SRAM a multiple of 100 KB.

        Raises:
          ValueError: a field is missing, unknown or out of range, or a workload is too large for
            exact search.
        """
        is_strict = refuses(out_of_range)
        given = self.case.read_columns(fields)
        shape, columns = given[0].shape, [column.reshape(-1) for column in given]
        workloads = self.case.from_columns(columns)
        searched = is_out_of_range(self.case, workloads)
        if is_strict and searched.any():
            self._refuse(columns, workloads)
        ids, confidence = np.empty(len(searched), np.int64), np.ones(len(searched))
        asked = np.flatnonzero(~searched)
        if len(asked):
            chosen, sure, fits = self._choices(workloads[:, asked].astype(np.int32))
            ids[asked], searched[asked] = chosen, ~fits
            confidence[asked] = np.where(fits, sure, 1.0)
        if searched.any():
            rows = [column[searched] for column in columns]
            ids[searched] = self.case.exact_of_columns(rows).design_id
        space: Any = self.case.space
        return Prediction(
            design_id=ids.reshape(shape),
            design=getattr(space, "decode", space.fields)(ids.reshape(shape)),
            confidence=confidence.reshape(shape),
            from_search=searched.reshape(shape),
        )

    def _refuse(
        self, columns: list[Int[np.ndarray, "batch"]], workloads: Int[np.ndarray, "features batch"]
    ) -> None:
        """Raises a ValueError for the first value outside the trained ranges."""
        features = self.case.features
        bounds = [[[getattr(f, end)] for f in features] for end in ("low", "high")]
        low, high = (self.case.columns(np.array(values, np.int64)) for values in bounds)
        outside = [(w < f.low) | (w > f.high) for w, f in zip(workloads, features, strict=True)]
        row = int(np.argmax(np.any(outside, axis=0)))
        index = int(np.argmax([rows[row] for rows in outside]))
        lowest, highest = int(low[index][0]), int(high[index][0])
        value = columns[index][row]
        kind = "a power of two in " if lowest <= value <= highest else ""
        raise ValueError(
            f"{tuple(self.case.limits)[index]}: {value} at row {row} is not allowed; expected"
            f" {kind}{lowest}..{highest}, the range of training"
        )
