"""The exact best mappings of GEMMs on a machine in physical units (`MemoryModel.TILED`)."""

from airchitect_jax.oracle.mappings.best import (
    BestMappings,
    Compulsory,
    Weights,
    best_mapping,
    best_mappings,
    compulsory,
)
from airchitect_jax.oracle.mappings.network import NetworkMappings, network_optimum

__all__ = [
    "BestMappings",
    "Compulsory",
    "NetworkMappings",
    "Weights",
    "best_mapping",
    "best_mappings",
    "compulsory",
    "network_optimum",
]
