"""Cost terms: a user's own contributions to the cycles and the energy of a GEMM."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from airchitect_jax._support import registered, shown
from airchitect_jax.cost.arithmetic import Number
from airchitect_jax.types import ArrayShape, Dataflow, Gemm

Contribution = Callable[[Gemm, ArrayShape, Dataflow], Number]


@dataclasses.dataclass(frozen=True, kw_only=True)
class CostTerm:
    """An addition to the cost of a GEMM on an array with a dataflow.

    Functions of (gemm, array, dataflow) that broadcast, written once for Python integers, NumPy
    arrays, JAX tracers and soft numbers: operators and the functions of
    `airchitect_jax.cost.arithmetic`. Whole numbers in, whole numbers out, not negative.

    Attributes:
      name: reported with the results.
      cycles: cycles, added to the compute cycles and to the total cycles; None for none.
      energy_fj: femtojoules, added to the energy; None for none.

    Raises:
      ValueError: the name is not a string, is empty or has a comma.
      TypeError: a contribution is not a function.

    Example:
      >>> dispatch = aj.CostTerm(name="dispatch", cycles=lambda gemm, array, dataflow: 100)
      >>> answer = aj.recommend("dlrm", mac_budget=1024)
      >>> aj.recommend("dlrm", mac_budget=1024, terms=[dispatch]).cycles - answer.cycles
      205600
    """

    name: str
    cycles: Contribution | None = None
    energy_fj: Contribution | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name or "," in self.name:
            raise ValueError(
                f"name: {shown(self.name)} is not allowed; expected a text without commas"
            )
        for field in ("cycles", "energy_fj"):
            function = getattr(self, field)
            if function is not None and not callable(function):
                raise TypeError(f"{field}: {shown(function)} is not allowed; expected a function")


def resolve_terms(terms: Sequence[CostTerm | str]) -> tuple[CostTerm, ...]:
    """Cost terms, those given by name as they were registered (`register("cost_term", ...)`).

    Raises:
      ValueError: something is neither a term nor a registered name, or two terms have one name.
      TypeError: the terms are not a tuple or list.
    """
    if not isinstance(terms, (list, tuple)):
        raise TypeError(f"terms: {shown(terms)} is not allowed; expected a tuple of CostTerm")
    found = []
    known = registered("cost_term")
    for term in terms:
        own = known.get(term, term) if isinstance(term, str) else term
        if not isinstance(own, CostTerm):
            choices = f"one of {', '.join(known)}" if known else "none is registered"
            raise ValueError(
                f"terms: {shown(own)} is not allowed; expected a CostTerm or its name ({choices})"
            )
        found.append(own)
    names = [term.name for term in found]
    if len(set(names)) < len(names):
        raise ValueError(f"terms: {', '.join(names)} is not allowed; expected each name once")
    return tuple(found)


def add_cycles(
    terms: Sequence[CostTerm], cycles: Number, gemm: Gemm, array: ArrayShape, dataflow: Dataflow
) -> Number:
    """Cycles with those of the terms."""
    for term in terms:
        if term.cycles is not None:
            cycles = cycles + term.cycles(gemm, array, dataflow)
    return cycles


def add_energy_fj(
    terms: Sequence[CostTerm], energy_fj: Number, gemm: Gemm, array: ArrayShape, dataflow: Dataflow
) -> Number:
    """Energy in femtojoules with that of the terms."""
    for term in terms:
        if term.energy_fj is not None:
            energy_fj = energy_fj + term.energy_fj(gemm, array, dataflow)
    return energy_fj
