"""What learning gains where a simulator judges: quality against replayed workloads."""

from airchitect_jax.studies.simulator.experiment import Settings, run
from airchitect_jax.studies.simulator.rivals import RIVALS, check_installed

__all__ = ["RIVALS", "Settings", "check_installed", "run"]
