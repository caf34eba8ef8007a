"""Case study 3: learn the best schedule of workloads on heterogeneous arrays.

Draws as many GEMMs as there are arrays, labels them by exact search over all schedules, trains a
network on the labels, and evaluates it on unseen sets and on the layers of real networks. Writes
figures, report.html and summary.json into the workdir. With --workloads or --num_workloads it
schedules a queue for each array instead, and writes that schedule.

  preset   --model=symmetric        --model=airchitect        --model=paper
  smoke    2 x 131072, stored       2 x 524288, stored        2 x 32768, stored
  default  8 x 131072, streamed     32 x 2097152, streamed    4 x 1048576, streamed
  paper    24 x 131072, streamed    200 x 2097152, streamed   40 x 1048576, streamed

These are training examples. On two CPU cores, smoke takes half a minute, default 2 to 5 minutes,
and paper 3 to 10 times as long as default.

  airchitect case_study3 --preset=smoke --workdir=runs/smoke3
  airchitect case_study3 --model=paper --workdir=runs/paper3
  airchitect case_study3 --arrays=64x64,256x8,8x256
  airchitect case_study3 --workloads=resnet50 --workloads=mine.csv --num_workloads=12
"""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
import time

import jax
import numpy as np
import rich.console
from absl import flags

from airchitect_jax._support import files
from airchitect_jax.case_studies import ScheduleCase, plots
from airchitect_jax.experiments import gemm_flags, learning, resume_flag, runner
from airchitect_jax.learning import Dataset, Evaluation
from airchitect_jax.oracle import MAX_WORKLOADS, QueueSchedule, schedule_queues
from airchitect_jax.reporting import style
from airchitect_jax.reporting.style import Figure
from airchitect_jax.spaces import DEFAULT_ARRAYS, MAX_ARRAYS, MIN_ARRAYS
from airchitect_jax.types import Dataflow, Gemm
from airchitect_jax.workloads import Layer, Network, load_network, network_names, read_topology

flags.adopt_module_key_flags(learning)
flags.adopt_module_key_flags(gemm_flags)
flags.set_default(runner.WORKDIR, "runs/case_study3")

NUM_ARRAYS = flags.DEFINE_integer(
    "num_arrays",
    None,
    "How many of the default arrays "
    + ",".join(f"{array.rows}x{array.cols}" for array in DEFAULT_ARRAYS)
    + " there are; 4 unless --arrays says otherwise.",
    lower_bound=MIN_ARRAYS,
    upper_bound=MAX_ARRAYS,
)
ARRAYS = flags.DEFINE_string(
    "arrays", None, "Rows x cols of each array, separated by commas, for example 64x64,16x128."
)
NUM_WORKLOADS = flags.DEFINE_integer(
    "num_workloads",
    None,
    "Schedule this many workloads, in a queue for each array: the first of --workloads, or random"
    " ones. All of --workloads unless given.",
    lower_bound=1,
    upper_bound=MAX_WORKLOADS,
)
WORKLOADS = flags.DEFINE_multi_string(
    "workloads",
    [],
    "Networks whose layers compete for the arrays: SCALE-Sim topologies or names of packaged"
    " networks; may be given several times, and the networks take turns.",
)
TIME_LIMIT = flags.DEFINE_float(
    "time_limit",
    20.0,
    "Seconds for the solver, where there are too many workloads for exact search.",
    lower_bound=0.1,
    upper_bound=86_400,
)
_OWN = (NUM_ARRAYS, ARRAYS, *gemm_flags.ALL)
_MAX_LOGITS = 1 << 27  # of a batch: half a gigabyte, of which a step needs several

_CHANGES: learning.Changes = {
    "airchitect": {
        "smoke": {"num_train": 524_288, "learning_rate": 0.01},
        "default": {"epochs": 32},
        "paper": {"epochs": 200},
    },
    # A step has as many loads to learn from as an example has workloads.
    "symmetric": {
        "smoke": {"num_train": 131_072},
        "default": {"num_train": 131_072, "epochs": 8},
        "paper": {"num_train": 131_072, "epochs": 24},
    },
    "paper": {
        "smoke": {"num_train": 32_768, "batch_size": 512, "learning_rate": 0.01},
        "default": {"num_train": 1_048_576, "epochs": 4},
        "paper": {"num_train": 1_048_576, "epochs": 40},
    },
}


def gantt(case: ScheduleCase, test: Dataset, evaluation: Evaluation) -> Figure:
    """A chosen schedule beside the optimal one: the set at the first percentile of performance."""
    order = np.argsort(evaluation.normalized_performance, kind="stable")
    row = order[len(order) // 100 : len(order) // 100 + 1]
    schedules = {}
    for name, ids in (("chosen", evaluation.chosen), ("optimal", evaluation.optimal)):
        schedule = case.space.decode(ids[row])
        cycles = case.schedule_cycles(test.workloads[:, row], schedule)[0]
        schedules[f"{name}: {cycles.max():,} cycles"] = [
            (f"{workload} {Dataflow(int(flow)).name}", lane, 0.0, float(length))
            for lane, (workload, flow, length) in enumerate(
                zip(schedule.workload[0], schedule.dataflow[0], cycles, strict=True)
            )
        ]
    return plots.gantt(case.space.array_names, schedules)


def competing_layers(networks: list[Network], count: int | None) -> list[Layer]:
    """Layers of several networks in turns, each as often as it occurs.

    Raises:
      ValueError: there are fewer or more than allowed.
    """
    expanded = [
        [
            dataclasses.replace(layer, name=f"{network.name}/{layer.name}", count=1)
            for layer in network.layers
            for _ in range(min(layer.count, MAX_WORKLOADS + 1))
        ]
        for network in networks
    ]
    turns = itertools.zip_longest(*expanded)
    layers = [layer for turn in turns for layer in turn if layer is not None]
    if len(layers) < (count or 1):
        raise ValueError(f"--num_workloads: {count} is not allowed; --workloads has {len(layers)}")
    layers = layers[:count]
    if len(layers) > MAX_WORKLOADS:
        raise ValueError(
            f"--workloads: {len(layers)} layers are not allowed; expected at most {MAX_WORKLOADS},"
            " or give --num_workloads"
        )
    return layers


def _layers(case: ScheduleCase) -> list[Layer]:
    if WORKLOADS.value:
        networks = [
            load_network(name) if name in network_names() else read_topology(name)
            for name in WORKLOADS.value
        ]
        return competing_layers(networks, NUM_WORKLOADS.value)
    key = jax.random.key(runner.SEED.value)
    columns = np.asarray(case.sample(key, NUM_WORKLOADS.value or 1))[:3].T
    return [
        Layer(name=f"random {number}", m=int(m), n=int(n), k=int(k))
        for number, (m, n, k) in enumerate(columns)
    ]


def schedule(case: ScheduleCase, console: rich.console.Console) -> None:
    """Schedules queues and writes schedule.csv, figures/gantt.png and summary.json."""
    layers = _layers(case)
    settings = runner.values(
        *_OWN, NUM_WORKLOADS, WORKLOADS, TIME_LIMIT, runner.SEED, runner.WORKDIR
    )
    resume = resume_flag.RESUME.value
    with runner.claim(case.name, settings, resume=resume, free=learning.FREE) as folder:
        _schedule(case, layers, folder, console)


def _schedule(
    case: ScheduleCase, layers: list[Layer], folder: pathlib.Path, console: rich.console.Console
) -> None:
    dims = {name: np.array([getattr(layer, name) for layer in layers]) for name in "mnk"}
    start = time.perf_counter()
    found = schedule_queues(
        Gemm(**dims), case.arrays, runtime_model=case.runtime_model, time_limit_s=TIME_LIMIT.value
    )
    summary = {
        "case_study": case.name,
        **case.settings,
        "seed": runner.SEED.value,
        "num_workloads": len(layers),
        "makespan_cycles": found.makespan,
        "lower_bound_cycles": found.lower_bound,
        "gap": found.gap,
        "is_exact": found.is_exact,
        "array_cycles": found.loads.tolist(),
        "solve_seconds": round(time.perf_counter() - start, 3),
    }
    rows, bars = _rows(case, layers, found)
    files.write_text(folder / "schedule.csv", files.csv_text(rows))
    title = f"{len(layers)} workloads, {found.makespan:,} cycles"
    style.save_figures(folder, {"gantt": plots.gantt(case.space.array_names, {title: bars})})
    files.write_json(folder / "summary.json", summary)
    for row in rows:
        runner.say(console, "  ".join(map(str, row)))
    proof = "optimal" if found.is_exact else f"at most {found.gap:.4%} above the least"
    runner.say(
        console,
        f"makespan {found.makespan} cycles, lower bound {found.lower_bound}, {proof}: {folder}",
    )


def _rows(
    case: ScheduleCase, layers: list[Layer], found: QueueSchedule
) -> tuple[list[list[object]], list[plots.Bar]]:
    """One row per workload, in the order given, and its bar."""
    rows: list[list[object]] = [
        ["workload", "m", "n", "k", "array", "dataflow", "start_cycle", "cycles"]
    ]
    bars: list[plots.Bar] = []
    ends = [0] * len(case.arrays)
    for number, layer in enumerate(layers):
        array, length = int(found.array[number]), int(found.cycles[number])
        flow = Dataflow(int(found.dataflow[number])).name
        name = case.space.array_names[array]
        rows.append([layer.name, layer.m, layer.n, layer.k, name, flow, ends[array], length])
        bars.append((str(number), array, float(ends[array]), float(length)))
        ends[array] += length
    return rows, bars


def main(console: rich.console.Console) -> None:
    """Flags to configuration to library."""
    case = ScheduleCase.from_settings(runner.values(*_OWN))
    if WORKLOADS.value or NUM_WORKLOADS.value is not None:
        schedule(case, console)
        return
    config = learning.run_config(learning.presets(case, _CHANGES), "symmetric")
    if config.batch_size * case.space.num_designs > _MAX_LOGITS:
        raise ValueError(
            f"--batch_size: {config.batch_size} is not allowed; expected at most"
            f" {_MAX_LOGITS // case.space.num_designs} for {case.space.num_designs} designs"
        )
    learning.learn(
        case,
        config,
        _OWN,
        console,
        extra_figures={
            "gantt": (
                "A chosen schedule beside the optimal one: the set at the first percentile of"
                " normalized performance.",
                lambda test, evaluation: gantt(case, test, evaluation),
            )
        },
    )


if __name__ == "__main__":
    runner.run_main(main, interrupted="give --resume to go on from the last epoch")
