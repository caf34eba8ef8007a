"""A case study by its number."""

from __future__ import annotations

from absl import flags

from airchitect_jax.case_studies import ArrayDataflowCase, BufferCase, ScheduleCase

CASE_STUDY = flags.DEFINE_enum(
    "case_study",
    "1",
    ["1", "2", "3"],
    "Array shape and dataflow (1), SRAM sizes (2), or scheduling on four arrays (3).",
)


def make_case(**changes: object) -> ArrayDataflowCase | BufferCase | ScheduleCase:
    """The case study of the flag, its fields as given.

    Raises:
      ValueError: a field's value is not allowed.
    """
    kinds = {"1": ArrayDataflowCase, "2": BufferCase, "3": ScheduleCase}
    return kinds[CASE_STUDY.value](**changes)
