"""A case study by its name."""

from __future__ import annotations

import dataclasses

from absl import flags

from airchitect_jax._support import find
from airchitect_jax.case_studies import CaseStudy

CASE_STUDY = flags.DEFINE_string(
    "case_study",
    "1",
    "Array shape and dataflow (1), SRAM sizes (2), scheduling on four arrays (3), or one that a"
    " --plugin registers.",
)


def make_case(**settings: object) -> CaseStudy:
    """The case study of the flag, with those of the settings that are its fields.

    Raises:
      ValueError: there is no such case study, or a field's value is not allowed.
    """
    kind = find("case_study", CASE_STUDY.value)
    fields = {field.name for field in dataclasses.fields(kind)}
    made: CaseStudy = kind(**{name: value for name, value in settings.items() if name in fields})
    return made
