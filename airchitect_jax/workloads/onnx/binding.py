"""Binds the symbolic dimensions of ONNX models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airchitect_jax._support import one_line, shown
from airchitect_jax.workloads.onnx.checks import all_graphs
from airchitect_jax.workloads.onnx.inference import STANDARD

_WHOLE = (6, 7)  # the element types int32 and int64
# Sides to propose, the first one being 1: of images, and the last and inner ones of others.
_PROPOSALS = ((224, 128, 128), (48, 576, 1), (64, 16_000, 1))


class Names:
    """What of a model's inputs can be bound: dimensions, and the values of whole numbers.

    Attributes:
      dims: the axis and the input's rank of each dimension without a size, by name.
      places: names of dimensions by input and axis ("x[0]").
      numbers: inputs that are one whole number, such as a sampling rate.
    """

    def __init__(self, graph: Any) -> None:
        """Names the dimensions of `graph`, which is changed, that have no name."""
        self.dims: dict[str, tuple[int, int]] = {}
        self.places: dict[str, str] = {}
        self.numbers: set[str] = set()
        for value in _inputs(graph):
            kind = value.type.tensor_type
            for axis, dim in enumerate(kind.shape.dim):
                if not dim.HasField("dim_value") or dim.dim_value == -1:
                    place = f"{value.name}[{axis}]"
                    # Some exporters write "?" for each unknown dimension.
                    dim.dim_param = self.places[place] = dim.dim_param.strip("?") or place
                    self.dims.setdefault(dim.dim_param, (axis, len(kind.shape.dim)))
            sides = [dim.dim_value for dim in kind.shape.dim]
            if kind.elem_type in _WHOLE and kind.HasField("shape") and sides in ([], [1]):
                self.numbers.add(value.name)

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
            if not isinstance(size, int) or not 1 <= size < 2**31:
                raise ValueError(
                    f"dimension {one_line(name, 80)}: {shown(size)} is not allowed;"
                    " expected 1..2147483647"
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
                name: _proposed(*self.dims[name], image=image, other=other, inner=inner)
                for name in names
            }


def _proposed(axis: int, rank: int, *, image: int, other: int, inner: int) -> int:
    if axis == 0:
        return 1
    if rank == 4:
        return image
    return other if axis == rank - 1 else inner


def _inputs(graph: Any) -> list[Any]:
    stored = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in stored]


def bind(graph: Any, sizes: Mapping[str, int]) -> None:
    """Gives dimensions of `graph` their sizes, and whole-number inputs their values."""
    for value in _inputs(graph):
        kind = value.type.tensor_type
        _give(value, sizes)
        if value.name in sizes and kind.elem_type in _WHOLE:
            tensor = graph.initializer.add(name=value.name, data_type=kind.elem_type)
            tensor.dims.extend(dim.dim_value for dim in kind.shape.dim)
            numbers = tensor.int64_data if kind.elem_type == tensor.INT64 else tensor.int32_data
            numbers.append(sizes[value.name])
    for inner in all_graphs(graph):
        # Stored shapes could contradict the sizes; those of unknown operators are all there is.
        kept = {name for node in inner.node if node.domain not in STANDARD for name in node.output}
        for index in reversed(range(len(inner.value_info))):
            if inner.value_info[index].name not in kept:
                del inner.value_info[index]
        for value in (*inner.value_info, *inner.output):
            if value.name in kept:
                _give(value, sizes)
            elif value.type.HasField("tensor_type"):
                value.type.tensor_type.ClearField("shape")


def _give(value: Any, sizes: Mapping[str, int]) -> None:
    for dim in value.type.tensor_type.shape.dim:
        if dim.dim_param in sizes:
            dim.dim_value = sizes[dim.dim_param]
