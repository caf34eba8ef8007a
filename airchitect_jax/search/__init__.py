"""Searchers behind one interface: any searcher runs on any problem."""

from airchitect_jax.search.ask_tell import BlackBox
from airchitect_jax.search.base import Searcher, Tally, evaluate_points, repair
from airchitect_jax.search.driver import Searches, prepare, prepare_steps, search, steps_within
from airchitect_jax.search.joint import JointProblem
from airchitect_jax.search.machines import MachineProblem, NumberedWorkload, batch_questions
from airchitect_jax.search.parameters import Parameter, parameters
from airchitect_jax.search.point_costs import PointCosts
from airchitect_jax.search.registry import (
    Entry,
    Tools,
    TrainedNetwork,
    chosen,
    entries,
    left_out,
    optimizer_named,
)
from airchitect_jax.search.simple import random
from airchitect_jax.search.subject import Subject, case_subject, joint_subject, machine_subject

__all__ = [
    "BlackBox",
    "Entry",
    "JointProblem",
    "MachineProblem",
    "NumberedWorkload",
    "Parameter",
    "PointCosts",
    "Searcher",
    "Searches",
    "Subject",
    "Tally",
    "Tools",
    "TrainedNetwork",
    "batch_questions",
    "case_subject",
    "chosen",
    "entries",
    "evaluate_points",
    "joint_subject",
    "left_out",
    "machine_subject",
    "optimizer_named",
    "parameters",
    "prepare",
    "prepare_steps",
    "random",
    "repair",
    "search",
    "steps_within",
]
