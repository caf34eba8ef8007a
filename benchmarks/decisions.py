"""Seconds per decision of networks, exhaustive search, and exhaustive search by simulation.

Prints one row per problem and contender, for case studies and sizes of the design space. The
contenders are a network (not trained, since its time does not depend on its weights) and exhaustive
search, both compiled, for single workloads and in large batches, without transfers; and, where the
scalesim package is installed, the seconds of one run of a GEMM of --side times the number of runs
that exhaustive search needs. The package simulates cycle by cycle, so it takes longer for larger
GEMMs, which most of the drawn workloads are.

python -m benchmarks.decisions --figure=decisions.png --output=decisions.jsonl
"""

from __future__ import annotations

import dataclasses
import importlib.util
import pathlib
import statistics
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from absl import flags
from flax import nnx
from jaxtyping import Array, Int

from airchitect_jax._support import files
from airchitect_jax.baselines.registry import networks
from airchitect_jax.case_studies import ArrayDataflowCase, BufferCase, CaseStudy, ScheduleCase
from airchitect_jax.learning import first_argmax
from airchitect_jax.reporting.style import to_png
from airchitect_jax.scalesim import run_gemm
from airchitect_jax.scalesim.package_process import Package
from airchitect_jax.spaces import DEFAULT_ARRAYS
from airchitect_jax.studies.models import plots
from airchitect_jax.types import ArrayShape, Dataflow, Gemm, Interface, MemoryModel
from benchmarks import common

flags.adopt_module_key_flags(common)
SIDE = flags.DEFINE_integer("side", 128, "m, n and k of the simulated GEMM.", lower_bound=2)
MAX_ARRAYS = flags.DEFINE_integer(
    "max_arrays", 5, "Maximum number of arrays of case study 3.", lower_bound=2, upper_bound=6
)
FIGURE = flags.DEFINE_string("figure", None, "File for the figure, a PNG.")

_ARRAY = ArrayShape(rows=32, cols=32)
_MAX_LOGITS = 1 << 24  # of a batch
_MAX_BATCH = 8192
SIMULATOR = "simulator, exhaustive"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
    """A case study, and the simulator runs that its exhaustive search needs.

    Schedules share runs: a simulator needs one per workload, array and dataflow.
    """

    name: str
    case: CaseStudy
    runs: int


def problems() -> Iterator[Problem]:
    """The case studies, in several sizes."""
    arrays = ArrayDataflowCase()
    yield Problem(name="array and dataflow", case=arrays, runs=arrays.space.num_designs)
    replayed = BufferCase(
        memory_model=MemoryModel.SCALESIM3, interface=Interface.PORTS, max_dim=1024
    )
    for name, sizes in (("SRAM sizes", BufferCase()), ("SRAM sizes, replayed", replayed)):
        yield Problem(name=name, case=sizes, runs=sizes.space.num_designs)
    for count in range(2, MAX_ARRAYS.value + 1):
        yield Problem(
            name=f"schedules, {count} arrays",
            case=ScheduleCase(arrays=DEFAULT_ARRAYS[:count]),
            runs=count * count * len(Dataflow),
        )


def decider(case: CaseStudy, model: nnx.Module) -> Callable[[Array], Array]:
    """A compiled function from workloads to a network's best feasible designs."""
    graphdef, state = nnx.split(model)

    @jax.jit
    def decide(workloads: Int[Array, "features batch"]) -> Int[Array, "batch"]:
        logits = nnx.merge(graphdef, state)(workloads)
        return first_argmax(jnp.where(case.feasible(workloads), logits, -jnp.inf))

    return decide


def decision_seconds(problem: Problem) -> dict[str, tuple[int, float]]:
    """(workloads per call, seconds per decision) per contender, measured in turn."""
    case = problem.case
    fitting = max(_MAX_LOGITS // case.space.num_designs, 1)
    batch = min(_MAX_BATCH, 1 << (fitting.bit_length() - 1))
    sample = jax.jit(case.sample, static_argnums=1)
    key = jax.random.key(common.SEED.value)
    contenders: dict[str, tuple[int, Callable[[Array], Any]]] = {}
    for network in networks(case):
        if network.name in ("paper", case.best_network):
            decide = decider(case, network.make(case, common.SEED.value))
            contenders[f"network ({network.name}), alone"] = (1, decide)
            contenders[f"network ({network.name}), in batches"] = (batch, decide)
    contenders["exhaustive here, alone"] = (1, case.label)
    contenders["exhaustive here, in batches"] = (case.label_batch, case.label)

    def call(size: int, function: Callable[[Array], Any]) -> Callable[[], Any]:
        workloads = sample(key, size)
        return lambda: jax.block_until_ready(function(workloads))

    seconds = common.interleaved_seconds(
        {name: call(*contender) for name, contender in contenders.items()}, common.REPEATS.value
    )
    return {name: (size, seconds[name] / size) for name, (size, _) in contenders.items()}


def simulated_seconds() -> float | None:
    """Median seconds of a run of the scalesim package; None if it is not installed."""
    if not importlib.util.find_spec("scalesim"):
        return None
    gemm = Gemm(m=SIDE.value, n=SIDE.value, k=SIDE.value)
    with Package() as package:
        return statistics.median(
            run_gemm(package, gemm, _ARRAY, Dataflow.OS).seconds
            for _ in range(common.REPEATS.value)
        )


def main() -> None:
    """Prints the rows, and writes the figure if requested."""
    one_run = simulated_seconds()
    rows: list[dict[str, Any]] = []
    for problem in problems():
        measured = decision_seconds(problem)
        if one_run is not None:
            measured[SIMULATOR] = (1, one_run * problem.runs)
        exact = measured["exhaustive here, in batches"][1]
        for contender, (size, seconds) in measured.items():
            rows.append(
                {
                    "benchmark": "seconds per decision",
                    "problem": problem.name,
                    "designs": problem.case.space.num_designs,
                    "contender": contender,
                    "workloads_in_a_call": size,
                    "simulator_runs": problem.runs if contender == SIMULATOR else None,
                    "seconds": float(f"{seconds:.4g}"),
                    "times_exhaustive_in_batches": float(f"{seconds / exact:.4g}"),
                }
            )
    common.emit(rows)
    if FIGURE.value:
        with files.atomic_path(pathlib.Path(FIGURE.value)) as temporary:
            temporary.write_bytes(to_png(plots.decisions(rows)))


if __name__ == "__main__":
    common.run(main)
