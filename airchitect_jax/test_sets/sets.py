"""The fixed test sets by name."""

from __future__ import annotations

from collections.abc import Callable

from airchitect_jax.case_studies import ArrayDataflowCase, BufferCase, ScheduleCase
from airchitect_jax.test_sets.base import FixedSet
from airchitect_jax.test_sets.case_sets import CaseSet
from airchitect_jax.test_sets.machine_set import MachineSet
from airchitect_jax.types import Interface, MemoryModel

_SIMULATED_MAX_DIM = 1024  # the default of case study 2 with --memory_model=scalesim3


def _case_study1() -> FixedSet:
    case = ArrayDataflowCase()
    sha256 = "7e4c31e92e3d2570ed983c9d5dfa33c6217427b8bc7ce51a29834869bf0853c1"
    return CaseSet(name="case_study1", title=case.title, sha256=sha256, case=case, num=100_000)


def _case_study2() -> FixedSet:
    case = BufferCase()
    sha256 = "9c3ce7218e2cea2c632c9dbfb1f408e04f73194ed1cb556c843e299d1250fd56"
    return CaseSet(name="case_study2", title=case.title, sha256=sha256, case=case, num=100_000)


def _case_study2_scalesim3() -> FixedSet:
    return CaseSet(
        name="case_study2_scalesim3",
        title="SRAM buffer sizing, judged by the SCALE-Sim package",
        sha256="eeac0a086811e47f30ab7bd3529cfd6c73f5f368c460e4b7d121282216ae29f4",
        case=BufferCase(
            max_dim=_SIMULATED_MAX_DIM,
            memory_model=MemoryModel.SCALESIM3,
            interface=Interface.PORTS,
        ),
        num=2000,
        drawn_by=BufferCase(max_dim=_SIMULATED_MAX_DIM),
    )


def _case_study3() -> FixedSet:
    case = ScheduleCase()
    sha256 = "fd7b789bc3564522553c9a8703be661385f6464a25e0132d9ae259a7520808b1"
    return CaseSet(name="case_study3", title=case.title, sha256=sha256, case=case, num=100_000)


_SETS: dict[str, Callable[[], FixedSet]] = {
    "case_study1": _case_study1,
    "case_study2": _case_study2,
    "case_study2_scalesim3": _case_study2_scalesim3,
    "case_study3": _case_study3,
    "machines": MachineSet,
}


def fixed_set_names() -> tuple[str, ...]:
    """Names of the fixed test sets.

    Example:
      >>> fixed_set_names()
      ('case_study1', 'case_study2', 'case_study2_scalesim3', 'case_study3', 'machines')
    """
    return tuple(_SETS)


def fixed_set(name: str) -> FixedSet:
    """A fixed test set; nothing is drawn yet.

    Raises:
      ValueError: there is no such set; lists the names.
    """
    if name not in _SETS:
        raise ValueError(f"set: {name!r} is not allowed; expected {', '.join(_SETS)}")
    return _SETS[name]()
