"""Learning problems: one definition per case study, from which everything else follows."""

from airchitect_jax.case_studies.array_dataflow import ArrayDataflowCase
from airchitect_jax.case_studies.base import (
    CaseStudy,
    check_range,
    num_out_of_range,
    out_of_range,
)
from airchitect_jax.case_studies.buffers import BufferCase
from airchitect_jax.case_studies.definition import Context, Feature
from airchitect_jax.case_studies.factory import gemm_fields
from airchitect_jax.case_studies.schedules import ScheduleCase, parse_arrays

__all__ = [
    "ArrayDataflowCase",
    "BufferCase",
    "CaseStudy",
    "Context",
    "Feature",
    "ScheduleCase",
    "check_range",
    "gemm_fields",
    "num_out_of_range",
    "out_of_range",
    "parse_arrays",
]

from airchitect_jax._support import register

register("case_study", "1", ArrayDataflowCase)
register("case_study", "2", BufferCase)
register("case_study", "3", ScheduleCase)
