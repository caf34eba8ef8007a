"""Labelling tasks: the results for each workload, and their columns."""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PyTree

from airchitect_jax._support.arrow import pa
from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.cost import Platform
from airchitect_jax.oracle import array_dataflow, ranking, retry, wide_chunks
from airchitect_jax.spaces import ArrayDataflowSpace
from airchitect_jax.types import Dataflow, Labels, Objective, RuntimeModel
from airchitect_jax.version import __version__

Columns = Sequence[Int[np.ndarray | Array, "rows"]]
# Columns of dataflows hold their values or their names.
DATAFLOWS: Mapping[str, Sequence[str]] = {"dataflow": [dataflow.name for dataflow in Dataflow]}


class Report(enum.Enum):
    """LABELS gives the optimum of each workload; COSTS also the cycles of every design."""

    LABELS = "labels"
    COSTS = "costs"


class LabelTask(Protocol):
    """A labelling task as the engine sees it."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the input columns."""
        ...

    @property
    def names(self) -> Mapping[str, Sequence[str]]:
        """Input columns whose values 0, 1, 2 and so on have names."""
        ...

    @property
    def chunk(self) -> int:
        """Rows of one compiled call, a power of two: what its memory allows."""
        ...

    @property
    def metadata(self) -> dict[str, str]:
        """The settings that identify the results."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """Input columns, then output columns."""
        ...

    def compute(self, columns: Columns) -> tuple[PyTree[Array], Bool[Array, "rows"]]:
        """Results on the device, without waiting, and which rows are valid."""
        ...

    def inexact(self, results: PyTree[np.ndarray]) -> Bool[np.ndarray, "rows"]:
        """Valid rows whose results are not exact on the device."""
        ...

    def retry(self, results: PyTree[np.ndarray], columns: Columns) -> None:
        """Computes such rows again by a slower search on the device, if there is one."""
        ...

    def repair(self, results: PyTree[np.ndarray], row: int, columns: Columns) -> None:
        """Computes such a row in Python, or raises ValueError."""
        ...

    def outputs(self, results: PyTree[np.ndarray]) -> list[np.ndarray]:
        """The output columns; matrices for lists, values of `Dataflow` for their names."""
        ...

    def objection(self, columns: Columns, row: int) -> tuple[str, str]:
        """The first column that makes a row invalid, and what is allowed in it."""
        ...


def row_bytes(task: LabelTask) -> int:
    """The least number of bytes per labelled row: its columns and those it is labelled from."""

    def width(kind: pa.DataType) -> int:
        if pa.types.is_fixed_size_list(kind):
            return int(kind.list_size * width(kind.value_type))
        return 1 if pa.types.is_dictionary(kind) else int(kind.bit_width // 8)

    return sum(width(field.type) for field in task.schema) + 4 * len(task.inputs)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaseTask:
    """The optimum of each workload of a case study.

    Columns: those of `CaseStudy.limits`, the design's id and parameters, and what it costs.

    Attributes:
      case: the case study.
    """

    case: CaseStudy
    names = DATAFLOWS

    @property
    def inputs(self) -> tuple[str, ...]:
        """See `LabelTask`."""
        return tuple(self.case.limits)

    @property
    def chunk(self) -> int:
        """See `LabelTask`."""
        return self.case.label_batch

    @property
    def metadata(self) -> dict[str, str]:
        """Case study, its settings, number of designs, version."""
        return {
            "case_study": self.case.name,
            **self.case.settings,
            "num_designs": str(self.case.space.num_designs),
            "airchitect_jax": __version__,
        }

    @functools.cached_property
    def _designs(self) -> Mapping[str, Int[np.ndarray, "designs"]]:
        return self.case.space.fields(np.arange(self.case.space.num_designs))

    @functools.cached_property
    def schema(self) -> pa.Schema:
        """See `LabelTask`. A parameter that has the name of an input is prefixed with "best_"."""
        cost = pa.float64() if self.case.objective is Objective.EDP else pa.int64()
        names = [(name, whole_type(high)) for name, (_, high) in self.case.limits.items()]
        names.append(("design_id", pa.int32()))
        for name, values in self._designs.items():
            shown = f"best_{name}" if name in self.inputs else name
            names.append((shown, whole_type(int(values.max()))))
        names.append((self.case.objective.value, cost))
        fields = [pa.field(name, kind, nullable=False) for name, kind in names]
        return pa.schema(fields, metadata=self.metadata)

    def compute(self, columns: Columns) -> tuple[PyTree[Array], Bool[Array, "rows"]]:
        """See `LabelTask`."""
        labels, valid = self.case.label_columns(columns)
        return {"design_id": labels.design_id, "cost": labels.cost}, valid

    def inexact(self, results: PyTree[np.ndarray]) -> Bool[np.ndarray, "rows"]:
        """See `LabelTask`."""
        return results["design_id"] < 0

    def retry(self, results: PyTree[np.ndarray], columns: Columns) -> None:
        """See `LabelTask`."""
        if self.case.wide_search is not None:
            retry(self.case.wide_search, Labels(**results), columns)

    def repair(self, results: PyTree[np.ndarray], row: int, columns: Columns) -> None:
        """See `LabelTask`."""
        values = (int(column[row]) for column in columns)
        results["design_id"][row], results["cost"][row] = self.case.label_in_python(*values)

    def outputs(self, results: PyTree[np.ndarray]) -> list[np.ndarray]:
        """See `LabelTask`."""
        ids = results["design_id"]
        designs = [values.take(ids) for values in self._designs.values()]
        return [ids, *designs, results["cost"]]

    def objection(self, columns: Columns, row: int) -> tuple[str, str]:
        """See `LabelTask`."""
        return outside(self.case.limits, columns, row)


def lists_of(kind: pa.DataType, length: int) -> pa.DataType:
    """The type of a column of lists of one length, without nulls."""
    return pa.list_(pa.field("element", kind, nullable=False), length)


def whole_type(high: int) -> pa.DataType:
    """The type of a column of whole numbers up to `high`."""
    return pa.int32() if high < 2**31 else pa.int64()


def outside(limits: Mapping[str, tuple[int, int]], columns: Columns, row: int) -> tuple[str, str]:
    """The first column whose limits a row exceeds, and what is allowed in it."""
    for (name, (low, high)), column in zip(limits.items(), columns, strict=True):
        if not low <= int(column[row]) <= high:
            return name, f"a whole number in {low}..{high}"
    raise AssertionError(f"row {row} is valid")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ArrayDataflowTask:
    """Case study 1.

    Attributes:
      topk: how many of the best designs to give with their cycles; 1 for the optimum only.
      runner_up: also the cycles of the second-best design, and how many share the optimum.
      report: whether to add the cycles of every design.
    """

    space: ArrayDataflowSpace = dataclasses.field(default_factory=ArrayDataflowSpace)
    runtime_model: RuntimeModel = RuntimeModel.SCALESIM
    topk: int = 1
    runner_up: bool = False
    report: Report = Report.LABELS

    names: ClassVar[Mapping[str, Sequence[str]]] = {}
    inputs = tuple(array_dataflow.LIMITS)

    @property
    def chunk(self) -> int:
        """Few rows if every cost is written, which takes kilobytes per row."""
        return 1 << 20 if self.report is Report.LABELS else 1 << 12

    @property
    def _ranked(self) -> bool:
        return self.topk > 1 or self.runner_up

    @property
    def metadata(self) -> dict[str, str]:
        """Case study, model, space, version."""
        return {
            "case_study": "case_study1",
            "runtime_model": self.runtime_model.value,
            "design_space": f"array and dataflow, {self.space.num_designs} designs",
            "max_mac_exponent": str(self.space.max_mac_exponent),
            "airchitect_jax": __version__,
        }

    @property
    def schema(self) -> pa.Schema:
        """See `LabelTask`."""
        names = [(name, pa.int32()) for name in self.inputs]
        names += [("design_id", pa.int32()), ("rows", pa.int32()), ("cols", pa.int32())]
        names += [("dataflow", pa.dictionary(pa.int8(), pa.string())), ("cycles", pa.int64())]
        if self.runner_up:
            names += [("runner_up_cycles", pa.int64()), ("num_ties", pa.int32())]
        if self.topk > 1:
            names += [
                ("topk_design_id", lists_of(pa.int32(), self.topk)),
                ("topk_cycles", lists_of(pa.int64(), self.topk)),
            ]
        if self.report is Report.COSTS:
            names += [("design_cycles", lists_of(pa.int64(), self.space.num_designs))]
        fields = [pa.field(name, kind, nullable=False) for name, kind in names]
        return pa.schema(fields, metadata=self.metadata)

    def compute(self, columns: Columns) -> tuple[PyTree[Array], Bool[Array, "rows"]]:
        """See `LabelTask`."""
        settings: Any = {"space": self.space, "platform": self._platform}
        results: dict[str, Any] = {}
        if self._ranked:
            count = max(self.topk, 2)
            found = array_dataflow.ranked_columns(columns, count=count, **settings)
            labels, ranked, results["num_ties"], valid = found
            # One array per place, so that rows come first.
            results["ranked_ids"], results["ranked_cycles"] = ranked.design_id, ranked.cost
        else:
            labels, valid = array_dataflow.label_columns(columns, **settings)
        results |= {"design_id": labels.design_id, "cycles": labels.cost}
        if self.report is Report.COSTS:
            with jax.enable_x64(True):
                results["costs"] = ranking.cycle_matrix(columns, valid, **settings)
        return results, valid

    def inexact(self, results: PyTree[np.ndarray]) -> Bool[np.ndarray, "rows"]:
        """See `LabelTask`."""
        inexact = results["design_id"] < 0
        if self._ranked:
            inexact |= results["ranked_ids"][0] < 0
        if self.report is Report.COSTS:
            inexact |= results["costs"].min(axis=1) < 0
        return inexact

    def retry(self, results: PyTree[np.ndarray], columns: Columns) -> None:
        """See `LabelTask`: all costs in int64. Labels are left to Python."""
        settings: Any = {"space": self.space, "platform": self._platform}
        if self.report is Report.COSTS:
            rows = np.flatnonzero(results["costs"].min(axis=1) < 0)
            for some, padded in wide_chunks(rows, columns):
                with jax.enable_x64(True):
                    costs = ranking.cost_matrix(padded, **settings)
                results["costs"][some] = costs[: len(some)]
        if not self._ranked:
            return
        rows = np.flatnonzero(results["ranked_ids"][0] < 0)
        count = len(results["ranked_ids"])
        for some, padded in wide_chunks(rows, columns):
            with jax.enable_x64(True):
                columns_in_int64 = [jnp.asarray(column, jnp.int64) for column in padded]
                ids, cycles, num_ties = jax.device_get(
                    ranking.best_designs(columns_in_int64, count=count, **settings)
                )
            for place in range(count):
                results["ranked_ids"][place][some] = ids[: len(some), place]
                results["ranked_cycles"][place][some] = cycles[: len(some), place]
            results["num_ties"][some] = num_ties[: len(some)]

    def repair(self, results: PyTree[np.ndarray], row: int, columns: Columns) -> None:
        """See `LabelTask`."""
        results["design_id"][row], results["cycles"][row] = array_dataflow.label_in_python(
            *(int(column[row]) for column in columns), space=self.space, platform=self._platform
        )

    @property
    def _platform(self) -> Platform:
        return Platform(runtime_model=self.runtime_model)

    def outputs(self, results: PyTree[np.ndarray]) -> list[np.ndarray]:
        """See `LabelTask`."""
        ids = results["design_id"]
        exponents = self.space.row_exponent, self.space.col_exponent
        sides = [np.left_shift(np.int32(1), exponent).take(ids) for exponent in exponents]
        dataflows = self.space.dataflow.astype(np.int8).take(ids)
        arrays = [ids, *sides, dataflows, results["cycles"]]
        if self.runner_up:
            arrays += [results["ranked_cycles"][1], results["num_ties"]]
        if self.topk > 1:
            for name in ("ranked_ids", "ranked_cycles"):
                arrays.append(np.stack(results[name][: self.topk], axis=1))
        if self.report is Report.COSTS:
            costs = results["costs"]
            arrays.append(np.where(costs == ranking.NEVER, -1, costs))
        return arrays

    def objection(self, columns: Columns, row: int) -> tuple[str, str]:
        """See `LabelTask`."""
        return outside(array_dataflow.LIMITS, columns, row)
