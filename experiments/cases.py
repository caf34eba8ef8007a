"""A case study by its number."""

from __future__ import annotations

from airchitect_jax.case_studies.array_dataflow import ArrayDataflowCase
from airchitect_jax.case_studies.base import CaseStudy
from airchitect_jax.case_studies.buffers import BufferCase
from airchitect_jax.case_studies.schedule import ScheduleCase

NUMBERS = ("1", "2", "3")
MEANING = "Array shape and dataflow (1), SRAM sizes (2), or scheduling on four arrays (3)."


def numbered_case(number: str, **changes: object) -> CaseStudy:
    """The case study of a number, its fields as given.

    Raises:
      ValueError: a field's value is not allowed.
    """
    kinds = dict(zip(NUMBERS, (ArrayDataflowCase, BufferCase, ScheduleCase), strict=True))
    return kinds[number](**changes)
