"""The costs of given designs, in every field of their report, as a labelling task."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, PyTree

from airchitect_jax._support import MAX_DIM
from airchitect_jax._support.arrow import pa
from airchitect_jax.cost import (
    MAX_BANDWIDTH,
    MAX_SRAM_BYTES,
    Platform,
    evaluate_mappings,
    machine_prices,
    memory_reports,
)
from airchitect_jax.cost.evaluate import evaluate
from airchitect_jax.cost.platform import BUFFERS
from airchitect_jax.labelling.tasks import DATAFLOWS, Columns, outside, whole_type
from airchitect_jax.scalesim.replay import replay
from airchitect_jax.types import (
    ArrayDesign,
    ArrayShape,
    BufferSizes,
    Dataflow,
    Gemm,
    LoopOrder,
    Memory,
    MemoryModel,
)
from airchitect_jax.types import Mapping as TiledMapping
from airchitect_jax.version import __version__

_DIM = (1, MAX_DIM)
_DESIGN = {
    **dict.fromkeys(("m", "n", "k", "rows", "cols"), _DIM),
    "dataflow": (0, len(Dataflow) - 1),
}
_KB = 1024
_REFUSED = "refused"  # among the results: rows that the model refuses


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationTask:
    """Every field of the report of a design for a workload, both in the columns.

    Attributes:
      model: of the memory; None for the stall-free report (`CostReport`). `TILED` takes a mapping
        and the values of the axes of the platform's hardware, `SCALESIM3` sizes in whole KB.
      platform: the rest of the machine.
    """

    model: MemoryModel | None = None
    platform: Platform = dataclasses.field(default_factory=Platform)

    chunk = 1 << 14

    @functools.cached_property
    def limits(self) -> Mapping[str, tuple[int, int]]:
        """The columns with their allowed ranges."""
        sizes = (2, MAX_SRAM_BYTES)
        match self.model:
            case None:
                return _DESIGN
            case MemoryModel.TILED:
                axes = dict.fromkeys(self.platform.hardware.axes, (1, 2**53))
                tiles = {
                    f"{kind}_{dim}": _DIM for kind in ("tile", "cores") for dim in ("m", "n", "k")
                }
                return {**_DESIGN, **axes, "order": (0, len(LoopOrder) - 1), **tiles}
            case MemoryModel.SCALESIM3:
                sizes = (_KB, MAX_SRAM_BYTES)
        bandwidth = {"bandwidth_bytes_per_cycle": (1, MAX_BANDWIDTH)}
        return {**_DESIGN, **dict.fromkeys(BUFFERS, sizes), **bandwidth}

    @property
    def inputs(self) -> tuple[str, ...]:
        """See `LabelTask`."""
        return tuple(self.limits)

    @property
    def names(self) -> Mapping[str, Sequence[str]]:
        """See `LabelTask`."""
        return {**DATAFLOWS, "order": [order.name for order in LoopOrder]}

    @property
    def metadata(self) -> dict[str, str]:
        """The models and the version."""
        return {
            "memory_model": "none" if self.model is None else self.model.value,
            "runtime_model": self.platform.runtime_model.value,
            "interface": self.platform.interface.value,
            "airchitect_jax": __version__,
        }

    @functools.cached_property
    def _fields(self) -> dict[str, np.dtype]:
        """Names and types of the report, from that of one small design."""
        return {name: values.dtype for name, values in self._report(self._safe(1)).items()}

    @property
    def schema(self) -> pa.Schema:
        """See `LabelTask`: the columns, then the report."""
        fields = [(name, whole_type(high)) for name, (_, high) in self.limits.items()]
        fields += [(name, pa.from_numpy_dtype(kind)) for name, kind in self._fields.items()]
        rows = [pa.field(name, kind, nullable=False) for name, kind in fields]
        return pa.schema(rows, metadata=self.metadata)

    def compute(self, columns: Columns) -> tuple[PyTree[np.ndarray], Any]:
        """See `LabelTask`. On the host: reports refuse whole batches for one row."""
        given = {name: np.asarray(c) for name, c in zip(self.inputs, columns, strict=True)}
        num = len(columns[0])
        valid = np.ones(num, bool)
        for name, (low, high) in self.limits.items():
            valid &= (given[name] >= low) & (given[name] <= high)
        safe = self._safe(num)
        rows = {name: np.where(valid, given[name], safe[name]) for name in given}
        results: dict[str, Any] = {name: np.zeros(num, kind) for name, kind in self._fields.items()}
        results[_REFUSED] = np.zeros(num, bool)
        self._fill(results, rows, 0, num)
        return results, valid

    def _fill(
        self, results: dict[str, Any], rows: Mapping[str, np.ndarray], first: int, end: int
    ) -> None:
        """Fills in the reports of some rows, halving them to find those that are refused."""
        try:
            report = self._report({name: column[first:end] for name, column in rows.items()})
        except ValueError:
            if end - first == 1:
                results[_REFUSED][first] = True
                return
            middle = (first + end) // 2
            self._fill(results, rows, first, middle)
            self._fill(results, rows, middle, end)
        else:
            for name, values in report.items():
                results[name][first:end] = values

    def _safe(self, num: int) -> dict[str, np.ndarray]:
        """A design that no model refuses, so many times."""
        hardware = {name: values[0] for name, values in self.platform.hardware.axes.items()}
        values = {name: max(1, low) for name, (low, _) in self.limits.items()}
        if self.model is MemoryModel.TILED:
            values |= hardware
        return {name: np.full(num, value, np.int64) for name, value in values.items()}

    def _report(self, rows: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """The fields of the reports by name, those of the traffic among them."""
        gemm = Gemm(**{name: rows[name] for name in ("m", "n", "k")})
        array = {name: rows[name] for name in ("rows", "cols")}
        design = ArrayDesign(**array, dataflow=rows["dataflow"])
        report: Any
        if self.model is None:
            report = evaluate(gemm, design, runtime_model=self.platform.runtime_model)
        elif self.model is MemoryModel.TILED:
            report = self._tiled(gemm, rows)
        elif self.model is MemoryModel.SCALESIM3:
            sizes = {}
            for name in BUFFERS:
                if np.any(rows[name] % _KB):
                    raise ValueError(f"{name}: expected multiples of {_KB}")
                sizes[name.replace("_bytes", "_kb")] = rows[name] // _KB
            bandwidth = rows["bandwidth_bytes_per_cycle"]
            report = replay(
                gemm,
                ArrayShape(**array),
                rows["dataflow"],
                **sizes,
                bandwidth_words_per_cycle=bandwidth,
            )
        else:
            memory = Memory(
                buffers=BufferSizes(**{name: rows[name] for name in BUFFERS}),
                bandwidth_bytes_per_cycle=rows["bandwidth_bytes_per_cycle"],
                element_bytes=self.platform.element_bytes,
            )
            report = memory_reports(gemm, design, memory, self.platform)
        return {
            name: np.asarray(value)
            for part in (report, getattr(report, "traffic", None))
            if part is not None
            for name, value in vars(part).items()
            if name != "traffic"
        }

    def _tiled(self, gemm: Gemm, rows: Mapping[str, Any]) -> Any:
        rates = sorted({int(rate) for rate in rows["bandwidth_bytes_per_second"]})
        space = dataclasses.replace(self.platform.hardware, bandwidth_bytes_per_second=tuple(rates))
        platform = dataclasses.replace(self.platform, hardware=space)
        hardware = platform.hardware_of(**{name: rows[name] for name in space.axes})
        fields = [field.name for field in dataclasses.fields(TiledMapping)]
        mapping = TiledMapping(**{name: rows[name] for name in fields})
        prices = machine_prices(hardware, platform)
        return evaluate_mappings(gemm, mapping, hardware, platform, prices)

    def inexact(self, results: PyTree[np.ndarray]) -> Bool[np.ndarray, "rows"]:
        """See `LabelTask`: the rows that are refused."""
        return results[_REFUSED]

    def retry(self, results: PyTree[np.ndarray], columns: Columns) -> None:
        """See `LabelTask`: there is no other way."""

    def repair(self, results: PyTree[np.ndarray], row: int, columns: Columns) -> None:
        """See `LabelTask`: raises what the model says of the row."""
        del results
        pairs = zip(self.inputs, columns, strict=True)
        try:
            self._report({name: np.asarray(column[row : row + 1]) for name, column in pairs})
        except ValueError as error:
            raise ValueError(str(error).replace(" at row 0", "")) from None

    def outputs(self, results: PyTree[np.ndarray]) -> list[np.ndarray]:
        """See `LabelTask`."""
        return [results[name] for name in self._fields]

    def objection(self, columns: Columns, row: int) -> tuple[str, str]:
        """See `LabelTask`."""
        return outside(self.limits, columns, row)
