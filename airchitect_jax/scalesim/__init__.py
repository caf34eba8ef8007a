"""SCALE-Sim: its files in and out, configurations, exact replays, the installed package."""

from typing import TYPE_CHECKING

from airchitect_jax.lazy import lazy_names

if TYPE_CHECKING:
    from airchitect_jax.scalesim.config import ScalesimConfig, read_config, write_config
    from airchitect_jax.scalesim.layer import LayerLayout, ScalesimLayer
    from airchitect_jax.scalesim.package import PackageRun, run_gemm
    from airchitect_jax.scalesim.replay import ReplayReport
    from airchitect_jax.scalesim.settings import Settings
else:
    __getattr__ = lazy_names(__name__)

__all__ = [
    "LayerLayout",
    "PackageRun",
    "ReplayReport",
    "ScalesimConfig",
    "ScalesimLayer",
    "Settings",
    "read_config",
    "run_gemm",
    "write_config",
]
