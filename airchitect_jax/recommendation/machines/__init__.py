"""The best machine of a platform in physical units: exact answer, tables, figures, report."""

from airchitect_jax.oracle.machines import Budgets, MachineObjective
from airchitect_jax.recommendation.machines.answer import (
    MachineAnswer,
    MachineLayer,
    MachineOperator,
)
from airchitect_jax.recommendation.machines.exact import optimize, recommend_machine
from airchitect_jax.recommendation.machines.front import FRONT_HEADER, front_csv, front_rows
from airchitect_jax.recommendation.machines.tables import (
    describe,
    headline,
    layers_csv,
    operators_csv,
    question,
    summary_of,
)

__all__ = [
    "FRONT_HEADER",
    "Budgets",
    "MachineAnswer",
    "MachineLayer",
    "MachineObjective",
    "MachineOperator",
    "describe",
    "front_csv",
    "front_rows",
    "headline",
    "layers_csv",
    "operators_csv",
    "optimize",
    "question",
    "recommend_machine",
    "summary_of",
]
