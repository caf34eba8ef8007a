"""Answers questions of the page as `recommend` does, from surveys that they share.

A survey does not depend on budgets and objective: one of all designs per network and bandwidth,
with its Pareto front, answers every move of the other sliders. Within the budgets the search is
that of `recommend`, over the same tables, so the numbers are the same.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

import numpy as np

from airchitect_jax.cost import Platform
from airchitect_jax.explore.question import MAX_MACS, MAX_SRAM_KB, Question
from airchitect_jax.explore.recent import Recent
from airchitect_jax.explore.workloads import Workloads
from airchitect_jax.oracle.joint import (
    Design,
    FrontPoint,
    OnProgress,
    Survey,
    best_design,
    design_at,
    front,
)
from airchitect_jax.oracle.joint.survey import survey
from airchitect_jax.recommendation.exact import layer_costs
from airchitect_jax.recommendation.tables import design_summary
from airchitect_jax.spaces import JointSpace
from airchitect_jax.types import Dataflow, Objective
from airchitect_jax.workloads import GemmCounts, Layer

_MOST_SURVEYS = 16  # of 5 MB
_MOST_ANSWERS = 32
_FIGURES = ("total_cycles", "stall_cycles", "overall_utilization", "energy_fj", "dram_bytes")


_Surveyed = tuple[Survey, list[FrontPoint]]


class Answers:
    """Answers questions; keeps the latest surveys and answers. For one thread at a time.

    Args:
      workloads: the networks.
    """

    def __init__(self, workloads: Workloads) -> None:
        self._workloads = workloads
        self._surveys = Recent[_Surveyed](_MOST_SURVEYS)
        self._answers = Recent[dict[str, Any]](_MOST_ANSWERS)

    def answer(self, question: Question, on_progress: OnProgress) -> dict[str, Any]:
        """The answer as JSON has it.

        Args:
          question: the question.
          on_progress: called now and then; what it raises ends the work.

        Raises:
          UnboundDimsError: dimensions of an ONNX file need sizes.
          ValueError: the network is refused, or a layer is too large.
        """
        return self._answers.get(question, lambda: self._answer(question, on_progress))

    def _answer(self, question: Question, on_progress: OnProgress) -> dict[str, Any]:
        network, notes = self._workloads.network(question)
        counts = GemmCounts.of_layers(network.layers)
        platform = Platform(bandwidth_bytes_per_cycle=question.bandwidth_bytes_per_cycle)
        everything, points = self._surveys.get(
            (counts, platform), lambda: _surveyed(counts, platform, on_progress)
        )
        sram_budget_bytes = question.sram_budget_kb * 1024
        found = _within(everything, question.mac_budget, sram_budget_bytes)
        best = best_design(found, question.objective)
        on_progress("planning", 0, len(network.layers))
        layers = [
            _plan(layer, best.design, best.dataflows[layer.m, layer.n, layer.k], platform)
            for layer in network.layers
        ]

        def total(column: str) -> int:
            return sum(layer[column] * layer["runs"] for layer in layers)

        cycles = total("total_cycles")
        return {
            "command": question.command,
            "notes": notes,
            "network": {"name": network.name, "layers": len(network.layers), "macs": network.macs},
            "num_designs": found.space.num_designs,
            "design": design_summary(best.design),
            "dataflows": dict(Counter(layer["dataflow"] for layer in layers)),
            "cycles": cycles,
            "stall_cycles": total("stall_cycles"),
            "energy_fj": total("energy_fj"),
            "dram_bytes": total("dram_bytes"),
            "utilization": network.macs / (cycles * best.design.num_macs),
            "bandwidth_bytes_per_cycle": platform.bandwidth_bytes_per_cycle,
            "layers": layers,
            # What beats a design takes no more MACs and SRAM, so it is within the same budgets.
            "front": [
                _point(everything.space, point)
                for point in points
                if point.num_macs <= question.mac_budget and point.sram_bytes <= sram_budget_bytes
            ],
        }


def _surveyed(counts: GemmCounts, platform: Platform, on_progress: OnProgress) -> _Surveyed:
    """The survey of all designs, and its front."""
    space = JointSpace.within(MAX_MACS, MAX_SRAM_KB * 1024)
    found = survey(counts, space, platform, Objective.CYCLES, on_progress=on_progress)
    on_progress("comparing", 0, space.num_designs)
    return found, front(found)


def _within(everything: Survey, mac_budget: int, sram_budget_bytes: int) -> Survey:
    """The part of a survey within budgets, without the best designs of single GEMMs."""
    space, full = JointSpace.within(mac_budget, sram_budget_bytes), everything.space
    part = np.ix_(full.num_macs <= mac_budget, np.isin(full.sizings, space.sizings))
    cycles, energy = (
        {policy: costs[part] for policy, costs in tables.items()}
        for tables in (everything.cycles, everything.energy_fj)
    )
    return dataclasses.replace(
        everything, space=space, cycles=cycles, energy_fj=energy, own_best=()
    )


def _plan(layer: Layer, design: Design, flow: Dataflow, platform: Platform) -> dict[str, Any]:
    """A layer on the best design; all figures are for one run."""
    costs = layer_costs(layer, design, flow, platform)
    return {
        "layer": layer.name,
        "m": layer.m,
        "n": layer.n,
        "k": layer.k,
        "runs": layer.count,
        "dataflow": flow.name,
        **{name: costs[name] for name in _FIGURES},
    }


def _point(space: JointSpace, point: FrontPoint) -> dict[str, int]:
    """A point of the front: its design, cycles and energy."""
    design = design_summary(design_at(space, point.shape, point.sizing))
    return {**design, "cycles": point.cycles, "energy_fj": point.energy_fj}
