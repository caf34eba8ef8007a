"""The best machine of a space for a workload, and the best mapping of each layer on it."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence

from airchitect_jax._support import file_path, instance, instance_or_default, member
from airchitect_jax.cost import Platform, read_platform
from airchitect_jax.oracle.machines import (
    Budgets,
    MachineObjective,
    Progress,
    Question,
    best_machine,
)
from airchitect_jax.recommendation.machines.answer import MachineAnswer
from airchitect_jax.recommendation.machines.limits import why_none
from airchitect_jax.recommendation.machines.planned import answer_of
from airchitect_jax.recommendation.workload import open_networks, whole_weights, with_runs
from airchitect_jax.spaces import HardwareSpace
from airchitect_jax.workloads import GemmCounts, Network

Workload = Network | str | pathlib.Path
OnProgress = Callable[[Progress], None]


def optimize(
    workload: Workload | Sequence[Workload],
    space: HardwareSpace | None,
    platform: Platform | str | pathlib.Path,
    objective: MachineObjective | str = MachineObjective.LATENCY,
    constraints: Budgets | None = None,
    *,
    gap: float = 0.0,
    time_limit: float | None = None,
    weights: Sequence[int] | None = None,
    dims: Mapping[str, int] | None = None,
    on_progress: OnProgress | None = None,
    state: str | pathlib.Path | None = None,
) -> MachineAnswer:
    """The best machine of a space, with each layer on its best mapping, and a proof.

    Exact over every machine of the space and every mapping of every layer, without enumeration:
    branch and bound over boxes of machines (docs/optimize.md). Costs are those of `tiled_costs`
    (`MemoryModel.TILED`) and `operator_costs`, times counts and weights. Under a power budget a
    machine waits, leaking, until its average power is within it. Of machines of equal cost, one
    with fewer MACs, then with less SRAM is preferred; of up to 5000 machines, the first of these is
    the answer. Ctrl-C ends the search with the best machine so far and its gap.

    Args:
      workload: a `Network`, the name of a packaged one, a file for `open_network`, or several.
      space: machines to choose from; None takes those that the platform leaves open.
      platform: clock, widths, technology and so on: a `Platform`, a packaged one by name, a file.
      objective: latency, energy, edp or throughput_per_area.
      constraints: limits of the machine; none by default.
      gap: the search ends when the cost is at most 1 + gap times the lower bound.
      time_limit: in seconds, earlier ones of the state included; the search ends with the best
        machine so far and its gap.
      weights: how often each network runs, whole numbers; by default once.
      dims: sizes of symbolic dimensions, for ONNX models.
      on_progress: called now and then.
      state: a file which is written now and then, and from which the same search goes on.

    Raises:
      ValueError: an argument is not allowed, a file is refused, no machine is within the budgets,
        or none was found in time.
      TypeError: an argument is of another type.

    Example:
      >>> space = aj.HardwareSpace(
      ...     rows=(16, 32), cols=(16, 32),
      ...     scratchpad_bytes=(2**17, 2**18), accumulator_bytes=(2**16,),
      ... )
      >>> budgets = aj.Budgets(area_budget_um2=1_000_000)
      >>> answer = aj.optimize("dlrm", space, "gemmini", "latency", budgets)
      >>> answer.hardware.array, answer.optimum.cost, answer.optimum.certified_gap
      (ArrayShape(rows=32, cols=32), 6756619, 0.0)
    """
    objective = member("objective", objective, MachineObjective)
    constraints = instance_or_default("constraints", constraints, Budgets)
    if isinstance(platform, (str, pathlib.Path)):
        platform = read_platform(platform)
    instance("platform", platform, Platform)
    if space is not None:
        space = instance("space", space, HardwareSpace)
        platform = dataclasses.replace(platform, hardware=space)
    networks = open_networks(workload, dims)
    weights = whole_weights(weights, len(networks))
    layers = with_runs(networks, weights, lambda network: network.layers)
    operators = with_runs(networks, weights, lambda network: network.operators)
    question = Question(
        platform=platform,
        gemms=GemmCounts.of(
            [(layer.m, layer.n, layer.k) for _, layer, _ in layers], [runs for *_, runs in layers]
        ),
        operators=tuple((one, runs) for _, one, runs in operators),
        objective=objective,
        budgets=constraints,
    )
    optimum = best_machine(
        question,
        gap=gap,
        time_limit=time_limit,
        on_progress=on_progress,
        state=None if state is None else file_path("state", state),
    )
    if optimum.machine is None:
        if optimum.is_finished:
            raise ValueError(why_none(question))
        raise ValueError(
            f"time_limit: no machine within the budgets was found in {optimum.seconds:.3g} s; none"
            f" costs less than {optimum.lower_bound:g}"
        )
    return answer_of(networks, weights, question, optimum)


def recommend_machine(
    workload: Workload | Sequence[Workload],
    platform: Platform | str | pathlib.Path,
    *,
    objective: MachineObjective | str = MachineObjective.LATENCY,
    budgets: Budgets | None = None,
    weights: Sequence[int] | None = None,
    dims: Mapping[str, int] | None = None,
    on_progress: OnProgress | None = None,
) -> MachineAnswer:
    """The best machine within budgets, of all that a platform leaves open.

    This is `optimize` over the platform's own space, to the end.

    Args:
      workload: a `Network`, the name of a packaged one, a file for `open_network`, or several.
      platform: the machine with its open values: a `Platform`, a packaged one by name, a file.
      objective: latency, energy, edp or throughput_per_area.
      budgets: limits of the machine; none by default.
      weights: how often each network runs, whole numbers; by default once.
      dims: sizes of symbolic dimensions, for ONNX models.
      on_progress: called now and then.

    Raises:
      ValueError: an argument is not allowed, a file is refused, or no machine is within the
        budgets.
      TypeError: an argument is of another type.

    Example:
      >>> answer = aj.recommend_machine("dlrm", "gemmini")
      >>> round(answer.physical.latency_ms, 3), round(answer.physical.area_mm2, 3)
      (24.018, 0.387)
    """
    return optimize(
        workload,
        None,
        platform,
        objective,
        instance_or_default("budgets", budgets, Budgets),
        weights=weights,
        dims=dims,
        on_progress=on_progress,
    )
