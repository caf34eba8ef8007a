"""Labels workload sets of any size: files in, shards of exact labels out."""

from airchitect_jax.labelling.designs import EvaluationTask
from airchitect_jax.labelling.engine import Engine, Process, count_rows, merge_rejects
from airchitect_jax.labelling.sources import FileSource, SampledSource
from airchitect_jax.labelling.tasks import ArrayDataflowTask, CaseTask, LabelTask, Report, row_bytes

__all__ = [
    "ArrayDataflowTask",
    "CaseTask",
    "Engine",
    "EvaluationTask",
    "FileSource",
    "LabelTask",
    "Process",
    "Report",
    "SampledSource",
    "count_rows",
    "merge_rejects",
    "row_bytes",
]
