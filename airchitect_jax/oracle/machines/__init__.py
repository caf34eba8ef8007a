"""The best machine of a space too large to enumerate, with a proof."""

from airchitect_jax.oracle.machines.answer import (
    ClosedBox,
    Corner,
    Line,
    Optimum,
    Progress,
    Totals,
)
from airchitect_jax.oracle.machines.best import best_machine
from airchitect_jax.oracle.machines.certificate import certificate, write_certificate
from airchitect_jax.oracle.machines.pareto import FrontPoint, pareto_front
from airchitect_jax.oracle.machines.point import MachineCost
from airchitect_jax.oracle.machines.question import Budgets, MachineObjective, Question
from airchitect_jax.oracle.machines.size import mapping_points
from airchitect_jax.oracle.machines.values import Run, run_of, value_of

__all__ = [
    "Budgets",
    "ClosedBox",
    "Corner",
    "FrontPoint",
    "Line",
    "MachineCost",
    "MachineObjective",
    "Optimum",
    "Progress",
    "Question",
    "Run",
    "Totals",
    "best_machine",
    "certificate",
    "mapping_points",
    "pareto_front",
    "run_of",
    "value_of",
    "write_certificate",
]
