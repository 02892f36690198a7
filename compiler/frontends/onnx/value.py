"""ONNX nodes in Python's operators: what longer rewrites are written with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from stratagem.compiler.frontends.onnx.graph import ONNX_TYPES
from stratagem.compiler.frontends.onnx.writer import Writer


@dataclass(frozen=True)
class Value:
    """A tensor of elements `dtype`, whose nodes `write` collects. Numbers beside it become constants of that dtype.

    Operators broadcast as in numpy; `/` of integers cuts towards zero, as ONNX's Div. Comparisons are methods.
    """

    write: Writer
    name: str
    dtype: Any

    def of(self, number: Any) -> Value:
        """A constant of the same dtype: a number, or an array of numbers."""
        return Value(self.write, self.write.const(np.array(number, self.dtype)), self.dtype)

    def apply(self, kind: str, *others: Value | float, dtype: Any = None, **given: Any) -> Value:
        """An operator on this and other values of its dtype; the result has `dtype`, by default the same."""
        names = [o.name if isinstance(o, Value) else self.of(o).name for o in others]
        return Value(self.write, self.write.op(kind, self.name, *names, **given), dtype or self.dtype)

    def __add__(self, other: Value | float) -> Value:
        return self.apply("Add", other)

    def __sub__(self, other: Value | float) -> Value:
        return self.apply("Sub", other)

    def __mul__(self, other: Value | float) -> Value:
        return self.apply("Mul", other)

    def __truediv__(self, other: Value | float) -> Value:
        return self.apply("Div", other)

    def less(self, other: Value | float) -> Value:
        return self.apply("Less", other, dtype=np.bool_)

    def equals(self, other: Value | float) -> Value:
        return self.apply("Equal", other, dtype=np.bool_)

    def either(self, other: Value) -> Value:
        return self.apply("Or", other)

    def where(self, yes: Value, no: Value | float) -> Value:
        """For booleans: `yes` where true, else `no`."""
        other = no if isinstance(no, Value) else yes.of(no)
        return Value(self.write, self.write.op("Where", self.name, yes.name, other.name), yes.dtype)

    def between(self, low: Value | float, high: Value | float) -> Value:
        """Cut to `low` ... `high`."""
        return self.apply("Max", low).apply("Min", high)

    def cast(self, dtype: Any) -> Value:
        kind = ONNX_TYPES[np.dtype(dtype)]
        return Value(self.write, self.write.op("Cast", self.name, to=kind), np.dtype(dtype))

    def reshape(self, *sizes: int) -> Value:
        """Sizes of 0 stay as they are, one of -1 is the rest."""
        return Value(self.write, self.write.op("Reshape", self.name, self.write.ints(*sizes)), self.dtype)

    def unsqueeze(self, *axes: int) -> Value:
        return Value(self.write, self.write.op("Unsqueeze", self.name, self.write.ints(*axes)), self.dtype)

    def transpose(self, *order: int) -> Value:
        return Value(self.write, self.write.op("Transpose", self.name, perm=list(order)), self.dtype)

    def gather(self, places: Value, axis: int) -> Value:
        return Value(self.write, self.write.op("Gather", self.name, places.name, axis=axis), self.dtype)

    def sum(self, *axes: int, keepdims: bool = False) -> Value:
        name = self.write.op("ReduceSum", self.name, self.write.ints(*axes), keepdims=int(keepdims))
        return Value(self.write, name, self.dtype)

    def slice(self, axis: int, begin: int, end: int) -> Value:
        return Value(self.write, self.write.slice(self.name, axis, begin, end), self.dtype)

    def size(self, axis: int) -> Value:
        """The size along `axis`, a scalar int64."""
        name = self.write.op("Shape", self.name, start=axis, end=axis + 1)
        return Value(self.write, name, np.int64).reshape()

    def count(self) -> Value:
        """0, 1 ... below this scalar integer."""
        zero, one = self.of(0), self.of(1)
        return Value(self.write, self.write.op("Range", zero.name, self.name, one.name), self.dtype)

    def into(self, output: str) -> list[Any]:
        """All nodes, the last of which calls this value `output`."""
        self.write.into("Identity", [self.name], output)
        return self.write.nodes


def value_of(write: Writer, name: str) -> Value:
    """An existing value of known type."""
    kind = write.graph.type_of(name)
    assert kind is not None
    dtype = next(d for d, element in ONNX_TYPES.items() if element == kind.element)
    return Value(write, name, dtype)
