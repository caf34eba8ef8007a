"""Exact optima by exhaustive search: the labels that networks learn."""

from airchitect_jax.oracle.array_dataflow import label, label_exponents, label_on
from airchitect_jax.oracle.batch import Search, exact_labels, retry, valid_rows, wide_chunks
from airchitect_jax.oracle.buffer_search import log_cost_grid
from airchitect_jax.oracle.buffers import (
    buffer_limits,
    label_buffers,
    label_buffers_in_python,
    label_buffers_on,
)
from airchitect_jax.oracle.queues import MAX_WORKLOADS, QueueSchedule, schedule_queues
from airchitect_jax.oracle.ranking import DEFAULT_MEMORY, design_cost
from airchitect_jax.oracle.replayed import label_replayed, replayed_cycles
from airchitect_jax.oracle.schedules import label_schedules, label_schedules_on

__all__ = [
    "DEFAULT_MEMORY",
    "MAX_WORKLOADS",
    "QueueSchedule",
    "Search",
    "buffer_limits",
    "design_cost",
    "exact_labels",
    "label",
    "label_buffers",
    "label_buffers_in_python",
    "label_buffers_on",
    "label_exponents",
    "label_on",
    "label_replayed",
    "label_schedules",
    "label_schedules_on",
    "log_cost_grid",
    "replayed_cycles",
    "retry",
    "schedule_queues",
    "valid_rows",
    "wide_chunks",
]
