"""The fixed test set of whole networks: one machine for each packaged network and MAC budget."""

from __future__ import annotations

import csv
import functools
import importlib.resources
import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Int

from airchitect_jax.cost import Platform, ideal_cycles
from airchitect_jax.spaces import BufferSpace, JointSpace
from airchitect_jax.test_sets.base import Columns, FixedSet
from airchitect_jax.types import ArrayShape, BufferSizes, Dataflow, Gemm, Memory
from airchitect_jax.workloads import Network, load_network, network_names

_MAC_EXPONENTS = (10, 12, 14, 16)  # of square arrays
_BANDWIDTH = 64  # as `recommend` has it
_OPTIMA = importlib.resources.files("airchitect_jax.test_sets") / "labels" / "machines.csv"


class MachineSet(FixedSet):
    """The questions of `recommend` with its defaults, for each packaged network and four budgets.

    A design is an array and three SRAMs; each layer runs with its best dataflow on it.
    """

    name = "machines"
    title = "one machine for a whole network"
    sha256 = "89bfe0241c3ae6be07fc001895b69b003b12a598eca215bedfd8857b98366b94"

    @functools.cached_property
    def pairs(self) -> list[tuple[Network, int]]:
        """The network and the MAC budget of each question."""
        networks = map(load_network, network_names())
        return [(network, 1 << e) for network in networks for e in _MAC_EXPONENTS]

    @functools.cached_property
    def _space(self) -> JointSpace:
        """All designs within the largest budget."""
        buffers = BufferSpace()
        return JointSpace.within(
            1 << _MAC_EXPONENTS[-1], 3 * buffers.num_levels * buffers.step_bytes, buffers
        )

    @functools.cached_property
    def questions(self) -> Columns:
        """See `FixedSet`: one row per layer; those of a question have its id and MAC budget."""
        rows = [
            (number, network.name, budget, layer.m, layer.n, layer.k, layer.count)
            for number, (network, budget) in enumerate(self.pairs)
            for layer in network.layers
        ]
        names = ("id", "network", "mac_budget", "m", "n", "k", "count")
        columns = zip(*rows, strict=True)
        return {name: np.array(values) for name, values in zip(names, columns, strict=True)}

    @functools.cached_property
    def parameters(self) -> Columns:
        """See `FixedSet`."""
        shape, sizing = np.divmod(np.arange(self._space.num_designs), len(self._space.sizings))
        kilobytes = self._space.levels[sizing] * self._space.buffers.step_kb
        return {
            "rows": self._space.rows[shape],
            "cols": self._space.cols[shape],
            "ifmap_sram_kb": kilobytes[:, 0],
            "filter_sram_kb": kilobytes[:, 1],
            "ofmap_sram_kb": kilobytes[:, 2],
        }

    @functools.cached_property
    def optima(self) -> Int[np.ndarray, "num"]:
        """See `FixedSet`: as `recommend` found them."""
        _, *rows = csv.reader(_OPTIMA.read_text("utf-8").splitlines())
        given = [(name, int(budget)) for name, budget, *_ in rows]
        assert given == [(n.name, budget) for n, budget in self.pairs]  # noqa: S101 - our own file
        return np.array([self.id_of[tuple(map(int, design))] for _, _, *design in rows])

    def fits(self, chosen: Int[np.ndarray, "num"]) -> Bool[np.ndarray, "num"]:
        """See `FixedSet`: the MAC budget; the largest memories are within the other."""
        budgets = np.array([budget for _, budget in self.pairs])
        return self.parameters["rows"][chosen] * self.parameters["cols"][chosen] <= budgets

    def costs(
        self, questions: Int[np.ndarray, "some"], chosen: Int[np.ndarray, "some"]
    ) -> Int[np.ndarray, "some"]:
        """See `FixedSet`: cycles of the whole network."""
        networks = [self.pairs[question][0] for question in questions.tolist()]
        return np.array(list(map(self._cycles, networks, chosen.tolist())))

    def _cycles(self, network: Network, design: int) -> int:
        rows, cols, *kilobytes = (int(values[design]) for values in self.parameters.values())
        memory = Memory(
            buffers=BufferSizes(
                ifmap_sram_bytes=kilobytes[0] * 1024,
                filter_sram_bytes=kilobytes[1] * 1024,
                ofmap_sram_bytes=kilobytes[2] * 1024,
            ),
            bandwidth_bytes_per_cycle=_BANDWIDTH,
        )
        array, platform = ArrayShape(rows=rows, cols=cols), Platform()
        layers = [(layer.m, layer.n, layer.k, layer.count) for layer in network.layers]
        m, n, k, count = np.array(layers, np.int64).T
        by_flow = [
            ideal_cycles(Gemm(m=m, n=n, k=k), array, flow, memory, platform) for flow in Dataflow
        ]
        return int((np.min(by_flow, axis=0) * count).sum())

    def floors(self) -> Mapping[str, Int[np.ndarray, "num"]]:
        """The square array with the largest memories, and a random design within the budget."""
        largest = self._space.levels[-1].tolist()
        step = self._space.buffers.step_kb
        sides = (math.isqrt(budget) for _, budget in self.pairs)
        squares = [self.id_of[side, side, *(level * step for level in largest)] for side in sides]
        rng = np.random.default_rng(0)
        macs = self.parameters["rows"] * self.parameters["cols"]
        random = [rng.choice(np.flatnonzero(macs <= budget)) for _, budget in self.pairs]
        return {
            "square array, largest memories": np.array(squares),
            "random feasible design": np.array(random),
        }
