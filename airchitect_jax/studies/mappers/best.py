"""The best mappings of layers by our search, by AccelForge's mapper and by ZigZag's.

Their latencies are not the same quantity, so all three mappings are compared by one: the longer of
the time of the DRAM traffic and of computing in whole folds without the skew of the array. That is
AccelForge's own latency where folds are whole; it counts cycles of an average fold where they are
not. Ours and ZigZag's also have what they do not overlap.
"""

from __future__ import annotations

import dataclasses
import enum
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airchitect_jax.cost import (
    MachinePrices,
    ceil_div,
    compute_cycles,
    mapped_dims,
)
from airchitect_jax.oracle.mappings import best_mapping
from airchitect_jax.studies.mappers import accelforge_files, zigzag_files
from airchitect_jax.studies.mappers.agreement import Ask
from airchitect_jax.studies.mappers.conversion import (
    accelforge_loops,
    our_cycles,
    zigzag_loops,
)
from airchitect_jax.studies.mappers.counts import DRAM, accelforge_counts, our_counts
from airchitect_jax.studies.mappers.layers import PLATFORM, Layer, hardware
from airchitect_jax.types import Dataflow, Gemm, Objective

_TURNS = 5
_DRAM_ONLY = MachinePrices(*(int(name == "dram_fj_per_byte") for name in MachinePrices._fields))


class Goal(enum.Enum):
    """The quantity to minimise, by its name in AccelForge."""

    CYCLES = "LATENCY"
    TRAFFIC = "ENERGY"  # with that of DRAM alone

    @property
    def objective(self) -> Objective:
        """Ours, with the prices of DRAM alone."""
        return Objective[{"CYCLES": "CYCLES", "TRAFFIC": "ENERGY"}[self.name]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """The best mapping of one tool.

    Attributes:
      latency: in the terms of all, in cycles.
      reported_cycles: by the tool's own model.
      our_cycles: total cycles by ours; None if no mapping of ours stands for it (`our_cycles`).
      dram_bytes: traffic.
      dataflow: of the array.
      seconds: of the search, over all dataflows.
      fits: whether its tiles fit into working halves. ZigZag lets an operand that stays as a whole
        have the other half, too.
    """

    latency: float
    reported_cycles: float
    our_cycles: int | None
    dram_bytes: float
    dataflow: Dataflow
    seconds: float
    fits: bool = True

    def value(self, goal: Goal) -> float:
        """The quantity to minimise, in the terms of all."""
        return self.latency if goal is Goal.CYCLES else self.dram_bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """The mappings of one layer for one goal.

    Attributes:
      ours, accelforge, zigzag: the best of each; None where a tool is not there or finds none.
      our_latency_by_accelforge: of our mapping, evaluated there.
      differing: DRAM counts of our mapping that AccelForge does not confirm.
      floor: the fewest total cycles that our model could give to AccelForge's mapping.
    """

    layer: Layer
    goal: Goal
    ours: Found
    accelforge: Found | None
    zigzag: Found | None
    our_latency_by_accelforge: float | None
    differing: list[str]
    floor: float | None


def compare_best(
    layers: Sequence[Layer],
    accelforge: Ask | None,
    zigzag: Ask | None,
    tell: Callable[[int], None],
) -> list[Comparison]:
    """Each layer for both goals.

    Args:
      layers: on the machine of the comparison.
      accelforge: one tool; None if it is not there.
      zigzag: the other.
      tell: is called with the number of comparisons that are done.
    """
    small = Layer("", "", Gemm(m=8, n=8, k=8))
    if accelforge:  # both import and compile with the first request
        _accelforge(small, Goal.CYCLES, accelforge)
    if zigzag:
        _zigzag(small, Goal.CYCLES, zigzag)
    comparisons = []
    for layer in layers:
        for goal in Goal:
            comparisons.append(_compare(layer, goal, accelforge, zigzag))
            tell(len(comparisons))
    return comparisons


def _compare(layer: Layer, goal: Goal, accelforge: Ask | None, zigzag: Ask | None) -> Comparison:
    machine, gemm = hardware(), layer.gemm
    seconds = []
    for _ in range(_TURNS):
        start = time.perf_counter()
        mapping, cycles, _ = best_mapping(gemm, machine, PLATFORM, goal.objective, _DRAM_ONLY)
        seconds.append(time.perf_counter() - start)
    counts = our_counts(gemm, mapping, machine, PLATFORM)
    ours = Found(
        latency=float(counts.latency),
        reported_cycles=cycles,
        our_cycles=cycles,
        dram_bytes=float(counts.traffic.dram_bytes),
        dataflow=Dataflow(int(mapping.dataflow)),
        seconds=min(seconds),
    )
    theirs = _accelforge(layer, goal, accelforge) if accelforge else None
    latency, differing = None, []
    if accelforge:
        text = accelforge_files.specification(gemm, machine, PLATFORM, ours.dataflow, mapping)
        answer = accelforge({"specification": text, "objective": None})
        if answer["error"] is not None:
            raise ValueError(f"AccelForge refuses the mapping of {layer}: {answer['error']}")
        evaluated = accelforge_counts(answer, gemm, mapping, machine, PLATFORM)
        latency = float(evaluated.latency)
        differing = [name for name in DRAM if evaluated.value(name) != counts.value(name)]
    return Comparison(
        layer=layer,
        goal=goal,
        ours=ours,
        accelforge=theirs,
        zigzag=_zigzag(layer, goal, zigzag) if zigzag else None,
        our_latency_by_accelforge=latency,
        differing=differing,
        floor=_floor(gemm, theirs) if theirs else None,
    )


def _accelforge(layer: Layer, goal: Goal, ask: Ask) -> Found | None:
    machine = hardware()

    def request(flow: Dataflow) -> dict[str, Any]:
        text = accelforge_files.specification(layer.gemm, machine, PLATFORM, flow)
        return {"specification": text, "objective": goal.value, "imperfect": True}

    def found(flow: Dataflow, answer: Mapping[str, Any], seconds: float) -> Found:
        moved = answer["energy"] / 8  # a unit for each bit
        loops = accelforge_loops(answer["loops"])
        return Found(
            latency=max(answer["latency"], _computing(layer.gemm, flow)),
            reported_cycles=answer["latency"],
            our_cycles=our_cycles(loops, layer.gemm, machine, PLATFORM, flow, moved),
            dram_bytes=moved,
            dataflow=flow,
            seconds=seconds,
        )

    return _best_of(goal, ask, request, found)


def _zigzag(layer: Layer, goal: Goal, ask: Ask) -> Found | None:
    machine = hardware()

    def request(flow: Dataflow) -> dict[str, Any]:
        return zigzag_files.request(layer.gemm, machine, PLATFORM, flow, goal.value)

    def found(flow: Dataflow, answer: Mapping[str, Any], seconds: float) -> Found:
        moved = sum(sum(ways.values()) for ways in answer["dram_bits"].values()) / 8
        loops = zigzag_loops(answer["loops"], layer.gemm, machine, flow)
        return Found(
            latency=max(answer["compute_cycles"], _moving(moved)),
            reported_cycles=answer["latency"],
            our_cycles=our_cycles(loops, layer.gemm, machine, PLATFORM, flow, moved),
            dram_bytes=moved,
            dataflow=flow,
            seconds=seconds,
            fits=all(
                bits <= 4 * size
                for bits, size in zip(
                    zigzag_files.tile_bits(answer["loops"], layer.gemm, machine, PLATFORM, flow),
                    vars(machine.memory).values(),
                    strict=True,
                )
            ),
        )

    return _best_of(goal, ask, request, found)


def _best_of(
    goal: Goal,
    ask: Ask,
    request: Callable[[Dataflow], dict[str, Any]],
    found: Callable[[Dataflow, Mapping[str, Any], float], Found],
) -> Found | None:
    """The best over the dataflows, with the seconds of all; None if the tool finds no mapping."""
    answers = {flow: ask(request(flow)) for flow in PLATFORM.dataflows}
    answers = {flow: answer for flow, answer in answers.items() if answer["error"] is None}
    seconds = sum(answer["seconds"] for answer in answers.values())
    every = [found(flow, answer, seconds) for flow, answer in answers.items()]
    return min(every, key=lambda one: one.value(goal), default=None)


def _computing(gemm: Gemm, flow: Dataflow) -> int:
    """Cycles of all folds of a GEMM in one step without skew, which tiles never shorten."""
    machine = hardware()
    s_r, s_c, t = mapped_dims(gemm, flow)
    return int(ceil_div(s_r, machine.rows) * ceil_div(s_c, machine.cols) * t)


def _moving(dram_bytes: float) -> float:
    machine = hardware()
    return dram_bytes * float(machine.bandwidth_cycles) / float(machine.bandwidth_bytes)


def _floor(gemm: Gemm, theirs: Found) -> float:
    """The longer of its traffic and of computing in one step."""
    machine = hardware()
    computing = compute_cycles(gemm, machine.array, theirs.dataflow, PLATFORM.runtime_model)
    return max(float(computing), _moving(theirs.dram_bytes))
