"""The cost of single machines."""

from __future__ import annotations

from typing import Any

from airchitect_jax.oracle.machines.answer import Corner
from airchitect_jax.oracle.machines.best import Search
from airchitect_jax.oracle.machines.question import Question


class MachineCost:
    """The cost of a machine with the best mapping of each GEMM, as `best_machine` has it."""

    def __init__(self, question: Question) -> None:
        self._search = Search(question, gap=0.0)
        self._known: dict[Corner, Any] = {}

    def __call__(self, machine: Corner) -> Any:
        """The cost of the machine at a corner, computed once; infinite beyond a budget."""
        if machine not in self._known:
            self._known[machine] = self._search._point(machine).cost
        return self._known[machine]

    def forget(self) -> None:
        """Forgets all costs."""
        self._known.clear()
