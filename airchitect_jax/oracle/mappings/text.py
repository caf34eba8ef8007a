"""The equations of `cost.tiled_steps` as compiled code: one text, for whole numbers and floats.

Floats stand for whole numbers below 2**53, as in `cost.arithmetic`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

from airchitect_jax.cost import arithmetic, tiled_loops, tiled_steps

_Function = TypeVar("_Function", bound=Callable[..., Any])


def inlined(function: _Function) -> _Function:
    """Registers a function to be compiled into those that call it."""
    return register_jitable(error_model="numpy")(function)


def _in_place_of(function: Callable[..., Any]) -> Callable[[Callable[..., Any]], None]:
    """Registers what is compiled in place of a function of `cost.arithmetic`."""

    def register(own: Callable[..., Any]) -> None:
        overload(function, strict=False, jit_options={"error_model": "numpy"})(own)

    return register


@_in_place_of(arithmetic.ceil_div)
def _ceil_div(a: types.Type, b: types.Type) -> Callable[..., Any]:
    if isinstance(a, types.Float) or isinstance(b, types.Float):
        return lambda a, b: np.ceil(a / b)
    return lambda a, b: (a + b - 1) // b


@_in_place_of(arithmetic.last_tile)
def _last_tile(*_: types.Type) -> Callable[..., Any]:
    return lambda a, b, tiles: a - (tiles - 1) * b


@_in_place_of(arithmetic.larger)
def _larger(*_: types.Type) -> Callable[..., Any]:
    return lambda a, b: a if a > b else b


@_in_place_of(arithmetic.smaller)
def _smaller(*_: types.Type) -> Callable[..., Any]:
    return lambda a, b: b if a > b else a


@_in_place_of(arithmetic.pick)
def _pick(*_: types.Type) -> Callable[..., Any]:
    return lambda choice, a, b: a if choice else b


@_in_place_of(arithmetic.grid_sum)
def _grid_sum(*_: types.Type) -> Callable[..., Any]:
    def total(function: Any, given: Any, x: Any, y: Any, z: Any) -> Any:
        result = 0
        for a in x:
            if a.count:
                for b in y:
                    if b.count:
                        for c in z:
                            if c.count:
                                result += function(given, a, b, c)
        return result

    return total


for _module in (tiled_loops, tiled_steps):
    for _, _function in inspect.getmembers(_module, inspect.isfunction):
        if _function.__module__ == _module.__name__:
            inlined(_function)
