"""Sources of workloads: samplers, JAX functions, files of several formats, packaged networks."""

from airchitect_jax.workloads.jaxpr import from_jax
from airchitect_jax.workloads.network import GemmCounts, Layer, Network, Operator
from airchitect_jax.workloads.onnx import parse_onnx, read_onnx
from airchitect_jax.workloads.sampling import Distribution, sample_integers
from airchitect_jax.workloads.scalesim_csv import (
    overlapping_windows,
    parse_topology,
    read_topology,
    write_topology,
)
from airchitect_jax.workloads.source import open_network
from airchitect_jax.workloads.stablehlo import parse_stablehlo, read_stablehlo
from airchitect_jax.workloads.torch_export import read_torch
from airchitect_jax.workloads.zoo import EVALUATION_NETWORKS, load_network, network_names

__all__ = [
    "EVALUATION_NETWORKS",
    "Distribution",
    "GemmCounts",
    "Layer",
    "Network",
    "Operator",
    "from_jax",
    "load_network",
    "network_names",
    "open_network",
    "overlapping_windows",
    "parse_onnx",
    "parse_stablehlo",
    "parse_topology",
    "read_onnx",
    "read_stablehlo",
    "read_topology",
    "read_torch",
    "sample_integers",
    "write_topology",
]
