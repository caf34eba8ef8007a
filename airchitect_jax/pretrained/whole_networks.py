"""The recommender of machines as a predictor: a whole network in, one machine out."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from airchitect_jax._support import read_json, register
from airchitect_jax.learning.whole_networks import (
    MachineRecommender,
    OutOfRangeError,
    from_arrays,
    gemms_of,
    packaged,
)
from airchitect_jax.oracle.joint import Design, best_design
from airchitect_jax.oracle.joint.survey import survey
from airchitect_jax.pretrained.answers import refuses
from airchitect_jax.pretrained.kinds import TRAINED, Arrays, Kind
from airchitect_jax.spaces import JointSpace
from airchitect_jax.test_sets import fixed_set
from airchitect_jax.types import Dataflow, Objective
from airchitect_jax.workloads import GemmCounts, Layer, Network, load_network

_STATISTICS = "inputs."  # the names of statistics of the inputs begin so
_WEIGHTS, _SETTINGS = "weights.npz", "weights.json"  # in the workdir of a run


@dataclasses.dataclass(frozen=True, kw_only=True)
class MachinePrediction:
    """A recommended machine.

    Attributes:
      design: the array and the SRAMs.
      dataflows: of each GEMM.
      cycles: of the whole workload: exact, a whole number; predicted with `certify=False`.
      risk: as in `LearnedMachine`; 0 for answers of exact search.
      from_search: whether exact search answers.
    """

    design: Design
    dataflows: Mapping[tuple[int, int, int], Dataflow]
    cycles: float
    risk: float
    from_search: bool


class MachinePredictor:
    """A recommender of machines that leaves what it does not know to exact search.

    Args:
      recommender: the trained network, whose own `predict` never searches.
      config: what config.json says.
    """

    def __init__(self, recommender: MachineRecommender, config: Mapping[str, Any]) -> None:
        self.recommender, self.config = recommender, config

    def predict(
        self,
        workload: str | Network | Sequence[Layer] | GemmCounts,
        *,
        mac_budget: int,
        sram_budget_kb: int | None = None,
        out_of_range: str = "search",
        certify: bool = True,
    ) -> MachinePrediction:
        """Recommends one machine for all layers.

        Exact search answers where the network says so (`LearnedMachine.search_instead`), which it
        does for every SRAM budget below the largest.

        Args:
          workload: a network, the name of a packaged one, its layers or its GEMMs.
          mac_budget: the largest number of MAC units.
          sram_budget_kb: of the three SRAMs together; by default that of the largest sizing.
          out_of_range: "search" has exact search answer workloads and MAC budgets outside the
            trained range; "refuse" raises an error.
          certify: takes the best of the network's candidates by the exact model, in place of the
            first one.

        Raises:
          ValueError: an argument is not allowed, or out of range.
          TypeError: an argument is of another type.
        """
        is_strict = refuses(out_of_range)
        gemms = gemms_of(load_network(workload) if isinstance(workload, str) else workload)
        try:
            machine = self.recommender.predict(
                gemms, mac_budget=mac_budget, sram_budget_kb=sram_budget_kb
            )
        except OutOfRangeError:
            if is_strict:
                raise
            return self._search(gemms, mac_budget, sram_budget_kb)
        if machine.search_instead:
            return self._search(gemms, mac_budget, sram_budget_kb)
        answer = self.recommender.certify(machine, gemms) if certify else machine
        return MachinePrediction(
            design=answer.design,
            dataflows=answer.dataflows,
            cycles=answer.cycles,
            risk=machine.risk,
            from_search=False,
        )

    def _search(
        self, gemms: GemmCounts, mac_budget: int, sram_budget_kb: int | None
    ) -> MachinePrediction:
        """The best machine of the joint space within the budgets."""
        designs = self.recommender.designs
        if sram_budget_kb is None:
            sram_budget_kb = 3 * designs.buffers.num_levels * designs.buffers.step_kb
        space = JointSpace.within(mac_budget, sram_budget_kb * 1024, designs.buffers)
        best = best_design(
            survey(gemms, space, designs.platform, Objective.CYCLES), Objective.CYCLES
        )
        return MachinePrediction(
            design=best.design,
            dataflows=best.dataflows,
            cycles=best.cost,
            risk=0.0,
            from_search=True,
        )


def pack(workdir: pathlib.Path) -> tuple[Arrays, Mapping[str, Any]]:
    """The weights of a finished run of `experiments.learn_networks`, and how to restore them.

    Raises:
      ValueError: the folder holds no such run; names it.
    """
    for name in (_SETTINGS, _WEIGHTS):
        if not (workdir / name).is_file():
            raise ValueError(f"{workdir / name}: not there; expected a finished run")
    settings = dict(read_json(workdir / _SETTINGS))
    del settings["environment"]  # config.json has that of the run
    with np.load(workdir / _WEIGHTS) as arrays:
        named = {
            name if name.startswith(_STATISTICS) else f"{TRAINED}{name}": array.astype(np.float32)
            for name, array in arrays.items()
        }
    return named, settings | {"told": ["costs", "formula factors"]}


def restore(arrays: Arrays, config: Mapping[str, Any]) -> MachinePredictor:
    """The predictor of arrays and settings of `pack`.

    Raises:
      ValueError: the arrays are not those of the network that the settings describe.
    """
    settings = config["settings"]
    recommender = from_arrays(
        {name.removeprefix(TRAINED): array for name, array in arrays.items()},
        hidden=settings["hidden"],
        memory_hidden=settings["memory_hidden"],
        threshold=settings["threshold"],
    )
    return MachinePredictor(recommender, config)


def measure(predictor: MachinePredictor) -> Mapping[str, Any]:
    """Scores on the fixed test set of machines, without exact search.

    Those of one inference; those of the best candidate by the exact model; and the share of the
    questions that `predict` leaves to exact search.
    """
    fixed, recommender = fixed_set("machines"), predictor.recommender
    _, first_rows = np.unique(fixed.questions["id"], return_index=True)
    networks = map(packaged, fixed.questions["network"][first_rows].tolist())
    budgets = fixed.questions["mac_budget"][first_rows].tolist()
    questions = list(zip(networks, budgets, strict=True))
    machines = [recommender.predict(gemms, mac_budget=budget) for gemms, budget in questions]
    best = [
        recommender.certify(machine, gemms)
        for machine, (gemms, _) in zip(machines, questions, strict=True)
    ]
    reranked = fixed.score(np.array([fixed.id_of[_numbers(each.design)] for each in best]))
    return {
        "num_test": len(questions),
        **fixed.score(np.array([fixed.id_of[_numbers(each.design)] for each in machines])),
        **{f"reranked_{name}": value for name, value in reranked.items()},
        "searched_share": float(np.mean([machine.search_instead for machine in machines])),
    }


def _numbers(design: Design) -> tuple[int, ...]:
    """Rows, columns and the three SRAMs in KB."""
    sizes = (design.ifmap_sram_bytes, design.filter_sram_bytes, design.ofmap_sram_bytes)
    return design.rows, design.cols, *(size // 1024 for size in sizes)


register("pretrained", "machines", Kind(pack=pack, restore=restore, measure=measure))
