"""A case study under both runtime models."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

from airchitect_jax.case_studies import ArrayDataflowCase, BufferCase, ScheduleCase
from airchitect_jax.types import RuntimeModel

_Case = TypeVar("_Case", ArrayDataflowCase, BufferCase, ScheduleCase)


def runtime_variants(case: _Case, quantity: str) -> dict[str, _Case]:
    """The case study itself, and with the other runtime model."""
    other = next(model for model in RuntimeModel if model is not case.runtime_model)
    return {
        f"{quantity}, {case.runtime_model.value}": case,
        f"{quantity}, {other.value}": dataclasses.replace(case, runtime_model=other),
    }
