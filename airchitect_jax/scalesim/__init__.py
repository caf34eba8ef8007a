"""SCALE-Sim: its files in and out, configurations, exact replays, the installed package."""

from typing import TYPE_CHECKING

from airchitect_jax.lazy import lazy_names

if TYPE_CHECKING:
    from airchitect_jax.scalesim.config import ScalesimConfig, read_config, write_config
    from airchitect_jax.scalesim.layer import LayerLayout, ScalesimLayer
    from airchitect_jax.scalesim.package import PackageRun, run_gemm
    from airchitect_jax.scalesim.replay import ReplayReport
    from airchitect_jax.scalesim.reports import LayerReport, printed_settings, printed_text
    from airchitect_jax.scalesim.settings import Settings
    from airchitect_jax.scalesim.simulation import Plan, ScalesimResult, read_plan, run, simulate
else:
    __getattr__, __dir__ = lazy_names(__name__)

__all__ = [
    "LayerLayout",
    "LayerReport",
    "PackageRun",
    "Plan",
    "ReplayReport",
    "ScalesimConfig",
    "ScalesimLayer",
    "ScalesimResult",
    "Settings",
    "printed_settings",
    "printed_text",
    "read_config",
    "read_plan",
    "run",
    "run_gemm",
    "simulate",
    "write_config",
]
