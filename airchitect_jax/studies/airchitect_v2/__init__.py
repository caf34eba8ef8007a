"""The AIrchitect v2 data set: read, split, learnt and judged."""

from airchitect_jax.studies.airchitect_v2.experiment import Settings, run
from airchitect_jax.studies.airchitect_v2.table import read_table

__all__ = ["Settings", "read_table", "run"]
