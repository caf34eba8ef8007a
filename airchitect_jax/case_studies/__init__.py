"""Learning problems: one definition per case study, from which everything else follows."""

from airchitect_jax.case_studies.array_dataflow import ArrayDataflowCase
from airchitect_jax.case_studies.base import CaseStudy, Context, Feature, out_of_range
from airchitect_jax.case_studies.buffers import BufferCase
from airchitect_jax.case_studies.schedule import ScheduleCase, parse_arrays
from airchitect_jax.registry import register

__all__ = [
    "ArrayDataflowCase",
    "BufferCase",
    "CaseStudy",
    "Context",
    "Feature",
    "ScheduleCase",
    "out_of_range",
    "parse_arrays",
]

register("case_study", "1", ArrayDataflowCase)
register("case_study", "2", BufferCase)
register("case_study", "3", ScheduleCase)
