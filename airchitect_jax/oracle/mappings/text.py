"""Equations as compiled code: they are run once on symbols, which write down each operation.

Type inference of equations by numba takes seconds; this takes none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
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

    @intrinsic
    def run(typing: Any, rows: Any, out: Any) -> Any:
        def write(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            llvm_type = context.get_value_type(out.dtype)

            def start_of(kind: Any, value: Any) -> Any:
                return context.make_array(kind)(context, builder, value).data

            def place(start: Any, index: int) -> Any:
                return builder.gep(start, [ir.Constant(ir.IntType(64), index)])

            def read(kind: Any, start: Any, index: int) -> _Symbol:
                value = builder.load(place(start, index))
                return _Symbol(builder, context.cast(builder, value, kind.dtype, out.dtype))

            values = cgutils.unpack_tuple(builder, arguments[0], len(rows))
            symbols = []
            for kind, value, numbers, tree in zip(rows, values, leaves, trees, strict=True):
                start = start_of(kind, value)
                fields = [read(kind, start, index) for index in range(len(numbers))]
                symbols.append(jax.tree.unflatten(tree, fields))
            results = jax.tree.leaves(equations(*symbols))
            start = start_of(out, arguments[1])
            for index, result in enumerate(results):
                value = result.value if isinstance(result, _Symbol) else llvm_type(result)
                if value.type != llvm_type:
                    value = builder.zext(value, llvm_type)
                builder.store(value, place(start, index))
            return context.get_dummy_value()

        return types.void(rows, out), write

    def call(rows: Any, out: Any) -> None:
        run(rows, out)

    return inlined(call)


class _Symbol:
    """A number in compiled code, int64 or float64, or the truth of a comparison."""

    def __init__(self, builder: ir.IRBuilder, value: Any) -> None:
        self._builder = builder
        self.value = value
        self._is_float = isinstance(value.type, ir.DoubleType)

    def _other(self, number: Any) -> Any:
        return number.value if isinstance(number, _Symbol) else self.value.type(number)

    def _do(self, name: str, a: Any, b: Any) -> _Symbol:
        operation = getattr(self._builder, ("f" if self._is_float else "") + name)
        return _Symbol(self._builder, operation(self._other(a), self._other(b)))

    def _compared(self, sign: str, other: Any) -> _Symbol:
        compare = self._builder.fcmp_ordered if self._is_float else self._builder.icmp_signed
        return _Symbol(self._builder, compare(sign, self.value, self._other(other)))

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
            return _Symbol(builder, builder.call(floor, [builder.fdiv(self.value, divisor)]))
        quotient = _Symbol(builder, builder.sdiv(self.value, divisor))
        is_above = self < quotient * other
        return quotient - _Symbol(builder, builder.zext(is_above.value, self.value.type))

    def __lt__(self, other: Any) -> _Symbol:
        return self._compared("<", other)

    def __le__(self, other: Any) -> _Symbol:
        return self._compared("<=", other)

    def __gt__(self, other: Any) -> _Symbol:
        return self._compared(">", other)

    def __and__(self, other: _Symbol) -> _Symbol:
        return _Symbol(self._builder, self._builder.and_(self.value, other.value))

    def __array_function__(self, function: Any, _: Any, given: Any, __: Any) -> Any:
        """`numpy.where`, by which `cost.arithmetic` chooses."""
        if function is not np.where:
            return NotImplemented
        condition, a, b = given
        like = a if isinstance(a, _Symbol) else b
        value = self._builder.select(condition.value, like._other(a), like._other(b))
        return _Symbol(self._builder, value)
