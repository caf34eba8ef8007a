"""Runs a SCALE-Sim configuration on a topology: files in, the package's reports and traces out."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import shutil
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from jaxtyping import Num

from airchitect_jax._support import check_fits, check_regular, write_text
from airchitect_jax.scalesim import lines
from airchitect_jax.scalesim.layer import LayerLayout, ScalesimLayer
from airchitect_jax.scalesim.layout_file import read_layout
from airchitect_jax.scalesim.reports import LayerReport, layer_report, report_texts
from airchitect_jax.scalesim.settings import Settings
from airchitect_jax.scalesim.settings_file import read_settings
from airchitect_jax.scalesim.topology import read_layers
from airchitect_jax.scalesim.trace_files import TraceFiles

if TYPE_CHECKING:
    from airchitect_jax.scalesim.lines.memory import Latencies

PathLike: TypeAlias = str | pathlib.Path
# Layers of less than this together are simulated before another process has started.
_FEW_WORDS = 30_000_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScalesimResult:
    """A run of a whole topology.

    Attributes:
      settings: the configuration.
      layers: a report per layer.
    """

    settings: Settings
    layers: tuple[LayerReport, ...]

    def write(self, folder: PathLike) -> None:
        """Writes the package's reports: three files, and a fourth if filters are sparse.

        They are COMPUTE_REPORT.csv, BANDWIDTH_REPORT.csv, DETAILED_ACCESS_REPORT.csv and
        SPARSE_REPORT.csv.

        Raises:
          OSError: a file cannot be written.
        """
        for name, text in report_texts(self.settings, self.layers).items():
            write_text(pathlib.Path(folder) / name, text)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """A run that has been read and not yet been simulated.

    Attributes:
      settings: the configuration.
      layers: the layers.
      layout: the layout of operands with a custom one; None if there are none.
    """

    settings: Settings
    layers: tuple[ScalesimLayer, ...]
    layout: LayerLayout | None


def run(
    config: PathLike | Settings,
    topology: PathLike | Sequence[ScalesimLayer],
    layout: PathLike | LayerLayout | None = None,
    *,
    input_type: str = "conv",
    strict: bool = False,
    jobs: int = 1,
    trace_folder: PathLike | None = None,
    latency_folder: PathLike = "results",
) -> ScalesimResult:
    """Runs each layer as the scalesim 3.0.0 package does, to the last word and cycle.

    Args:
      config: a configuration, or the path of one (.cfg).
      topology: the layers, or the path of a topology (.csv).
      layout: a layout, or the path of one (.csv); only custom layouts need one.
      input_type: of a topology's file: "conv" or "gemm".
      strict: refuse files that the package reads otherwise than they are written; else warn.
      jobs: processes that simulate layers.
      trace_folder: gets a folder per layer, layer0, layer1, ..., with six traces in each; none are
        written by default.
      latency_folder: with UseRamulatorTrace, where the latencies of DRAM requests are.

    Raises:
      ValueError: a file or a setting that the package does not survive, either.
    """
    plan = read_plan(config, topology, layout, input_type=input_type, strict=strict)
    reports = simulate(plan, jobs=jobs, trace_folder=trace_folder, latency_folder=latency_folder)
    return ScalesimResult(settings=plan.settings, layers=tuple(reports))


def read_plan(
    config: PathLike | Settings,
    topology: PathLike | Sequence[ScalesimLayer],
    layout: PathLike | LayerLayout | None = None,
    *,
    input_type: str = "conv",
    strict: bool = False,
) -> Plan:
    """Reads what a run needs; the arguments are those of `run`.

    Raises:
      ValueError: a file or a setting that the package does not survive, either.
    """
    settings = config if isinstance(config, Settings) else read_settings(config, strict=strict)
    if isinstance(topology, (str, pathlib.Path)):
        layers = read_layers(topology, input_type=input_type, strict=strict)
    else:
        layers = tuple(topology)
    ifmap, filters = settings.ifmap_custom_layout, settings.filter_custom_layout
    if isinstance(layout, (str, pathlib.Path)):
        layout = read_layout(layout, ifmap=ifmap, filters=filters, strict=strict)
    elif layout is None and (ifmap or filters):
        raise ValueError("layout: None is not allowed; expected a layout, as an operand has one")
    return Plan(settings=settings, layers=layers, layout=layout)


def simulate(
    plan: Plan,
    *,
    jobs: int = 1,
    trace_folder: PathLike | None = None,
    latency_folder: PathLike = "results",
) -> Iterator[LayerReport]:
    """A report per layer, in their order; the arguments are those of `run`.

    Equal layers, such as the channels of a depthwise convolution, are simulated once.

    Raises:
      ValueError: a layer that the package does not survive, either.
    """
    traces = None if trace_folder is None else pathlib.Path(trace_folder)
    needs_latencies = plan.settings.ramulator and plan.settings.user_bandwidth
    first_of: dict[tuple[ScalesimLayer, int], int] = {}
    tasks: list[_Task] = []
    task_of = []
    results: Iterator[LayerReport]
    for number, layer in enumerate(plan.layers):
        key = dataclasses.replace(layer, name=""), number if needs_latencies else 0
        if key not in first_of:
            first_of[key] = len(tasks)
            tasks.append(
                _Task(
                    settings=plan.settings,
                    layer=layer,
                    number=number,
                    layout=plan.layout,
                    traces=traces,
                    latencies=pathlib.Path(latency_folder) if needs_latencies else None,
                )
            )
        task_of.append(first_of[key])
    if sum(_num_words(plan.settings, task.layer) for task in tasks) < _FEW_WORDS:
        jobs = 1
    if jobs == 1 or len(tasks) < 2:
        results = map(_simulate_layer, tasks)
    else:
        from airchitect_jax.scalesim.pool import map_in_order  # takes a while to import

        results = map_in_order(_simulate_layer, tasks, jobs)
    done: list[LayerReport] = []
    for number, (layer, task) in enumerate(zip(plan.layers, task_of, strict=True)):
        if task == len(done):
            done.append(next(results))
        elif traces is not None:
            original = traces / f"layer{tasks[task].number}"
            shutil.copytree(original, traces / f"layer{number}", dirs_exist_ok=True)
        yield dataclasses.replace(done[task], name=layer.name)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Task:
    """A layer's simulation, as another process gets it."""

    settings: Settings
    layer: ScalesimLayer
    number: int
    layout: LayerLayout | None
    traces: pathlib.Path | None
    latencies: pathlib.Path | None


def _simulate_layer(task: _Task) -> LayerReport:
    from airchitect_jax.scalesim.lines.memory import simulate as simulate_memory  # imports numba

    settings, layer = task.settings, task.layer
    latencies = None if task.latencies is None else _latencies(task.latencies, task.number)
    with contextlib.ExitStack() as stack:
        traces = None
        if task.traces is not None:
            traces = stack.enter_context(TraceFiles(task.traces / f"layer{task.number}"))
        try:
            _check_memory(layer)
            matrices = lines.operands(settings, layer)
            counts = lines.counts(settings, layer, matrices)
            memory = simulate_memory(
                settings,
                lines.prefetch(settings, layer, matrices, task.layout),
                lines.demand(settings, matrices),
                latencies=latencies,
                traces=traces,
            )
            return layer_report(settings, layer, counts, memory)
        except ValueError as error:
            raise ValueError(f"layer {task.number}, {layer.name!r}: {error}") from None


def _num_words(settings: Settings, layer: ScalesimLayer) -> int:
    """About as many words as the array asks for."""
    sides = {
        "os": (layer.ofmap_pixels, layer.num_filters, layer.window_size),
        "ws": (layer.window_size, layer.num_filters, layer.ofmap_pixels),
        "is": (layer.window_size, layer.ofmap_pixels, layer.num_filters),
    }
    s_r, s_c, t = sides[settings.dataflow]
    rows, cols = settings.rows, settings.cols
    folds = -(-s_r // rows) * -(-s_c // cols)
    return folds * (t + 2 * rows + cols) * (rows + 2 * cols)


def _check_memory(layer: ScalesimLayer) -> None:
    """Refuses a layer whose matrices of addresses do not fit into memory."""
    sides = layer.ofmap_pixels, layer.window_size, layer.num_filters
    words = sides[0] * sides[1] + sides[1] * sides[2] + sides[0] * sides[2]
    check_fits("sizes", "x".join(map(str, sides)), words * 8, "the package, too, needs it")


def _latencies(folder: pathlib.Path, number: int) -> Latencies:
    """Latencies of the DRAM requests of ifmap, filter and ofmap."""
    ifmap, filters, ofmap = (
        _read_latencies(folder / f"_{operand}File{number}.npy")
        for operand in ("ifmap", "filter", "ofmap")
    )
    return ifmap, filters, ofmap


def _read_latencies(path: pathlib.Path) -> Num[np.ndarray, " requests"]:
    check_regular(path)
    try:
        array = np.load(path, allow_pickle=False)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path}: not an array of numbers: {error}") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf" or array.ndim == 0:
        raise ValueError(f"{path}: expected an array of numbers")
    if array.size != len(array):
        raise ValueError(f"{path}: shape {array.shape} is not allowed; expected one number per row")
    if not np.isfinite(array).all():
        raise ValueError(f"{path}: a latency is not finite; expected finite numbers")
    return array.reshape(-1)
