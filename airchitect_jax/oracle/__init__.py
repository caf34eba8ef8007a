"""Exact optima by exhaustive search: the labels that networks learn."""

from airchitect_jax.oracle.array_dataflow import label, label_exponents
from airchitect_jax.oracle.batch import label_batch, valid_rows
from airchitect_jax.oracle.buffer_search import log_cost_grid
from airchitect_jax.oracle.buffers import buffer_limits, label_buffers, label_buffers_in_python
from airchitect_jax.oracle.queues import MAX_WORKLOADS, QueueSchedule, schedule_queues
from airchitect_jax.oracle.ranking import CYCLES, Goal, design_cost
from airchitect_jax.oracle.replayed import label_replayed, replayed_cycles
from airchitect_jax.oracle.schedules import label_schedules

__all__ = [
    "CYCLES",
    "MAX_WORKLOADS",
    "Goal",
    "QueueSchedule",
    "buffer_limits",
    "design_cost",
    "label",
    "label_batch",
    "label_buffers",
    "label_buffers_in_python",
    "label_exponents",
    "label_replayed",
    "label_schedules",
    "log_cost_grid",
    "replayed_cycles",
    "schedule_queues",
    "valid_rows",
]
