"""Groups of elementwise work as operators, with the elements that each reads and writes.

Elementwise work, reductions and normalisations that pass results to each other are one operator, as
in the loop fusion of compilers: it reads each input once, writes each result that something else
uses once, and keeps the results in between on chip. Matrix products, control flow, lookups, pooling
and data movement end a group, since they read their operands from memory. Reshapes, broadcasts and
static slices are views: they cost nothing, and their reader reads the elements of the source that
it needs.

A group never waits for its own results: the level of a value is the number of such ends before it,
and only work of one level is grouped.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from airchitect_jax.types import OperatorKind
from airchitect_jax.workloads.network import Operator

# The kind of a group is the first that occurs in it.
_PRIORITY = (
    OperatorKind.SOFTMAX,
    OperatorKind.NORMALIZATION,
    OperatorKind.POOLING,
    OperatorKind.ACTIVATION,
    OperatorKind.REDUCTION,
    OperatorKind.ELEMENTWISE,
    OperatorKind.EMBEDDING,
    OperatorKind.DATA_MOVEMENT,
)


@dataclasses.dataclass(eq=False)
class _Value:
    """A tensor: an input, or the result of a step."""

    elements: int
    level: int = 0
    step: int | None = None  # that may be fused with its readers
    is_stored: bool = False  # because another operator or a matrix product reads it


class View(NamedTuple):
    """Elements of a tensor as its readers see them.

    Attributes:
      value: the tensor.
      part: identifies a slice of it; a reader of the same part twice reads it once.
      elements: of the tensor that the view covers.
    """

    value: _Value
    part: int
    elements: int


class _Step(NamedTuple):
    label: str
    kind: OperatorKind
    role: str
    operations: int
    inputs: Sequence[View]
    results: Sequence[_Value]


class Tape:
    """The work of a straight-line program, recorded in order. A missing view is a constant."""

    def __init__(self) -> None:
        self._steps: list[_Step] = []
        self._groups: list[int] = []  # a forest: the parent of each step
        self._separate: dict[int, list[Operator]] = {}  # by the number of steps before them
        self._parts = 0

    def source(self, elements: int) -> View:
        """An input or a weight."""
        return self._view(_Value(elements))

    def part(self, view: View, elements: int) -> View:
        """A slice of a view."""
        self._parts += 1
        return View(view.value, self._parts, min(elements, view.elements))

    def fused(
        self,
        label: str,
        kind: OperatorKind,
        operations: int,
        inputs: Iterable[View | None],
        outputs: Sequence[int],
        role: str = "",
    ) -> list[View]:
        """Work that may share an operator with the work that computes its inputs.

        Args:
          label: name of the operator; empty if there is none.
          kind: of this work; that of its operator follows from all of its work.
          operations: arithmetic operations.
          inputs: the views that it reads.
          outputs: elements of each result.
          role: "exp", "sum" or "root": a group of the first two is a softmax, one of the last two a
            normalisation.
        """
        views = [view for view in inputs if view is not None]
        level = max((view.value.level for view in views), default=0)
        number = len(self._steps)
        self._groups.append(number)
        results = [_Value(elements, level, number) for elements in outputs]
        self._steps.append(_Step(label, kind, role, operations, views, results))
        for view in views:
            if view.value.step is not None and view.value.level == level:
                self._groups[self._group(view.value.step)] = self._group(number)
        return [self._view(value) for value in results]

    def separate(
        self,
        label: str,
        kind: OperatorKind,
        operations: int,
        inputs: Iterable[View | None],
        outputs: Sequence[int],
        *,
        read: int | None = None,
        written: int | None = None,
        times: int = 1,
    ) -> list[View]:
        """Work that is an operator of its own, which runs `times` times.

        The other arguments are those of `fused`; `read` and `written` are the elements that a run
        reads and writes, if these are not all of its inputs and outputs.
        """
        views = [view for view in inputs if view is not None]
        read = sum(view.elements for view in views) if read is None else read
        written = sum(outputs) if written is None else written
        if written and times:
            operator = Operator(
                name=label or kind.value,
                kind=kind,
                operations=operations,
                input_elements=read,
                output_elements=written,
                count=times,
            )
            self._separate.setdefault(len(self._steps), []).append(operator)
        return self.boundary(views, outputs)

    def boundary(self, inputs: Iterable[View | None], outputs: Sequence[int]) -> list[View]:
        """Work that is counted elsewhere: matrix products and control flow."""
        views = [view for view in inputs if view is not None]
        self.store(views)
        level = 1 + max((view.value.level for view in views), default=0)
        return [self._view(_Value(elements, level)) for elements in outputs]

    def store(self, views: Iterable[View | None]) -> None:
        """Marks results that are needed in memory, such as the program's."""
        for view in views:
            if view is not None:
                view.value.is_stored = True

    def operators(self) -> list[Operator]:
        """The operators in the order of their last work."""
        for number, step in enumerate(self._steps):
            for view in step.inputs:
                if view.value.step is not None:
                    same = self._group(view.value.step) == self._group(number)
                    view.value.is_stored |= not same
        groups: dict[int, list[_Step]] = {}
        for number, step in enumerate(self._steps):
            groups.setdefault(self._group(number), []).append(step)
        found = []
        for number in range(len(self._steps) + 1):
            found += self._separate.get(number, [])
            if number in groups:
                found += _operators(groups[number])
        return found

    def _view(self, value: _Value) -> View:
        self._parts += 1
        return View(value, self._parts, value.elements)

    def _group(self, step: int) -> int:
        """The last step of a group; it is the root of its tree."""
        while self._groups[step] != step:
            self._groups[step] = self._groups[self._groups[step]]
            step = self._groups[step]
        return step


def _operators(steps: Sequence[_Step]) -> list[Operator]:
    """The operator of a group; none where all results are empty."""
    own = {id(value) for step in steps for value in step.results}
    parts: dict[int, dict[int, int]] = {}
    sizes: dict[int, int] = {}
    for step in steps:
        for view in step.inputs:
            if id(view.value) not in own:
                parts.setdefault(id(view.value), {})[view.part] = view.elements
                sizes[id(view.value)] = view.value.elements
    read = sum(min(sizes[key], sum(views.values())) for key, views in parts.items())
    written = sum(value.elements for step in steps for value in step.results if value.is_stored)
    if not written:
        return []
    roles = {step.role for step in steps}
    kind = min((step.kind for step in steps), key=_PRIORITY.index)
    if {"exp", "sum"} <= roles:
        kind = OperatorKind.SOFTMAX
    elif {"root", "sum"} <= roles:
        kind = min(kind, OperatorKind.NORMALIZATION, key=_PRIORITY.index)
    labels = [step.label for step in sorted(steps, key=lambda step: _PRIORITY.index(step.kind))]
    return [
        Operator(
            name=next(filter(None, labels), kind.value),
            kind=kind,
            operations=sum(step.operations for step in steps),
            input_elements=read,
            output_elements=written,
        )
    ]


def log2_ceil(number: int) -> int:
    """ceil(log2(number)), at least 1: comparisons per element of a sort."""
    return max(1, (number - 1).bit_length())
