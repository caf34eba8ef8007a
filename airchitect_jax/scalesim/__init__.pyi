from .config import ScalesimConfig, read_config, write_config
from .package import PackageRun, run_gemm
from .platforms import platform_of, read_config_platform
from .replay import ReplayReport
from .reports import LayerReport, printed_settings, printed_text
from .settings import Settings
from .simulation import Plan, ScalesimResult, read_plan, run, simulate
from .topology import LayerLayout, ScalesimLayer

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
    "platform_of",
    "printed_settings",
    "printed_text",
    "read_config",
    "read_config_platform",
    "read_plan",
    "run",
    "run_gemm",
    "simulate",
    "write_config",
]
