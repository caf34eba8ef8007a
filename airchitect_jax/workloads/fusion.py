"""Groups of elementwise work as operators, with the elements that each reads and writes.

Elementwise work, reductions and normalisations that pass results to each other are one operator, as
in the loop fusion of compilers: it reads each input once, writes each result that something else
uses once, and keeps the results in between on chip. Matrix products, control flow, lookups, pooling
and data movement end a group, since they read their operands from memory. Reshapes, broadcasts and
static slices are views: they cost nothing, and their reader reads the elements of the source that
it needs.

A group never waits for its own results: the level of work is the number of such ends before it, or
before all work that reads its results if these are not needed in memory; only work of one level is
grouped.
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
        results = [_Value(elements, level, len(self._steps)) for elements in outputs]
        self._steps.append(_Step(label, kind, role, operations, views, results))
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
        groups = self._groups()
        members: dict[int, list[_Step]] = {}
        for number, step in enumerate(self._steps):
            members.setdefault(groups[number], []).append(step)
            for view in step.inputs:
                if view.value.step is not None and groups[view.value.step] != groups[number]:
                    view.value.is_stored = True
        found = []
        for number in range(len(self._steps) + 1):
            found += self._separate.get(number, [])
            found += _operators(members.get(number, []))
        return found

    def _groups(self) -> list[int]:
        """The last step of the group of each step."""
        levels = self._levels()
        parents = list(range(len(self._steps)))

        def root(step: int) -> int:
            while parents[step] != step:
                parents[step] = parents[parents[step]]
                step = parents[step]
            return step

        for number, step in enumerate(self._steps):
            for view in step.inputs:
                producer = view.value.step
                if producer is not None and levels[producer] == levels[number]:
                    parents[root(producer)] = root(number)
        return [root(number) for number in range(len(parents))]

    def _levels(self) -> list[int]:
        """The level of each step: as late as those that read its results allow."""
        readers: dict[int, int] = {}  # the lowest level of them
        levels = [0] * len(self._steps)
        for number, step in reversed(list(enumerate(self._steps))):
            levels[number] = step.results[0].level
            if number in readers and not any(value.is_stored for value in step.results):
                levels[number] = readers[number]
            for view in step.inputs:
                if view.value.step is not None:
                    lowest = readers.get(view.value.step, levels[number])
                    readers[view.value.step] = min(lowest, levels[number])
        return levels

    def _view(self, value: _Value) -> View:
        self._parts += 1
        return View(value, self._parts, value.elements)


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
    # A root of every element, as in Adam, does not normalise rows.
    most = max(value.elements for step in steps for value in step.results)
    roles = {step.role for step in steps if step.role != "root" or _size(step) < most}
    kind = min((step.kind for step in steps), key=_PRIORITY.index)
    if {"exp", "sum"} <= roles:
        kind = OperatorKind.SOFTMAX
    elif {"root", "sum"} <= roles:
        kind = min(kind, OperatorKind.NORMALIZATION, key=_PRIORITY.index)
    labelled = [step for step in reversed(steps) if step.label]
    last = min(labelled, key=lambda step: _PRIORITY.index(step.kind), default=None)
    return [
        Operator(
            name=last.label if last else kind.value,
            kind=kind,
            operations=sum(step.operations for step in steps),
            input_elements=read,
            output_elements=written,
        )
    ]


def _size(step: _Step) -> int:
    return step.results[0].elements


def log2_ceil(number: int) -> int:
    """ceil(log2(number)), at least 1: comparisons per element of a sort."""
    return max(1, (number - 1).bit_length())
