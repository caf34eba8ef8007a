"""Recommendations for the layers of real networks, each beside the exact optimum."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from airchitect_jax._support import csv_text
from airchitect_jax.case_studies import CaseStudy, out_of_range
from airchitect_jax.learning.evaluation import Recommender
from airchitect_jax.workloads import Network

_MAX_COSTS = 1 << 20  # of layers and designs at a time


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerResult:
    """One layer in one context. Where `in_range` is false the choice comes from exact search."""

    layer: str
    m: int
    n: int
    k: int
    count: int
    in_range: bool
    optimal_design: str
    optimal_cost: int | float
    chosen_design: str
    chosen_cost: int | float

    @property
    def normalized_performance(self) -> float:
        """Optimal cost / chosen cost, in (0, 1]."""
        return self.optimal_cost / self.chosen_cost


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkResult:
    """A network in one context; costs weigh each layer by its count.

    Attributes:
      optimal_cost: every layer on its own best design.
      chosen_cost: every layer on the design recommended for it.
      single_design, single_cost: the one design that is best for the whole network.
    """

    network: str
    context: str
    layers: tuple[LayerResult, ...]
    optimal_cost: int | float
    chosen_cost: int | float
    single_design: str
    single_cost: int | float

    @property
    def normalized_performance(self) -> float:
        """Optimal cost / chosen cost of the whole network."""
        return self.optimal_cost / self.chosen_cost

    @property
    def num_out_of_range(self) -> int:
        """Number of layers outside the trained ranges."""
        return sum(not layer.in_range for layer in self.layers)


def evaluate_networks(
    case: CaseStudy, recommender: Recommender, networks: Sequence[Network]
) -> list[list[NetworkResult]]:
    """For each network, one result for each context of the case study."""
    pairs = [(network, context) for network in networks for context in case.contexts]
    if not pairs:
        return []
    # All layers of all networks in all contexts at once, then cut into pieces.
    workloads = np.concatenate(
        [case.from_gemms(network.gemms, context) for network, context in pairs], axis=1
    )
    optimum = case.exact(workloads)
    in_range = ~out_of_range(case, workloads)
    chosen = np.where(in_range, -1, optimum.design_id)
    chosen[in_range] = recommender.rank(workloads[:, in_range])[0][:, 0]
    costs = case.costs(workloads, chosen)
    results: dict[int, list[NetworkResult]] = {}
    first = 0
    for index, (network, context) in enumerate(pairs):
        rows = slice(first, first + len(network.layers))
        first = rows.stop
        layers = tuple(
            LayerResult(
                layer=layer.name,
                m=layer.m,
                n=layer.n,
                k=layer.k,
                count=layer.count,
                in_range=bool(in_range[row]),
                optimal_design=case.space.describe(int(optimum.design_id[row])),
                optimal_cost=optimum.cost[row].item(),
                chosen_design=case.space.describe(int(chosen[row])),
                chosen_cost=costs[row].item(),
            )
            for row, layer in zip(range(rows.start, rows.stop), network.layers, strict=True)
        )
        single, single_cost = _best_single_design(case, workloads[:, rows], network)
        results.setdefault(index // len(case.contexts), []).append(
            NetworkResult(
                network=network.name,
                context=context.name,
                layers=layers,
                optimal_cost=sum(layer.optimal_cost * layer.count for layer in layers),
                chosen_cost=sum(layer.chosen_cost * layer.count for layer in layers),
                single_design=case.space.describe(single),
                single_cost=single_cost,
            )
        )
    return list(results.values())


def check_network(case: CaseStudy, network: Network) -> None:
    """Checks, before anything is trained, that a network can be evaluated exactly.

    Raises:
      ValueError: a layer is too large in some context; names the network and the layer.
    """
    for context in case.contexts:
        try:
            _best_single_design(case, case.from_gemms(network.gemms, context), network)
        except ValueError as error:
            raise ValueError(f"{network.name}: {error}") from None


def _best_single_design(
    case: CaseStudy, workloads: Int[np.ndarray, "features layers"], network: Network
) -> tuple[int, int | float]:
    """The first of the designs with the least cost over all layers, and that cost."""
    usable = np.flatnonzero(np.asarray(case.feasible(workloads.astype(np.int32))).all(axis=0))
    # Python integers: the total may exceed int64 although no layer does.
    counts = np.array([[layer.count] for layer in network.layers], dtype=object)
    totals = []
    chunk = max(_MAX_COSTS // len(network.layers), 1)
    for first in range(0, len(usable), chunk):
        designs = usable[first : first + chunk]
        costs = case.costs(workloads, np.broadcast_to(designs, (len(network.layers), len(designs))))
        totals.append((costs.astype(object) * counts).sum(axis=0))
    total = np.concatenate(totals)
    best = int(np.argmin(total))
    return int(usable[best]), total[best]


def layers_csv(results: Sequence[NetworkResult]) -> str:
    """All layers of all results: one row per layer."""
    fields = [field.name for field in dataclasses.fields(LayerResult)]
    rows = (
        [
            result.network,
            result.context,
            *dataclasses.astuple(layer),
            f"{layer.normalized_performance:.6f}",
        ]
        for result in results
        for layer in result.layers
    )
    return csv_text([["network", "context", *fields, "normalized_performance"], *rows])


def networks_csv(results: Sequence[NetworkResult]) -> str:
    """One row per result."""
    fields = [field.name for field in dataclasses.fields(NetworkResult) if field.name != "layers"]
    rows = (
        [
            *(getattr(result, name) for name in fields),
            f"{result.normalized_performance:.6f}",
            result.num_out_of_range,
        ]
        for result in results
    )
    return csv_text([[*fields, "normalized_performance", "layers_out_of_range"], *rows])
