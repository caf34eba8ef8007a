"""The exact best mappings of GEMMs on a machine in physical units (`MemoryModel.TILED`)."""

from airchitect_jax.oracle.mappings.best import (
    BestMappings,
    Compulsory,
    Weights,
    best_mapping,
    best_mappings,
    compulsory,
)
from airchitect_jax.oracle.mappings.network import network_optimum
from airchitect_jax.oracle.mappings.schedules import NetworkMappings, best_schedule

__all__ = [
    "BestMappings",
    "Compulsory",
    "NetworkMappings",
    "Weights",
    "best_mapping",
    "best_mappings",
    "best_schedule",
    "compulsory",
    "network_optimum",
]
