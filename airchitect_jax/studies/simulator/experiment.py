"""A whole run: replays, networks of growing numbers of them, rivals, real networks, report."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import rich.console
from jaxtyping import Int

from airchitect_jax._support import environment, files, read_json
from airchitect_jax._support.files import write_json
from airchitect_jax.case_studies import BufferCase, out_of_range
from airchitect_jax.learning import (
    Dataset,
    Ranker,
    Split,
    evaluate_choices,
    performance_metrics,
    sample_dataset,
)
from airchitect_jax.learning.replayed import Replays, Sizer, TrainingConfig, collect, train
from airchitect_jax.scalesim.replay import replay
from airchitect_jax.studies.simulator import report, rivals
from airchitect_jax.types import ArrayShape, Gemm
from airchitect_jax.workloads import Network, overlapping_windows

NETWORK = "network"
_SEARCHED = 64  # workloads of the timed exhaustive search, which differ by a thousand times

Row = dict[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Sizes of a run.

    Attributes:
      seed: of everything random.
      num_train: workloads that are replayed in every sizing.
      num_test: unseen workloads.
      training: of the network that learns from all of them.
      curve: fewer workloads, to learn from these alone.
      curve_steps: of the networks of the curve.
      rival_train: most workloads for the other learners; 0 leaves them out.
      jobs: processes that replay.
    """

    seed: int
    num_train: int
    num_test: int
    training: TrainingConfig
    curve: tuple[int, ...]
    curve_steps: int
    rival_train: int
    jobs: int


def run(
    case: BufferCase,
    settings: Settings,
    folder: pathlib.Path,
    networks: Sequence[Network],
    console: rich.console.Console,
) -> dict[str, Any]:
    """Replays, trains and judges in a claimed workdir; what it holds already is kept."""

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    replays = collect(
        case,
        folder / "labels",
        seed=settings.seed,
        num=settings.num_train,
        split=Split.TRAIN,
        jobs=settings.jobs,
        on_shard=lambda num: say(f"{num} workloads replayed"),
    )
    test = sample_dataset(case, seed=settings.seed, num=settings.num_test, split=Split.TEST)
    rows: list[Row] = [
        {"model": name, "workloads": 0, "train_seconds": 0.0, **_metrics(case, test, chosen)}
        for name, chosen in case.heuristics(test.workloads).items()
    ]
    sizes = {*(num for num in settings.curve if num < len(replays)), len(replays)}
    for num in sorted(sizes, reverse=True):
        names = [NETWORK, *(rivals.RIVALS if num <= settings.rival_train else ())]
        for name in names:
            row = _kept(
                folder / "rows" / f"{name.replace(' ', '_')}_{num}.json",
                functools.partial(_row, case, name, replays.first(num), settings, test, folder),
            )
            say(
                f"{name}, {num} workloads: {row['optimal_set_accuracy']:.2%} optimal,"
                f" geomean {row['geomean_normalized_performance']:.3%}"
            )
            rows.append(row)
    rows.sort(key=lambda row: row["workloads"])
    whole = next(
        row for row in rows if row["model"] == NETWORK and row["workloads"] == len(replays)
    )
    sizer = Sizer.load(case, _weights(folder, len(replays)))
    summary: dict[str, Any] = {
        "num_parameters": sum(values.size for values in sizer.parameters.values()),
        **whole,
        **_speed(case, sizer, test.workloads),
        "rows": rows,
        "networks": [_of_network(case, sizer, network) for network in networks],
        "environment": environment(),
    }
    write_json(folder / "summary.json", summary)
    files.write_text(folder / "report.html", report.page(summary, dataclasses.asdict(settings)))
    report.save_figures(folder, summary)
    console.print(report.closing_table(rows))
    return summary


def _weights(folder: pathlib.Path, num: int) -> pathlib.Path:
    return folder / "networks" / f"{num}.npz"


def _kept(path: pathlib.Path, make: Callable[[], Row]) -> Row:
    """The row of a file, which is made if there is none."""
    if not path.exists():
        write_json(path, make())
    row: Row = read_json(path)
    return row


def _row(
    case: BufferCase,
    name: str,
    replays: Replays,
    settings: Settings,
    test: Dataset,
    folder: pathlib.Path,
) -> Row:
    """Trains one learner on some workloads, and judges it."""
    ranker: Ranker
    if name == NETWORK:
        config = settings.training
        if len(replays) < settings.num_train:
            config = dataclasses.replace(config, steps=min(config.steps, settings.curve_steps))
        trained = train(case, replays, config, seed=settings.seed)
        origin = {**dataclasses.asdict(config), "workloads": len(replays), "seed": settings.seed}
        trained.sizer.save(_weights(folder, len(replays)), origin | {"case": case.settings})
        ranker, seconds = trained.sizer, trained.seconds
    else:
        ranker, seconds = rivals.fit(name, case, replays, settings.seed)
    return {
        "model": name,
        "workloads": len(replays),
        "label_seconds": replays.seconds,
        "train_seconds": seconds,
        "microseconds_per_workload": 1e6 / ranker.per_second(test.workloads),
        **_metrics(case, test, ranker.rank(test.workloads)[0][:, 0]),
    }


def _metrics(case: BufferCase, test: Dataset, chosen: Int[np.ndarray, "num"]) -> dict[str, float]:
    return evaluate_choices(case, test, chosen).metrics


def _speed(case: BufferCase, sizer: Sizer, workloads: Int[np.ndarray, "features num"]) -> Row:
    """Seconds per workload of the network, of an exhaustive search and of the exact search."""
    values = {
        name: np.asarray(column, np.int64)[:_SEARCHED, None]
        for name, column in case.by_name(workloads).items()
    }
    sizes = case.space.levels.T * case.space.step_kb

    def exhaustive(num: int) -> None:
        some = {name: column[:num] for name, column in values.items()}
        replay(
            Gemm(m=some["m"], n=some["n"], k=some["k"]),
            ArrayShape(rows=1 << some["row_exponent"], cols=1 << some["col_exponent"]),
            some["dataflow"],
            ifmap_sram_kb=sizes[0],
            filter_sram_kb=sizes[1],
            ofmap_sram_kb=sizes[2],
            bandwidth_words_per_cycle=some["bandwidth_bytes_per_cycle"],
        )

    network = 1 / sizer.per_second(workloads)
    searched = _seconds(exhaustive, len(values["m"]))
    exact = _seconds(lambda num: case.exact(workloads[:, :num]), workloads.shape[1])
    return {
        "microseconds_per_workload": 1e6 * network,
        "exhaustive_search_ms_per_workload": 1e3 * searched,
        "exact_search_ms_per_workload": 1e3 * exact,
        "times_faster_than_exhaustive_search": searched / network,
        "times_faster_than_exact_search": exact / network,
    }


def _seconds(search: Callable[[int], Any], num: int) -> float:
    """Seconds per workload of a search of the first `num`, after one that compiles."""
    search(1)
    search(num)
    start = time.perf_counter()
    search(num)
    return (time.perf_counter() - start) / num


def _of_network(case: BufferCase, sizer: Sizer, network: Network) -> Row:
    """The layers in the trained ranges, in all contexts of the case study."""
    workloads = np.concatenate(
        [case.from_gemms(network.gemms, context) for context in case.contexts], axis=1
    )
    counts = np.tile([layer.count for layer in network.layers], len(case.contexts))
    known = ~out_of_range(case, workloads)
    row: Row = {
        "network": network.name,
        "layers": len(network.layers),
        "in_range": int(known.sum()) // len(case.contexts),
        "note": overlapping_windows(network),
    }
    if not known.any():
        return row
    workloads, counts = workloads[:, known], counts[known]
    optimum = case.exact(workloads)
    costs = case.costs(workloads, sizer.rank(workloads)[0][:, 0])
    performance = np.asarray(optimum.cost / costs)
    return row | {
        "optimal_set_accuracy": float(np.mean(costs == optimum.cost)),
        **performance_metrics(performance),
        "normalized_performance": float((optimum.cost * counts).sum() / (costs * counts).sum()),
    }
