"""SCALE-Sim: configurations, an exact replay of scalesim 3.0.0, the installed package."""

from airchitect_jax.scalesim.config import ScalesimConfig, read_config, write_config
from airchitect_jax.scalesim.package import PackageRun, run_gemm
from airchitect_jax.scalesim.replay import ReplayReport

__all__ = [
    "PackageRun",
    "ReplayReport",
    "ScalesimConfig",
    "read_config",
    "run_gemm",
    "write_config",
]
