"""What a program computes, as expressions on whole tensors; equal ones are one object."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch_mlir import ir

from stratagem.compiler.checks.sharding.layouts import Factor, Factors, extent
from stratagem.compiler.checks.sharding.linalg_maps import Maps
from stratagem.compiler.checks.sharding.sizes import ONE, Size, symbol
from stratagem.compiler.ir import location_text

UNWRITTEN = ("unwritten",)
"""The key of memory that nobody has written."""


class Expression:
    """One whole tensor or number. `key` says what it is; `op` is the operation that was first seen to compute it."""

    __slots__ = ("key", "number", "op")

    def __init__(self, key: tuple[Any, ...], number: int, op: Any) -> None:
        self.key, self.number, self.op = key, number, op

    def __str__(self) -> str:
        if self.op is None:
            return " ".join(str(part) for part in self.key)
        name = str(self.op.name)
        where = location_text(self.op)
        return name if where == "unknown" else f"{name} at {where}"


class Value(NamedTuple):
    """A value of a program: on rank r, the elements of `expression` that `dims` and the r-th count of `bound` reach."""

    expression: Expression
    dims: tuple[Factors, ...] = ()
    bound: Factors = ()


class Expressions:
    """All expressions of two programs, numbered in the order in which they are first seen.

    `maps`: what was read of affine maps, by maps and types of results. `seen`: all that was asked for since it was
    emptied. `unaligned`: dimensions that are cut across the factors that they were merged from. `views`: those that are
    read as one dimension of the whole tensor instead.
    """

    def __init__(self) -> None:
        self.maps: dict[tuple[Any, ...], Maps | None] = {}
        self.seen: set[Expression] = set()
        self.unaligned: set[tuple[Expression, Factors]] = set()
        self.views: set[tuple[Expression, Factors]] = set()
        self._by_key: dict[tuple[Any, ...], Expression] = {}
        self._all: list[Expression] = []

    def make(self, key: tuple[Any, ...], op: Any = None) -> Expression:
        found = self._by_key.get(key)
        if found is None:
            found = self._by_key[key] = Expression(key, len(self._all), op)
            self._all.append(found)
        self.seen.add(found)
        return found

    def results(self, node: Expression, op: Any) -> list[Expression]:
        """One expression for each result of an operation."""
        if len(op.results) == 1:
            return [node]
        return [self.make(("result", node, i), op) for i in range(len(op.results))]

    def as_it_is(self, expression: Expression, kind: Any) -> Value:
        """A value of type `kind` that is the whole of an expression."""
        if not isinstance(kind, ir.RankedTensorType):
            return Value(expression)
        sizes = [self._size(expression, kind, dim) for dim in range(kind.rank)]
        return Value(expression, tuple(whole_dim(size, dim) for dim, size in enumerate(sizes)))

    def viewed(self, value: Value) -> Value:
        """The value with those of its dimensions that are in `views` as dimensions of the whole: -1, -2, ..."""
        merged = sorted({factors for factors in value.dims if (value.expression, factors) in self.views})
        if not merged:
            return value
        whole = {factors: whole_dim(extent(factors), -1 - i) for i, factors in enumerate(merged)}
        view = self.make(("view", value.expression, tuple(merged)), value.expression.op)
        return Value(view, tuple(whole.get(factors, factors) for factors in value.dims), value.bound)

    def _size(self, expression: Expression, kind: Any, dim: int) -> Size:
        if kind.is_dynamic_dim(dim):
            return symbol(self.make(("dim", expression, dim), expression.op).number)
        return Size(kind.get_dim_size(dim))

    def size_of(self, value: Value) -> Size:
        """The size that an index stands for."""
        what, *rest = value.expression.key
        if what == "constant" and isinstance(rest[0], ir.IntegerAttr):
            return Size(rest[0].value)
        return rest[0] if what == "size" else symbol(value.expression.number)

    def index_of(self, size: Size, like: Any) -> Expression:
        """The index whose size that is; `like` is the type."""
        if not size.symbols and isinstance(size.number, int):
            return self.make(("constant", ir.IntegerAttr.get(like, size.number)))
        if size.number == 1 and len(size.symbols) == 1 and size.symbols[0][1] == 1:
            return self._all[size.symbols[0][0]]
        return self.make(("size", size))


def whole_dim(size: Size, dim: int) -> Factors:
    return () if size == ONE else (Factor(size, ((dim, ONE),)),)


def is_empty(value: Value) -> bool:
    """Whether it has no elements."""
    return any(factor.size.number == 0 for factors in value.dims for factor in factors)
