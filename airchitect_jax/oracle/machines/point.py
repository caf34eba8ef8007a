"""The cost of single machines."""

from __future__ import annotations

from typing import Any

from airchitect_jax.oracle.machines.answer import Corner
from airchitect_jax.oracle.machines.candidates import Candidates
from airchitect_jax.oracle.machines.question import Question
from airchitect_jax.oracle.machines.solver import Solver


class MachineCost:
    """The cost of a machine with the best mapping of each GEMM, as `best_machine` has it."""

    def __init__(self, question: Question) -> None:
        self._solver = Solver(question)
        self.forget()

    def __call__(self, machine: Corner) -> Any:
        """The cost of the machine at a corner, computed once; infinite beyond a budget."""
        return self._candidates.attempt(machine).cost

    def forget(self) -> None:
        """Forgets all costs."""
        self._candidates = Candidates(self._solver)
