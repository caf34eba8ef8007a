"""A case study by its name."""

from __future__ import annotations

import dataclasses
from typing import Any

from absl import flags

from airchitect_jax._support import find
from airchitect_jax.case_studies import CaseStudy
from airchitect_jax.experiments import gemm_flags, term_flags

flags.adopt_module_key_flags(gemm_flags)
flags.adopt_module_key_flags(term_flags)

CASE_STUDY = flags.DEFINE_string(
    "case_study",
    "1",
    "Array shape and dataflow (1), SRAM sizes (2), scheduling on four arrays (3), or one that a"
    " --plugin registers.",
)
ALL = (CASE_STUDY, term_flags.COST_TERMS)


def make_case(**settings: Any) -> CaseStudy:
    """The case study of the flags; settings replace flags. Both count where it has such a field.

    Raises:
      ValueError: there is no such case study, or a field's value is not allowed.
    """
    kind = find("case_study", CASE_STUDY.value)
    fields = {field.name for field in dataclasses.fields(kind)}
    settings = gemm_flags.fields() | settings
    if term_flags.COST_TERMS.value:
        if "terms" not in fields:
            raise ValueError(f"--cost_terms: not allowed with --case_study={CASE_STUDY.value}")
        settings["terms"] = tuple(term_flags.COST_TERMS.value)
    made: CaseStudy = kind(**{name: value for name, value in settings.items() if name in fields})
    return made
