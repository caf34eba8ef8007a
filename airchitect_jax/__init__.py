"""Learned and exact design-space exploration for systolic-array accelerators, in JAX."""

from typing import TYPE_CHECKING

from airchitect_jax.lazy import lazy_names

if TYPE_CHECKING:
    from airchitect_jax._support import register
    from airchitect_jax.cost import (
        CostTerm,
        EnergyTable,
        Platform,
        Relaxation,
        RelaxedArray,
        compute_cycles,
        compute_report,
        evaluate_memory,
        sensitivity,
    )
    from airchitect_jax.cost.evaluate import evaluate
    from airchitect_jax.oracle import label, label_buffers, label_schedules
    from airchitect_jax.recommendation import Recommendation, recommend
    from airchitect_jax.scalesim import ReplayReport
    from airchitect_jax.scalesim.replay import replay
    from airchitect_jax.spaces import ArrayDataflowSpace, BufferSpace, ScheduleSpace
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
    from airchitect_jax.workloads import (
        Layer,
        Network,
        from_jax,
        load_network,
        network_names,
        open_network,
        read_onnx,
        read_topology,
        write_topology,
    )
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "ArrayDataflowSpace",
    "ArrayDesign",
    "ArrayShape",
    "BudgetedGemm",
    "BufferSizes",
    "BufferSpace",
    "BufferedGemm",
    "CostReport",
    "CostTerm",
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
    "Platform",
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
    "register",
    "replay",
    "sensitivity",
    "write_topology",
]
