"""The workload of a recommendation: one network or several, with weights."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from airchitect_jax._support import MAX_COUNT, shown, whole_number
from airchitect_jax.workloads import Layer, Network, Operator, open_network

_Part = TypeVar("_Part", Layer, Operator)


def open_networks(
    workload: Network | str | pathlib.Path | Sequence[Network | str | pathlib.Path],
    dims: Mapping[str, int] | None,
) -> tuple[Network, ...]:
    """The networks of a workload: given, packaged or read from files; one or several.

    Raises:
      ValueError: a file is refused, or a network has no layers.
      TypeError: an argument is of another type.
    """
    if dims is not None and not isinstance(dims, Mapping):
        raise TypeError(f"dims: {shown(dims)} is not allowed; expected a mapping of names to sizes")
    several = [workload] if isinstance(workload, (Network, str, pathlib.Path)) else workload
    if not isinstance(several, (list, tuple)):
        raise TypeError(
            f"workload: {type(workload).__name__} is not allowed; expected a network, a name, a"
            " path or a list of these"
        )
    networks = tuple(
        one if isinstance(one, Network) else open_network(one, dims) for one in several
    )
    if not networks or not all(network.layers for network in networks):
        raise ValueError("workload: a network without layers is not allowed")
    return networks


def whole_weights(weights: Any, num: int) -> tuple[int, ...]:
    """How often each of `num` networks runs; by default once.

    Raises:
      ValueError: there are not `num` positive whole numbers.
    """
    if weights is None:
        return (1,) * num
    try:
        given = list(weights)
        if len(given) != num:
            raise ValueError
        return tuple(whole_number("weights", weight, high=MAX_COUNT) for weight in given)
    except (TypeError, ValueError):
        raise ValueError(
            f"weights: {shown(weights)} is not allowed; expected {num} whole numbers in"
            f" 1..{MAX_COUNT}, one for each network"
        ) from None


def with_runs(
    networks: Sequence[Network],
    weights: Sequence[int],
    parts: Callable[[Network], Sequence[_Part]],
) -> list[tuple[str, _Part, int]]:
    """The layers or operators of all networks: name of the network, part, its number of runs."""
    return [
        (network.name, part, part.count * weight)
        for network, weight in zip(networks, weights, strict=True)
        for part in parts(network)
    ]
