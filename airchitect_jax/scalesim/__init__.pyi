from .config import ScalesimConfig, read_config, write_config
from .package import PackageRun, run_gemm
from .replay import ReplayReport

__all__ = [
    "PackageRun",
    "ReplayReport",
    "ScalesimConfig",
    "read_config",
    "run_gemm",
    "write_config",
]
