"""Learned and exact design-space exploration for systolic-array accelerators, in JAX."""

from airchitect_jax.cost.compute import compute_cycles, compute_report
from airchitect_jax.cost.energy import EnergyTable
from airchitect_jax.cost.evaluate import evaluate, evaluate_memory
from airchitect_jax.cost.relaxed import Relaxation, RelaxedArray, sensitivity
from airchitect_jax.cost.scalesim3 import ReplayReport, replay
from airchitect_jax.oracle.array_dataflow import label
from airchitect_jax.oracle.buffers import label_buffers
from airchitect_jax.oracle.schedules import label_schedules
from airchitect_jax.recommendation import Recommendation, recommend
from airchitect_jax.schedule_space import ScheduleSpace
from airchitect_jax.spaces import ArrayDataflowSpace, BufferSpace
from airchitect_jax.types import (
    ArrayDesign,
    ArrayShape,
    BudgetedGemm,
    BufferedGemm,
    BufferSizes,
    CostReport,
    Dataflow,
    Gemm,
    Interface,
    Labels,
    Memory,
    MemoryModel,
    MemoryReport,
    Objective,
    RuntimeModel,
    Schedule,
    Traffic,
)
from airchitect_jax.version import __version__
from airchitect_jax.workloads.jaxpr import from_jax
from airchitect_jax.workloads.network import Layer, Network
from airchitect_jax.workloads.onnx import read_onnx
from airchitect_jax.workloads.scalesim_csv import read_topology, write_topology
from airchitect_jax.workloads.source import open_network
from airchitect_jax.workloads.zoo import load_network, network_names

__all__ = [
    "ArrayDataflowSpace",
    "ArrayDesign",
    "ArrayShape",
    "BudgetedGemm",
    "BufferSizes",
    "BufferSpace",
    "BufferedGemm",
    "CostReport",
    "Dataflow",
    "EnergyTable",
    "Gemm",
    "Interface",
    "Labels",
    "Layer",
    "Memory",
    "MemoryModel",
    "MemoryReport",
    "Network",
    "Objective",
    "Recommendation",
    "Relaxation",
    "RelaxedArray",
    "ReplayReport",
    "RuntimeModel",
    "Schedule",
    "ScheduleSpace",
    "Traffic",
    "__version__",
    "compute_cycles",
    "compute_report",
    "evaluate",
    "evaluate_memory",
    "from_jax",
    "label",
    "label_buffers",
    "label_schedules",
    "load_network",
    "network_names",
    "open_network",
    "read_onnx",
    "read_topology",
    "recommend",
    "replay",
    "sensitivity",
    "write_topology",
]
