"""Plain floating point: float64 throughout, or rounded to each operation's own element type."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from stratagem.compiler.interpreter.domains.base import PREDICATES, Domain, clamp_to_integer
from stratagem.compiler.interpreter.domains.functions import FUNCTIONS, REDUCERS
from stratagem.compiler.interpreter.elements import FLOATS, storage
from stratagem.compiler.interpreter.values import Array, Undefined, Value

_TAG_SHIFT = np.uint64(45)
_TAG = np.uint64(0x7FF << 7 | 0b1101011)
UNDEFINED = float(np.array(_TAG << _TAG_SHIFT, np.uint64).view(np.float64))
"""A NaN whose top mantissa bits mark memory nobody wrote; arithmetic carries them along."""
_WITHOUT_SIGN = np.uint64(0x3FFFF)


def undefined_elements(plane: Array) -> Array | None:
    """Where a float64 array holds the NaN that marks unwritten memory."""
    if not np.isnan(plane).any():
        return None
    tag = (np.ascontiguousarray(plane, np.float64).view(np.uint64) >> _TAG_SHIFT) & _WITHOUT_SIGN
    found = (tag == _TAG).reshape(np.shape(plane))
    return found if found.any() else None


def compare_numbers(predicate: str, x: Array, y: Array) -> Array:
    """`arith.cmpf` on float64 arrays."""
    if predicate not in PREDICATES:
        raise ValueError(f"unknown comparison '{predicate}'")
    if predicate in ("true", "false"):
        return np.broadcast_to(np.bool_(predicate == "true"), np.broadcast_shapes(np.shape(x), np.shape(y)))
    unordered = np.isnan(x) | np.isnan(y)
    if predicate in ("ord", "uno"):
        return np.asarray(unordered if predicate == "uno" else ~unordered)
    plain = {
        "eq": np.equal,
        "ne": np.not_equal,
        "gt": np.greater,
        "ge": np.greater_equal,
        "lt": np.less,
        "le": np.less_equal,
    }
    holds = plain[predicate[1:]](x, y)
    return np.asarray((holds | unordered) if predicate[0] == "u" else (holds & ~unordered))


class Float64(Domain):
    """Every float is a float64, whatever its element type: the reference for values."""

    name = "float64"

    def lift(self, array: Array, element: str) -> Value:
        return (np.asarray(array, np.float64),)

    def constant(self, array: Array, element: str) -> Value:
        return self.lift(array, element)

    def undefined(self, shape: Sequence[int], element: str) -> Undefined:
        return Undefined((np.broadcast_to(np.float64(UNDEFINED), tuple(shape)),))

    def apply(self, function: str, element: str, *operands: Value) -> Value:
        return (self._round(FUNCTIONS[function](*(operand[0] for operand in operands)), element),)

    def convert(self, value: Value, source: str, target: str) -> Value:
        return (self._round(value[0], target),)

    def compare(self, predicate: str, left: Value, right: Value) -> Value:
        return (compare_numbers(predicate, left[0], right[0]),)

    def select(self, condition: Value, yes: Value, no: Value) -> Value:
        return (np.where(condition[0], yes[0], no[0]),)

    def from_integer(self, value: Value, element: str) -> Value:
        return (self._round(np.asarray(value[0], np.float64), element),)

    def to_integer(self, value: Value, element: str) -> Value:
        return (clamp_to_integer(value[0], element),)

    def reduce(self, function: str, element: str, value: Value, axes: tuple[int, ...], init: Value) -> Value:
        return self.apply(function, element, (REDUCERS[function].reduce(value[0], axis=axes),), init)

    def contract(self, element: str, left: Value, right: Value, init: Value) -> Value:
        return (np.matmul(left[0], right[0]) + init[0],)

    def sort_order(self, value: Value) -> Array:
        return value[0]

    def undefined_elements(self, value: Value) -> Array | None:
        plane = value[0]
        return undefined_elements(plane) if plane.dtype == np.float64 else None

    def same_bits(self, value: Value, source: str, target: str) -> Value:
        if source in FLOATS:
            return (np.asarray(value[0]).astype(storage(source)).view(storage(target)),)
        return (np.asarray(value[0]).view(storage(target)).astype(np.float64),)

    def _round(self, plane: Array, element: str) -> Array:
        return plane


class NativeFloat(Float64):
    """Rounds after every operation to its element type: an emulation of straightforward compiled code.

    Values are kept as float64, which holds every narrower number; rounding a float64 result once more to at
    most 24 bits gives the correctly rounded result of `+ - * /` and square root.
    """

    name = "native"

    def reduce(self, function: str, element: str, value: Value, axes: tuple[int, ...], init: Value) -> Value:
        if element in ("f64", "f32"):
            reduced = REDUCERS[function].reduce(value[0].astype(storage(element)), axis=axes)
            return self.apply(function, element, (reduced.astype(np.float64),), init)
        kept = [axis for axis in range(np.ndim(value[0])) if axis not in axes]
        sizes = np.shape(value[0])
        count = math.prod(sizes[axis] for axis in axes)
        terms = np.transpose(value[0], [*axes, *kept]).reshape(count, *(sizes[axis] for axis in kept))
        total = np.broadcast_to(init[0], terms.shape[1:])
        for term in terms:
            total = self._round(FUNCTIONS[function](total, term), element)
        return (total,)

    def contract(self, element: str, left: Value, right: Value, init: Value) -> Value:
        if element in ("f64", "f32"):
            dtype = storage(element)
            product = np.matmul(left[0].astype(dtype), right[0].astype(dtype))
            return (self._round(product.astype(np.float64) + init[0], element),)
        total = init[0]
        for k in range(np.shape(left[0])[2]):
            product = self._round(left[0][:, :, k : k + 1] * right[0][:, k : k + 1, :], element)
            total = self._round(total + product, element)
        return (total,)

    def lift(self, array: Array, element: str) -> Value:
        return (self._round(np.asarray(array, np.float64), element),)

    def _round(self, plane: Array, element: str) -> Array:
        if element == "f64":
            return plane
        rounded = np.asarray(np.asarray(plane).astype(storage(element)), np.float64)
        lost = np.isnan(plane)
        return np.where(lost, plane, rounded) if np.any(lost) else rounded
