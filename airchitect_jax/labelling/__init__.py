"""Labels workload sets of any size: files in, shards of exact labels out."""

from airchitect_jax.labelling.designs import EvaluationTask
from airchitect_jax.labelling.engine import Engine, Process
from airchitect_jax.labelling.manifest import Finished, Manifest
from airchitect_jax.labelling.sources import FileSource, Piece, SampledSource
from airchitect_jax.labelling.storage import Location
from airchitect_jax.labelling.tasks import ArrayDataflowTask, CaseTask, LabelTask, Report, row_bytes

__all__ = [
    "ArrayDataflowTask",
    "CaseTask",
    "Engine",
    "EvaluationTask",
    "FileSource",
    "Finished",
    "LabelTask",
    "Location",
    "Manifest",
    "Piece",
    "Process",
    "Report",
    "SampledSource",
    "row_bytes",
]
