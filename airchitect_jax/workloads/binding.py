"""Sizes of the symbolic dimensions of a model's inputs."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from airchitect_jax._support import one_line, shown
from airchitect_jax.workloads.onnx.recorder import Recorder
from airchitect_jax.workloads.onnx.shapes import UnknownShapeError

_Found = TypeVar("_Found", bound=Recorder)

# Sides to propose, the first one being 1: of images, and the last and inner ones of others.
_PROPOSALS = ((224, 128, 128), (48, 576, 1), (64, 16_000, 1))


class UnboundDimsError(ValueError):
    """Dimensions need sizes.

    Args:
      message: the error.
      proposed: a size for each of them, by name.
    """

    def __init__(self, message: str, proposed: Mapping[str, int]) -> None:
        super().__init__(message)
        self.proposed = proposed


def dims_of(field: str, texts: Iterable[str]) -> dict[str, int]:
    """Sizes by name, of texts such as "batch=8".

    Raises:
      ValueError: a text is not name=size; names the field.
    """
    sizes = {}
    for text in texts:
        name, _, size = text.rpartition("=")
        if not name or not size.isascii() or not size.isdecimal() or len(size) > 10:
            raise ValueError(f"{field}: {text!r} is not allowed; expected name=size")
        sizes[name] = int(size)
    return sizes


@dataclasses.dataclass
class Names:
    """What of a model's inputs can be bound: dimensions, and the values of whole numbers.

    Attributes:
      dims: the axis and the input's rank of each dimension without a size, by name; 0 as well for
        the batch of a recurrent state, which comes after its layers.
      places: names of dimensions by input and axis ("x[0]").
      numbers: inputs that are one whole number, such as a sampling rate.
      limits: least and largest sizes by name, where these are restricted.
    """

    dims: dict[str, tuple[int, int]] = dataclasses.field(default_factory=dict)
    places: dict[str, str] = dataclasses.field(default_factory=dict)
    numbers: set[str] = dataclasses.field(default_factory=set)
    limits: dict[str, tuple[int, int]] = dataclasses.field(default_factory=dict)

    def add(self, source: str, axis: int, rank: int, name: str = "") -> str:
        """Adds a dimension of an input; gives its name, which is its place if it has no other."""
        place = f"{source}[{axis}]"
        self.places[place] = name or place
        is_batch = axis == 0 or (axis == 1 and rank == 3 and f"{source}[0]" not in self.places)
        self.dims.setdefault(self.places[place], (0 if is_batch else axis, rank))
        return self.places[place]

    def sizes(self, dims: Mapping[str, int]) -> dict[str, int]:
        """Sizes and values by name, of sizes by name or by input and axis.

        Raises:
          ValueError: a name is not one of the model's, a size is not a whole number above zero, or
            two sizes are given to one dimension.
        """
        sizes: dict[str, int] = {}
        for name, size in dims.items():
            symbol = self.places.get(name, name)
            if symbol not in self.dims and name not in self.numbers:
                there = one_line(", ".join((*self.dims, *sorted(self.numbers))), 200)
                raise ValueError(
                    f"dimension {shown(name)} is not one of the model's; there are"
                    f" {there or 'none'}"
                )
            low, high = self.limits.get(symbol, (1, 2**31 - 1))
            if not isinstance(size, int) or not low <= size <= high:
                raise ValueError(
                    f"dimension {one_line(name, 80)}: {shown(size)} is not allowed;"
                    f" expected {low}..{high}"
                )
            if sizes.setdefault(symbol, size) != size:
                raise ValueError(
                    f"dimension {one_line(name, 80)}: {size} is not allowed; {shown(symbol)} is"
                    f" {sizes[symbol]}"
                )
        return sizes

    def unbound(self, sizes: Mapping[str, int]) -> list[str]:
        """The dimensions without a size."""
        return [name for name in self.dims if name not in sizes]

    def proposals(self, names: Sequence[str]) -> Iterator[dict[str, int]]:
        """Sizes of dimensions to try."""
        for image, other, inner in _PROPOSALS:
            yield {
                name: self._limited(
                    name, _proposed(*self.dims[name], image=image, other=other, inner=inner)
                )
                for name in names
            }

    def _limited(self, name: str, size: int) -> int:
        low, high = self.limits.get(name, (size, size))
        return min(max(size, low), high)


def _proposed(axis: int, rank: int, *, image: int, other: int, inner: int) -> int:
    if axis == 0:
        return 1
    if rank == 4:
        return image
    return other if axis == rank - 1 else inner


def with_sizes(
    names: Names, dims: Mapping[str, int], walk: Callable[[Mapping[str, int]], _Found]
) -> _Found:
    """What `walk` finds in a model whose dimensions have the sizes that it is given.

    Raises:
      UnboundDimsError: a shape is not known; names all dimensions that are not bound.
      ValueError: a shape is not known, and all dimensions are bound, or a size is not allowed.
    """
    sizes = names.sizes(dims)
    try:
        return walk(sizes)
    except UnknownShapeError as error:
        failure, unbound = error, names.unbound(sizes)
    if not unbound:
        raise failure
    for proposed in names.proposals(unbound):
        with warnings.catch_warnings(), contextlib.suppress(ValueError):
            warnings.simplefilter("ignore")
            if walk({**sizes, **proposed}).layers:
                break
    else:
        proposed = next(names.proposals(unbound))
    flags = " ".join(shlex.quote(f"--dim={name}={size}") for name, size in proposed.items())
    where = one_line(str(failure).partition(": the shape of")[0], 100)
    raise UnboundDimsError(
        f"{where} and others need the sizes of dimensions of inputs, for example {flags}"
        f" (dims={proposed})",
        proposed,
    )
