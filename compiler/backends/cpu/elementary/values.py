"""Operators on SSA values of f32 and i32, scalar or vector, so that the formulas read as formulas."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith

from stratagem.compiler.backends.cpu.loops.access import element_of, like

_CONTRACT = "#arith.fastmath<contract>"


def _operation(name: str, operands: list[Any], kind: Any, attributes: dict[str, Any] | None = None) -> Any:
    return ir.Operation.create(name, results=[kind], operands=operands, attributes=attributes or {}).result


def _constant(kind: Any, attribute: Any) -> Any:
    if isinstance(kind, ir.VectorType):
        return arith.constant(kind, ir.DenseElementsAttr.get_splat(kind, attribute))
    return arith.constant(kind, attribute)


class Real:
    """A floating-point value. Products and sums may be fused into one multiply-add, nothing else is reordered."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def _like(self, other: Real | float) -> Any:
        return other.value if isinstance(other, Real) else self.constant(other).value

    def constant(self, number: float) -> Real:
        """The number in this value's type."""
        kind = self.value.type
        return Real(_constant(kind, ir.FloatAttr.get(element_of(kind), number)))

    def _binary(self, name: str, other: Real | float) -> Real:
        fast = {"fastmath": ir.Attribute.parse(_CONTRACT)}
        return Real(_operation(name, [self.value, self._like(other)], self.value.type, fast))

    def __add__(self, other: Real | float) -> Real:
        return self._binary("arith.addf", other)

    def __sub__(self, other: Real | float) -> Real:
        return self._binary("arith.subf", other)

    def __rsub__(self, other: float) -> Real:
        return self.constant(other) - self

    def __mul__(self, other: Real | float) -> Real:
        return self._binary("arith.mulf", other)

    def __truediv__(self, other: Real | float) -> Real:
        return self._binary("arith.divf", other)

    def __neg__(self) -> Real:
        return Real(_operation("arith.negf", [self.value], self.value.type))

    def compare(self, predicate: str, other: Real | float) -> Any:
        """An i1 per element; ordered predicates (`olt` ...) are false, unordered ones (`une`) true for NaN."""
        return arith.cmpf(getattr(arith.CmpFPredicate, predicate.upper()), self.value, self._like(other))

    def bits(self) -> Whole:
        return Whole(arith.bitcast(like(self.value, ir.IntegerType.get_signless(32)), self.value))

    def absolute(self) -> Real:
        return Real(_operation("math.absf", [self.value], self.value.type))

    def square_root(self) -> Real:
        return Real(_operation("math.sqrt", [self.value], self.value.type))

    def with_sign_of(self, other: Real) -> Real:
        return Real(_operation("math.copysign", [self.value, other.value], self.value.type))

    def clamped(self, low: float, high: float) -> Real:
        """The nearest value in [low, high]; NaN stays NaN."""
        above = choose(self.compare("olt", low), self.constant(low), self)
        return choose(above.compare("ogt", high), self.constant(high), above)

    def to(self, element: Any) -> Real:
        """Converted to a wider or narrower floating-point type."""
        wider = int(element.width) > int(element_of(self.value.type).width)
        return Real(_operation("arith.extf" if wider else "arith.truncf", [self.value], like(self.value, element)))


class Whole:
    """A 32-bit integer value; arithmetic wraps."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def _binary(self, name: str, other: Whole | int) -> Whole:
        kind = self.value.type
        if isinstance(other, int):
            signed = other - (1 << 32) if other >= 1 << 31 else other
            other = Whole(_constant(kind, ir.IntegerAttr.get(element_of(kind), signed)))
        return Whole(_operation(name, [self.value, other.value], kind))

    def __add__(self, other: Whole | int) -> Whole:
        return self._binary("arith.addi", other)

    def __sub__(self, other: Whole | int) -> Whole:
        return self._binary("arith.subi", other)

    def __and__(self, other: Whole | int) -> Whole:
        return self._binary("arith.andi", other)

    def __or__(self, other: Whole | int) -> Whole:
        return self._binary("arith.ori", other)

    def __xor__(self, other: Whole | int) -> Whole:
        return self._binary("arith.xori", other)

    def __lshift__(self, count: int) -> Whole:
        return self._binary("arith.shli", count)

    def __rshift__(self, count: int) -> Whole:
        """Arithmetic: the sign is kept."""
        return self._binary("arith.shrsi", count)

    def is_nonzero(self) -> Any:
        zero = (self ^ self).value
        return arith.cmpi(arith.CmpIPredicate.ne, self.value, zero)

    def as_real(self) -> Real:
        """The f32 with these bits."""
        return Real(arith.bitcast(like(self.value, ir.F32Type.get()), self.value))

    def to_real(self) -> Real:
        """The f32 of equal value."""
        return Real(_operation("arith.sitofp", [self.value], like(self.value, ir.F32Type.get())))


def choose(condition: Any, a: Real, b: Real) -> Real:
    """a where the condition holds, else b."""
    return Real(arith.select(condition, a.value, b.value))


def polynomial(x: Real, coefficients: tuple[float, ...]) -> Real:
    """c0 + c1 x + c2 x^2 + ..., by Horner's rule."""
    result = x.constant(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        result = result * x + c
    return result
