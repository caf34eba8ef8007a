"""Learned and exact design-space exploration for systolic-array accelerators, in JAX."""

from airchitect_jax.cost.compute import compute_cycles, compute_report
from airchitect_jax.cost.evaluate import evaluate
from airchitect_jax.oracle.array_dataflow import label
from airchitect_jax.spaces import ArrayDataflowSpace
from airchitect_jax.types import (
    ArrayDesign,
    ArrayShape,
    BudgetedGemm,
    CostReport,
    Dataflow,
    Gemm,
    Labels,
    RuntimeModel,
)
from airchitect_jax.version import __version__
from airchitect_jax.workloads.network import Layer, Network
from airchitect_jax.workloads.scalesim_csv import read_topology
from airchitect_jax.workloads.zoo import load_network, network_names

__all__ = [
    "ArrayDataflowSpace",
    "ArrayDesign",
    "ArrayShape",
    "BudgetedGemm",
    "CostReport",
    "Dataflow",
    "Gemm",
    "Labels",
    "Layer",
    "Network",
    "RuntimeModel",
    "__version__",
    "compute_cycles",
    "compute_report",
    "evaluate",
    "label",
    "load_network",
    "network_names",
    "read_topology",
]
