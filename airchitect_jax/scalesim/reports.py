"""The report files of the scalesim 3.0.0 package, byte for byte.

A number is printed as `str` prints it, so its type counts: a cycle of the DRAM is a float, a count
of words an integer.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from airchitect_jax.scalesim.lines import ComputeCounts
from airchitect_jax.scalesim.settings import Settings
from airchitect_jax.scalesim.topology import ScalesimLayer

if TYPE_CHECKING:
    from airchitect_jax.scalesim.lines.memory import MemoryCounts

Number: TypeAlias = int | float | np.float64
_Column: TypeAlias = tuple[str, Callable[["LayerReport"], object]]
_RULE = "=" * 52
_OPERANDS = ("ifmap", "filter", "ofmap")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerReport:
    """What the package reports of a layer; averages are in words per cycle.

    Attributes:
      name: of the layer.
      total_cycles: the index of the last cycle, counted from 0, stalls included.
      stall_cycles: waiting for operands or for room for outputs.
      overall_utilization: MACs per MAC unit and total cycle, percent.
      mapping_efficiency: MAC units with work, percent of all.
      compute_utilization: MACs per MAC unit and cycle of computing, percent.
      original_filter_storage: words of the dense filter; 0 without sparsity.
      new_filter_storage: words of the compressed filter, metadata included.
      metadata_storage: words of its metadata.
      ifmap_sram_start_cycle, ifmap_sram_stop_cycle: first and last line with a request.
      ifmap_sram_reads: words.
      filter_sram_start_cycle, filter_sram_stop_cycle, filter_sram_reads: likewise.
      ofmap_sram_start_cycle, ofmap_sram_stop_cycle, ofmap_sram_writes: likewise.
      ifmap_dram_start_cycle, ifmap_dram_stop_cycle: negative before the first line.
      ifmap_dram_reads: words.
      filter_dram_start_cycle, filter_dram_stop_cycle, filter_dram_reads: likewise.
      ofmap_dram_start_cycle, ofmap_dram_stop_cycle, ofmap_dram_writes: likewise.
    """

    name: str
    total_cycles: int
    stall_cycles: int
    overall_utilization: Number
    mapping_efficiency: Number
    compute_utilization: Number
    original_filter_storage: Number
    new_filter_storage: Number
    metadata_storage: Number
    ifmap_sram_start_cycle: Number
    ifmap_sram_stop_cycle: Number
    ifmap_sram_reads: Number
    filter_sram_start_cycle: Number
    filter_sram_stop_cycle: Number
    filter_sram_reads: Number
    ofmap_sram_start_cycle: Number
    ofmap_sram_stop_cycle: Number
    ofmap_sram_writes: Number
    ifmap_dram_start_cycle: Number
    ifmap_dram_stop_cycle: Number
    ifmap_dram_reads: Number
    filter_dram_start_cycle: Number
    filter_dram_stop_cycle: Number
    filter_dram_reads: Number
    ofmap_dram_start_cycle: Number
    ofmap_dram_stop_cycle: Number
    ofmap_dram_writes: Number

    @property
    def total_cycles_with_prefetch(self) -> int:
        """Cycles from the first read of the DRAM to the last write."""
        first = min(self.ifmap_dram_start_cycle, self.filter_dram_start_cycle)
        return int(self.ofmap_dram_stop_cycle - first)

    def sram_bandwidth(self, operand: str) -> Number:
        """Average of an operand: "ifmap", "filter" or "ofmap"."""
        return self._field(operand, "sram", _words(operand)) / self.total_cycles

    @property
    def metadata_sram_bandwidth(self) -> Number:
        """Average of the metadata of a sparse filter."""
        return self.metadata_storage / self.total_cycles

    def dram_bandwidth(self, operand: str) -> Number:
        """Average of an operand between its first and its last cycle."""
        start, stop = (self._field(operand, "dram", f"{end}_cycle") for end in ("start", "stop"))
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._field(operand, "dram", _words(operand)) / (stop - start + 1)

    def _field(self, operand: str, memory: str, name: str) -> Number:
        value: Number = getattr(self, f"{operand}_{memory}_{name}")
        return value


def layer_report(
    settings: Settings, layer: ScalesimLayer, counts: ComputeCounts, memory: MemoryCounts
) -> LayerReport:
    """Puts together what the array and its memories count of a layer.

    Raises:
      ValueError: a run of one cycle, which the package counts as none and divides by.
    """
    if not memory.total_cycles:
        raise ValueError(
            "total_cycles: 0 is not allowed; the package crashes with a run of one cycle, as it"
            " divides by the last cycle's index"
        )
    num_macs = settings.rows * settings.cols
    return LayerReport(
        name=layer.name,
        total_cycles=memory.total_cycles,
        stall_cycles=memory.stall_cycles,
        overall_utilization=layer.num_macs * 100 / (memory.total_cycles * num_macs),
        mapping_efficiency=counts.mapping_efficiency * 100,
        compute_utilization=counts.compute_utilization * 100,
        original_filter_storage=counts.original_filter_storage,
        new_filter_storage=counts.new_filter_storage,
        metadata_storage=counts.metadata_storage,
        ifmap_sram_reads=counts.ifmap_sram_reads,
        filter_sram_reads=counts.filter_sram_reads,
        ofmap_sram_writes=counts.ofmap_sram_writes,
        **{f"{one}_dram_{_words(one)}": getattr(memory, one).dram_words for one in _OPERANDS},
        **{
            f"{one}_{kind}_{end}_cycle": getattr(getattr(memory, one), f"{kind}_{end}")
            for one in _OPERANDS
            for kind in ("sram", "dram")
            for end in ("start", "stop")
        },
    )


def report_texts(settings: Settings, reports: Sequence[LayerReport]) -> dict[str, str]:
    """The text of each report file, by the name of the file."""
    files: dict[str, list[_Column]] = {
        "COMPUTE_REPORT.csv": _COMPUTE,
        "BANDWIDTH_REPORT.csv": [
            (f"Avg {name} BW", average) for name, average in _averages(settings)
        ],
        "DETAILED_ACCESS_REPORT.csv": _detailed(),
    }
    if settings.sparsity:
        kind = settings.sparse_representation
        files["SPARSE_REPORT.csv"] = [("Sparsity Representation", lambda _: kind), *_SPARSE]
    texts = {file: _table(columns, reports) for file, columns in files.items()}
    if settings.sparsity:  # the one header with a space at its end
        texts["SPARSE_REPORT.csv"] = texts["SPARSE_REPORT.csv"].replace(",\n", ", \n", 1)
    return texts


def printed_settings(settings: Settings, topology: str, layout: str) -> str:
    """What the package prints of a configuration and the paths of the other files."""
    flows = {"os": "Output Stationary", "ws": "Weight Stationary", "is": "Input Stationary"}
    lines = [
        _RULE,
        "******************* SCALE SIM **********************",
        _RULE,
        f"Array Size: \t{settings.rows}x{settings.cols}",
        f"SRAM IFMAP (kB): \t{settings.ifmap_sram_kb}",
        f"SRAM Filter (kB): \t{settings.filter_sram_kb}",
        f"SRAM OFMAP (kB): \t{settings.ofmap_sram_kb}",
        f"Dataflow: \t{flows[settings.dataflow]}",
        f"topology file path: \t{topology}",
        f"layout file path: \t{layout}",
        "Working in ESTIMATE BANDWIDTH mode.",
        _RULE,
    ]
    if settings.user_bandwidth:
        lines[-2:-1] = [
            f"Bandwidth: \t{','.join(map(str, settings.bandwidths))}",
            "Working in USE USER BANDWIDTH mode.",
        ]
    return "\n".join(lines)


def printed_text(settings: Settings, report: LayerReport) -> str:
    """What the package prints of a layer."""
    lines = [
        f"Total cycles: {report.total_cycles_with_prefetch}",
        f"Compute cycles: {report.total_cycles}",
        f"Stall cycles: {report.stall_cycles}",
        f"Overall utilization: {report.overall_utilization:.2f}%",
        f"Mapping efficiency: {report.mapping_efficiency:.2f}%",
    ]
    for name, average in _averages(settings):
        name = name.replace("FILTER", "Filter")
        lines.append(f"Average {name} BW: {average(report):.3f} words/cycle")
    return "\n".join(lines)


def _words(operand: str) -> str:
    return "writes" if operand == "ofmap" else "reads"


def _averages(settings: Settings) -> list[tuple[str, Callable[[LayerReport], Number]]]:
    """Averages by what they are of, in the package's order."""
    ifmap, filters, ofmap = (
        (f"{operand.upper()} SRAM", operator.methodcaller("sram_bandwidth", operand))
        for operand in _OPERANDS
    )
    metadata = ("FILTER Metadata SRAM", operator.attrgetter("metadata_sram_bandwidth"))
    dram = [
        (f"{operand.upper()} DRAM", operator.methodcaller("dram_bandwidth", operand))
        for operand in _OPERANDS
    ]
    return [ifmap, filters, *([metadata] if settings.sparsity else []), ofmap, *dram]


def _detailed() -> list[_Column]:
    columns: list[_Column] = []
    for memory in ("sram", "dram"):
        for operand in _OPERANDS:
            title = f"{memory.upper()} {'Filter' if operand == 'filter' else operand.upper()}"
            for what in ("start_cycle", "stop_cycle", _words(operand)):
                header = f"{title} {what.replace('_', ' ').title()}"
                columns.append((header, operator.attrgetter(f"{operand}_{memory}_{what}")))
    return columns


def _table(columns: Sequence[_Column], reports: Sequence[LayerReport]) -> str:
    rows = [["LayerID", *(header for header, _ in columns)]]
    rows += [
        [str(layer_id), *(str(value(report)) for _, value in columns)]
        for layer_id, report in enumerate(reports)
    ]
    return "".join(", ".join(row) + ",\n" for row in rows)


_COMPUTE: list[_Column] = [
    ("Total Cycles (incl. prefetch)", operator.attrgetter("total_cycles_with_prefetch")),
    ("Total Cycles", operator.attrgetter("total_cycles")),
    ("Stall Cycles", operator.attrgetter("stall_cycles")),
    ("Overall Util %", operator.attrgetter("overall_utilization")),
    ("Mapping Efficiency %", operator.attrgetter("mapping_efficiency")),
    ("Compute Util %", operator.attrgetter("compute_utilization")),
]
_SPARSE: list[_Column] = [
    ("Original Filter Storage", operator.attrgetter("original_filter_storage")),
    ("New Storage (Filter+Metadata)", operator.attrgetter("new_filter_storage")),
    ("Filter Metadata Storage", operator.attrgetter("metadata_storage")),
    ("Avg FILTER Metadata SRAM BW", operator.attrgetter("metadata_sram_bandwidth")),
]
