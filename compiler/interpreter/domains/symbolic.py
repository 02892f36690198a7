"""Real-valued expressions of the inputs: equal ones prove two programs equal for all values, at the shapes at hand."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from stratagem.compiler.interpreter.domains.base import Domain
from stratagem.compiler.interpreter.domains.expressions import Expression, exponential, extreme, infinity
from stratagem.compiler.interpreter.domains.field import simple_fraction
from stratagem.compiler.interpreter.elements import storage
from stratagem.compiler.interpreter.values import Array, Undefined, Value
from stratagem.runtime.errors import UnsupportedError

MOST_OPERATIONS = 20_000
"""Operations on expressions in one run: seconds of work."""
MOST_SYMBOLS = 4096


class Condition:
    """A comparison of expressions: it can select, and decide nothing else."""

    __slots__ = ("key",)

    def __init__(self, *key: Any) -> None:
        self.key = key

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def _refuse(self, *_: Any) -> Any:
        raise UnsupportedError("a comparison of symbols is used as a number or decides control flow")

    __bool__ = __int__ = __index__ = __and__ = __or__ = __xor__ = __invert__ = __add__ = __rand__ = __ror__ = _refuse


class SymbolicReals(Domain):
    """Planes of `Expression` objects; rounding does not exist."""

    name = "symbolic-reals"

    def __init__(self) -> None:
        self._done = 0
        self._fresh = itertools.count()

    @staticmethod
    def symbols(name: str, shape: Sequence[int]) -> Value:
        """One symbol per element; raises UnsupportedError beyond MOST_SYMBOLS."""
        if math.prod(shape) > MOST_SYMBOLS:
            raise UnsupportedError(f"'{name}' has {math.prod(shape)} elements, symbols are made for {MOST_SYMBOLS}")
        plane = np.empty(tuple(shape), object)
        for index in np.ndindex(*shape):
            plane[index] = Expression.atom("input", name, index)
        return (plane,)

    def lift(self, array: Array, element: str) -> Value:
        return self.constant(array, element)

    def constant(self, array: Array, element: str) -> Value:
        """Constants are read as the simple fraction they round, as in the exact field."""
        numbers = np.asarray(array, np.float64)
        return (self._map(lambda number: _constant(float(number), element), numbers),)

    def undefined(self, shape: Sequence[int], element: str) -> Undefined:
        plane = np.empty((), object)
        plane[()] = Expression.atom("unwritten", next(self._fresh))
        return Undefined((np.broadcast_to(plane, tuple(shape)),))

    def apply(self, function: str, element: str, *operands: Value) -> Value:
        return (self._map(lambda *x: _apply(function, x), *(operand[0] for operand in operands)),)

    def convert(self, value: Value, source: str, target: str) -> Value:
        return value

    def compare(self, predicate: str, left: Value, right: Value) -> Value:
        plane = self._map(lambda x, y: _compare(predicate, x, y), left[0], right[0])
        if all(isinstance(one, bool) for one in plane.flat):
            return (plane.astype(np.bool_),)
        return (plane,)

    def select(self, condition: Value, yes: Value, no: Value) -> Value:
        return (self._map(_select, condition[0], yes[0], no[0]),)

    def from_integer(self, value: Value, element: str) -> Value:
        return (self._map(lambda number: Expression.number(int(number)), np.asarray(value[0])),)

    def to_integer(self, value: Value, element: str) -> Value:
        return (self._map(_whole, value[0]).astype(storage(element)),)

    def reduce(self, function: str, element: str, value: Value, axes: tuple[int, ...], init: Value) -> Value:
        kept = [axis for axis in range(np.ndim(value[0])) if axis not in axes]
        shape = tuple(np.shape(value[0])[axis] for axis in kept)
        terms = np.transpose(value[0], [*axes, *kept]).reshape((-1, *shape))
        total: Value = (np.broadcast_to(init[0], shape),)
        for term in terms:
            total = self.apply(function, element, total, (term,))
        return total

    def contract(self, element: str, left: Value, right: Value, init: Value) -> Value:
        self._count(left[0].size * right[0].shape[2])
        return (np.asarray(np.matmul(left[0], right[0]) + init[0], object),)

    def sort_order(self, value: Value) -> Array:
        raise UnsupportedError("symbols have no order")

    def _map(self, function: Any, *planes: Array) -> Array:
        shape = np.broadcast_shapes(*(np.shape(p) for p in planes))
        self._count(math.prod(shape))
        result = np.empty(shape, object)
        views = [np.broadcast_to(p, shape) for p in planes]
        for index in np.ndindex(*shape):
            result[index] = function(*(view[index] for view in views))
        return result

    def _count(self, operations: int) -> None:
        self._done += operations
        if self._done > MOST_OPERATIONS:
            raise UnsupportedError(f"more than {MOST_OPERATIONS} operations on symbols: give smaller shapes")


def _constant(number: float, element: str) -> Expression:
    if math.isnan(number):
        return Expression.atom("nan")
    if math.isinf(number):
        return infinity(1 if number > 0 else -1)
    return Expression.number(simple_fraction(number, element))


def _apply(function: str, operands: Sequence[Expression]) -> Expression:
    first, second = operands[0], operands[-1]
    match function:
        case "add":
            return first + second
        case "sub":
            return first - second
        case "mul":
            return first * second
        case "div":
            return first / second
        case "neg":
            return -first
        case "fma":
            return first * operands[1] + second
        case "exp":
            return exponential(first)
        case "rsqrt":
            return Expression.number(1) / Expression.atom("sqrt", first)
        case "maximum" | "maxnum":
            return extreme("maximum", operands)
        case "minimum" | "minnum":
            return extreme("minimum", operands)
    return Expression.atom(function, *operands)


def _compare(predicate: str, left: Expression, right: Expression) -> Any:
    """Decided for numbers and for equals; predicates that differ for NaN only are one."""
    if left.infinite or right.infinite:
        left, right = (Expression.number(e.infinite) for e in (left, right))  # symbols are finite
    gap = (left - right).constant
    kind = predicate.lstrip("uo") if predicate not in ("ord", "uno", "true", "false") else predicate
    if kind in ("ord", "true", "uno", "false"):
        return kind in ("ord", "true")
    if gap is None:
        return Condition(kind, left, right)
    return {"eq": gap == 0, "ne": gap != 0, "gt": gap > 0, "ge": gap >= 0, "lt": gap < 0, "le": gap <= 0}[kind]


def _select(condition: Any, yes: Expression, no: Expression) -> Expression:
    if not isinstance(condition, Condition):
        return yes if condition else no
    return yes if yes == no else Expression.atom("select", condition, yes, no)


def _whole(value: Expression) -> int:
    number = value.constant
    if number is None:
        raise UnsupportedError("a symbol is converted to an integer")
    return math.trunc(Fraction(number))
