"""Equations as compiled code.

An equation runs once, on symbols that emit an LLVM instruction for each operation. So whole numbers
and floats have one text, and numba, whose type inference would take most of the time of
compilation, sees one function for each set of equations. Floats stand for whole numbers below
2**53, as in `cost.arithmetic`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from numba import types
from numba.extending import intrinsic, register_jitable

_Function = TypeVar("_Function", bound=Callable[..., Any])


def inlined(function: _Function) -> _Function:
    """Registers a function to be compiled into those that call it."""
    return register_jitable(error_model="numpy")(function)


def kernel(equations: Callable[..., Any], *records: Any) -> Callable[[tuple[Any, ...], Any], None]:
    """Registers equations to be compiled into functions that call the result.

    Args:
      equations: records to numbers; nested named tuples of numbers throughout.
      records: examples of all arguments, with any numbers.

    Returns:
      A function of two arguments: one array with the numbers of each record in its first entries,
      and an array that receives the results in its own dtype, int64 or float64. All that is
      computed has this dtype.
    """
    leaves, trees = zip(*map(jax.tree.flatten, records), strict=True)

    def typed(_typing: Any, rows: Any, out: Any) -> Any:
        def write(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            llvm_type = context.get_value_type(out.dtype)

            def start_of(kind: Any, array: Any) -> Any:
                return context.make_array(kind)(context, builder, array).data

            def place(start: Any, index: int) -> Any:
                return builder.gep(start, [context.get_constant(types.intp, index)])

            def read(kind: Any, start: Any, index: int) -> _Symbol:
                value = builder.load(place(start, index))
                value = context.cast(builder, value, kind.dtype, out.dtype)
                return _Symbol(builder, value, isinstance(out.dtype, types.Float))

            symbols = []
            for row, (kind, numbers, tree) in enumerate(zip(rows, leaves, trees, strict=True)):
                start = start_of(kind, builder.extract_value(arguments[0], row))
                fields = [read(kind, start, index) for index in range(len(numbers))]
                symbols.append(jax.tree.unflatten(tree, fields))
            start = start_of(out, arguments[1])
            for index, result in enumerate(jax.tree.leaves(equations(*symbols))):
                value = result.value if isinstance(result, _Symbol) else llvm_type(result)
                if value.type != llvm_type:
                    value = context.cast(builder, value, types.boolean, out.dtype)
                builder.store(value, place(start, index))
            return context.get_dummy_value()

        return types.void(rows, out), write

    run: Any = intrinsic(typed)

    def call(rows: Any, out: Any) -> None:
        run(rows, out)

    return inlined(call)


class _Symbol:
    """A number in compiled code, int64 or float64, or the truth of a comparison."""

    def __init__(self, builder: Any, value: Any, is_float: bool) -> None:
        self._builder, self.value, self._is_float = builder, value, is_float

    def _of(self, value: Any) -> _Symbol:
        return _Symbol(self._builder, value, self._is_float)

    def _other(self, number: Any) -> Any:
        return number.value if isinstance(number, _Symbol) else self.value.type(number)

    def _do(self, name: str, a: Any, b: Any) -> _Symbol:
        operation = getattr(self._builder, ("f" if self._is_float else "") + name)
        return self._of(operation(self._other(a), self._other(b)))

    def _compared(self, sign: str, other: Any) -> _Symbol:
        compare = self._builder.fcmp_ordered if self._is_float else self._builder.icmp_signed
        return self._of(compare(sign, self.value, self._other(other)))

    def __add__(self, other: Any) -> _Symbol:
        return self._do("add", self, other)

    def __sub__(self, other: Any) -> _Symbol:
        return self._do("sub", self, other)

    def __rsub__(self, other: Any) -> _Symbol:
        return self._do("sub", other, self)

    def __mul__(self, other: Any) -> _Symbol:
        return self._do("mul", self, other)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> _Symbol:
        return 0 - self

    def __floordiv__(self, other: Any) -> _Symbol:
        """By a number above zero."""
        builder, divisor = self._builder, self._other(other)
        if self._is_float:
            floor = builder.module.declare_intrinsic("llvm.floor", [self.value.type])
            return self._of(builder.call(floor, [builder.fdiv(self.value, divisor)]))
        quotient = self._of(builder.sdiv(self.value, divisor))
        is_above = self < quotient * other
        return quotient - self._of(builder.zext(is_above.value, self.value.type))

    def __lt__(self, other: Any) -> _Symbol:
        return self._compared("<", other)

    def __le__(self, other: Any) -> _Symbol:
        return self._compared("<=", other)

    def __gt__(self, other: Any) -> _Symbol:
        return self._compared(">", other)

    def __and__(self, other: _Symbol) -> _Symbol:
        return self._of(self._builder.and_(self.value, other.value))

    def __array_function__(self, function: Any, _: Any, given: Any, __: Any) -> Any:
        """`numpy.where`, by which `cost.arithmetic` chooses."""
        if function is not np.where:
            return NotImplemented
        condition, a, b = given
        like = a if isinstance(a, _Symbol) else b
        return like._of(self._builder.select(condition.value, like._other(a), like._other(b)))
