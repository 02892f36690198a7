"""Readers of MLIR attributes, as plain Python values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from torch_mlir import ir

from stratagem.compiler.dense import dense_array
from stratagem.compiler.interpreter.elements import element_of, is_float, storage
from stratagem.compiler.interpreter.values import Array, Value, scalar
from stratagem.compiler.ir import DYNAMIC

Evaluator = Callable[[Sequence[Any], Sequence[Any]], Any]


def integer_attribute(op: Any, key: str) -> int:
    return int(ir.IntegerAttr(op.attributes[key]).value)


def text_attribute(op: Any, key: str) -> str:
    return str(ir.StringAttr(op.attributes[key]).value)


def callee(instruction: Any) -> str:
    """The function that a `func.call` calls."""
    return str(ir.FlatSymbolRefAttr(instruction.op.attributes["callee"]).value)


def integer_list(op: Any, key: str) -> tuple[int, ...]:
    """A DenseI64ArrayAttr, a DenseI32ArrayAttr, or a dense elements attribute; () where it is absent."""
    if key not in op.attributes:
        return ()
    attribute = op.attributes[key]
    for kind in (ir.DenseI64ArrayAttr, ir.DenseI32ArrayAttr):
        if isinstance(attribute, kind):
            return tuple(int(x) for x in kind(attribute))
    if isinstance(attribute, ir.DenseElementsAttr):
        return tuple(int(x) for x in np.ravel(elements_array(attribute)))
    return tuple(int(ir.IntegerAttr(x).value) for x in ir.ArrayAttr(attribute))


def segments(op: Any) -> list[slice]:
    """The operand ranges that `operandSegmentSizes` cuts."""
    ends = np.cumsum([0, *integer_list(op, "operandSegmentSizes")])
    return [slice(int(a), int(b)) for a, b in pairwise(ends)]


@dataclass(frozen=True)
class MixedList:
    """Numbers that are written in an attribute or, where it says dynamic, taken from operands in turn."""

    numbers: tuple[int, ...]

    @property
    def dynamic(self) -> int:
        return self.numbers.count(DYNAMIC)

    def resolve(self, operands: Sequence[Value]) -> list[int]:
        rest = iter(operands)
        return [scalar(next(rest)) if number == DYNAMIC else number for number in self.numbers]


def static_shape(kind: Any) -> tuple[int, ...]:
    """The shape of a ranked type, DYNAMIC where it is not known."""
    shaped = ir.ShapedType(kind)
    return tuple(DYNAMIC if shaped.is_dynamic_dim(i) else shaped.get_dim_size(i) for i in range(shaped.rank))


def elements_array(attribute: Any) -> Array:
    """A dense elements attribute as an array of the type's shape; floats as float64."""
    kind = ir.RankedTensorType(attribute.type)
    element = element_of(kind)
    if isinstance(attribute, ir.DenseResourceElementsAttr):
        return np.frombuffer(memoryview(attribute), storage(element)).reshape(kind.shape)
    array = dense_array(attribute, storage(element))
    return array.astype(np.float64) if is_float(element) else array


def scalar_number(attribute: Any, element: str) -> Any:
    """The number in a FloatAttr or IntegerAttr, as a numpy scalar (float64 for floats)."""
    if is_float(element):
        return np.float64(ir.FloatAttr(attribute).value)
    number = int(ir.IntegerAttr(attribute).value)
    dtype = storage(element)
    return np.bool_(number & 1) if dtype == np.bool_ else np.int64(number).astype(dtype)


def affine_function(expression: Any) -> Evaluator:
    """An affine expression as a function of (dims, symbols), on integers or arrays alike."""
    expression = expression.maybe_downcast()
    kind = type(expression).__name__
    if kind == "AffineDimExpr":
        dim = expression.position
        return lambda dims, symbols: dims[dim]
    if kind == "AffineSymbolExpr":
        symbol = expression.position
        return lambda dims, symbols: symbols[symbol]
    if kind == "AffineConstantExpr":
        number = expression.value
        return lambda dims, symbols: number
    left, right = affine_function(expression.lhs), affine_function(expression.rhs)
    return _COMBINE[kind](left, right)


_COMBINE: dict[str, Callable[[Evaluator, Evaluator], Evaluator]] = {
    "AffineAddExpr": lambda a, b: lambda dims, symbols: a(dims, symbols) + b(dims, symbols),
    "AffineMulExpr": lambda a, b: lambda dims, symbols: a(dims, symbols) * b(dims, symbols),
    "AffineModExpr": lambda a, b: lambda dims, symbols: a(dims, symbols) % b(dims, symbols),
    "AffineFloorDivExpr": lambda a, b: lambda dims, symbols: a(dims, symbols) // b(dims, symbols),
    "AffineCeilDivExpr": lambda a, b: lambda dims, symbols: -(-a(dims, symbols) // b(dims, symbols)),
}
