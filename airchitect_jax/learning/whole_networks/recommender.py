"""A trained network as a function: a workload and budgets in, a design with dataflows out."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Int

from airchitect_jax._support import instance, shown, whole_number
from airchitect_jax.learning.training import named_leaves
from airchitect_jax.learning.whole_networks.costs import Designs
from airchitect_jax.learning.whole_networks.inference import Answers, answer
from airchitect_jax.learning.whole_networks.network import MachineNetwork
from airchitect_jax.learning.whole_networks.walks import MAX_EXPONENT, Layers, padded
from airchitect_jax.oracle.joint import Design, design_at, design_costs
from airchitect_jax.types import ArrayShape, Dataflow
from airchitect_jax.workloads import GemmCounts, Layer, Network

MIN_MAC_EXPONENT = 8  # below, fewer arrays are within the budget than the network compares
_LEAST_LAYERS = (
    8  # lists are padded to powers of two from here on, so that few programs are compiled
)


class OutOfRangeError(ValueError):
    """The question is outside the range of training; exact search may answer it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnedMachine:
    """An answer of the network, all costs predicted.

    Attributes:
      design: the array and the SRAMs.
      dataflows: of each GEMM.
      cycles: predicted, of the whole workload.
      risk: an estimate of the probability that another array takes at least 1% fewer cycles, from
        the predicted errors; not calibrated by itself.
      search_instead: whether the risk exceeds the threshold of the recommender, or the SRAM budget
        is not the largest: the risk does not cover the choice of sizes.
      candidates: designs with the fewest predicted cycles, the best first.
    """

    design: Design
    dataflows: Mapping[tuple[int, int, int], Dataflow]
    cycles: float
    risk: float
    search_instead: bool
    candidates: tuple[Design, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class CertifiedMachine:
    """The best of the candidates by the exact model.

    Attributes:
      design: it.
      dataflows: of each GEMM, the fastest ones.
      cycles: exact, of the whole workload.
    """

    design: Design
    dataflows: Mapping[tuple[int, int, int], Dataflow]
    cycles: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class MachineRecommender:
    """A trained network and what it was trained for.

    Attributes:
      network: the network.
      designs: its space.
      threshold: answers of a higher risk are better searched for.
    """

    network: MachineNetwork
    designs: Designs
    threshold: float

    def predict(
        self,
        workload: Network | Sequence[Layer] | GemmCounts,
        *,
        mac_budget: int,
        sram_budget_kb: int | None = None,
    ) -> LearnedMachine:
        """The answer of one inference.

        Args:
          workload: a network, its layers or its GEMMs.
          mac_budget: the largest number of MAC units, in 2**8..2**18.
          sram_budget_kb: of the three SRAMs together; by default that of the largest sizing.

        Raises:
          OutOfRangeError: the MAC budget or a side of a GEMM is outside the trained range.
          ValueError: no sizing is within the SRAM budget, or there are no layers.
          TypeError: an argument is of another type.
        """
        gemms = gemms_of(workload)
        exponent, steps = self._budgets(mac_budget, sram_budget_kb)
        answers = self.answers([gemms], [(exponent, steps)])
        first = jax.tree.map(lambda field: field[0], answers)
        found = np.isfinite(first.log_cycles)
        space = self.designs.space
        candidates = tuple(
            design_at(space, shape, sizing)
            for shape, sizing in zip(first.shape[found], first.sizing[found], strict=True)
        )
        flows = first.dataflow[: len(gemms.gemms)]
        return LearnedMachine(
            design=candidates[0],
            dataflows={
                gemm: Dataflow(int(flow)) for gemm, flow in zip(gemms.gemms, flows, strict=True)
            },
            cycles=float(np.exp(first.log_cycles[0])),
            risk=float(first.risk),
            search_instead=self.is_doubtful(float(first.risk), steps),
            candidates=candidates,
        )

    def answers(
        self, workloads: Sequence[GemmCounts], budgets: Sequence[tuple[int, int]]
    ) -> Answers:
        """Answers for many networks, each with its budgets (`mac_exponent`, `sram_steps`).

        Returns:
          NumPy fields with a leading axis of networks.

        Raises:
          OutOfRangeError: a side of a GEMM is outside the trained range.
        """
        most = max(len(workload.gemms) for workload in workloads)
        layers = padded(workloads, max(_LEAST_LAYERS, 1 << (most - 1).bit_length()))
        if layers.dims.max() > 1 << MAX_EXPONENT:
            raise OutOfRangeError(
                f"workload: a side of {layers.dims.max():,} is not allowed; the network was"
                f" trained on sides up to {1 << MAX_EXPONENT:,}: search instead"
            )
        exponents, steps = (jnp.asarray(column) for column in np.array(budgets, np.int32).T)
        graphdef, state = nnx.split(self.network)
        answers = _answers(graphdef, self.designs, state, layers, exponents, steps)
        return jax.tree.map(np.asarray, answers)

    def is_doubtful(self, risk: float, sram_steps: int) -> bool:
        """Whether to search instead of using an answer."""
        return risk > self.threshold or sram_steps < 3 * self.designs.buffers.num_levels

    def _budgets(self, mac_budget: int, sram_budget_kb: int | None) -> tuple[int, int]:
        """The budgets as an exponent and as steps, rounded down to what designs can use."""
        buffers, high = self.designs.buffers, self.designs.max_mac_exponent
        mac_budget = whole_number("mac_budget", mac_budget)
        exponent = mac_budget.bit_length() - 1
        if not MIN_MAC_EXPONENT <= exponent <= high or mac_budget > 1 << high:
            raise OutOfRangeError(
                f"mac_budget: {mac_budget:,} is not allowed; the network was trained on"
                f" {1 << MIN_MAC_EXPONENT:,}..{1 << high:,}: search instead"
            )
        largest = 3 * buffers.num_levels
        if sram_budget_kb is None:
            return exponent, largest
        low = 3 * buffers.step_kb
        sram_budget_kb = whole_number("sram_budget_kb", sram_budget_kb, low=low)
        return exponent, min(sram_budget_kb // buffers.step_kb, largest)

    def certify(
        self, machine: LearnedMachine, workload: Network | Sequence[Layer] | GemmCounts
    ) -> CertifiedMachine:
        """The best of the candidates by the exact model, the first of equals."""
        gemms = gemms_of(workload)
        costs = candidate_cycles(gemms, machine.candidates, self.designs)
        totals = costs.min(axis=0).T @ np.array(gemms.counts, np.int64)
        best = int(totals.argmin())
        flows = costs[:, :, best].argmin(axis=0)
        return CertifiedMachine(
            design=machine.candidates[best],
            dataflows={
                gemm: Dataflow(int(flow)) for gemm, flow in zip(gemms.gemms, flows, strict=True)
            },
            cycles=int(totals[best]),
        )

    def first_cycles(
        self, workload: GemmCounts, answers: Answers, number: int
    ) -> Int[np.ndarray, "dataflows gemms"]:
        """Exact cycles of each GEMM on the first candidate of one of the answers."""
        space = self.designs.space
        design = design_at(space, int(answers.shape[number, 0]), int(answers.sizing[number, 0]))
        return candidate_cycles(workload, [design], self.designs)[:, :, 0]

    def arrays(self) -> dict[str, np.ndarray]:
        """The weights by readable names, in half precision but for the statistics of the inputs.

        Neighbouring inputs nearly cancel in their principal components.
        """
        leaves = named_leaves(nnx.state(self.network))
        return {
            name: np.asarray(leaf, np.float32 if name.startswith("inputs.") else np.float16)
            for name, leaf in leaves.items()
        }


@functools.partial(jax.jit, static_argnums=(0, 1))
def _answers(
    graphdef: Any, designs: Designs, state: Any, layers: Layers, exponents: Array, steps: Array
) -> Answers:
    network = nnx.merge(graphdef, state)

    def one(each: tuple[Layers, Array, Array]) -> Answers:
        return answer(network, *each, designs)

    # One after the other: the tables of one network fit the caches.
    return jax.lax.map(one, (layers, exponents, steps))


def from_arrays(
    arrays: Mapping[str, np.ndarray],
    *,
    hidden: int,
    memory_hidden: int,
    threshold: float,
    designs: Designs | None = None,
) -> MachineRecommender:
    """The recommender of stored weights, of any floating-point type.

    Raises:
      ValueError: arrays are missing, or of other shapes.
    """
    designs = designs or Designs()
    network = MachineNetwork(
        designs,
        hidden=hidden,
        memory_hidden=memory_hidden,
        samples=np.array([[1, 2, 3], [4, 6, 5]]),
        key=jax.random.key(0),
    )
    state = nnx.state(network)
    expected = named_leaves(state)
    for name in sorted({*arrays, *expected}):
        ours = expected[name].shape if name in expected else None
        theirs = arrays[name].shape if name in arrays else None
        if ours != theirs:
            raise ValueError(f"{name}: the shape {theirs} is not allowed; expected {ours}")
    leaves = [jnp.asarray(arrays[name], jnp.float32) for name in expected]
    nnx.update(network, jax.tree.unflatten(jax.tree.structure(state), leaves))
    return MachineRecommender(network=network, designs=designs, threshold=threshold)


def candidate_cycles(
    workload: GemmCounts, candidates: Sequence[Design], designs: Designs
) -> Int[np.ndarray, "dataflows gemms candidates"]:
    """Exact cycles of each GEMM on some designs."""
    array = ArrayShape(
        rows=np.array([design.rows for design in candidates]),
        cols=np.array([design.cols for design in candidates]),
    )
    sizes = jax.tree.map(lambda *values: np.array(values), *(d.buffers for d in candidates))
    tables = [design_costs(gemm, array, sizes, designs.platform)[0] for gemm in workload.gemms]
    return np.stack(tables, axis=1)


def gemms_of(workload: Network | Sequence[Layer] | GemmCounts) -> GemmCounts:
    """The GEMMs of a workload.

    Raises:
      ValueError: there are no layers.
      TypeError: there is something else than layers.
    """
    if isinstance(workload, GemmCounts):
        return workload
    layers = workload.layers if isinstance(workload, Network) else tuple(workload)
    if not layers:
        raise ValueError(f"workload: {shown(workload)} is not allowed; expected layers")
    return GemmCounts.of_layers([instance("workload", layer, Layer) for layer in layers])
