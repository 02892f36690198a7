"""Exact algebra over a finite field: programs that agree over the reals compare equal with `==`.

`+ - * /` are field operations, exp keeps exp(a+b) = exp(a) exp(b) (once per path), maximum and minimum follow
a keyed random total order, so they are commutative, associative and idempotent, and every other function is a
keyed random function of its argument. What this cannot see is listed in `docs/interpreter.md`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from stratagem.compiler.interpreter.domains import residues
from stratagem.compiler.interpreter.domains.base import Domain
from stratagem.compiler.interpreter.domains.floats import compare_numbers
from stratagem.compiler.interpreter.domains.functions import FUNCTIONS
from stratagem.compiler.interpreter.domains.residues import (
    LARGEST_SCALED,
    MODULI,
    NEGATIVE,
    POSITIVE,
    SCALE,
    UNORDERED,
    P,
    Q,
)
from stratagem.compiler.interpreter.elements import storage
from stratagem.compiler.interpreter.values import Array, Undefined, Value

_SIMPLE_DENOMINATOR = 4096


class ExactField(Domain):
    """One draw of the keys. Two runs are comparable when they use the same seed."""

    name = "exact-field"

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        self._key = int(self._random.integers(1, 2**30))

    def random(self, shape: Sequence[int]) -> Value:
        """Fresh random field elements: an input that stands for every input."""
        return tuple(self._random.integers(1, modulus, tuple(shape)) for modulus in MODULI)

    def lift(self, array: Array, element: str) -> Value:
        """The exact value of every float, as residues."""
        numbers = np.asarray(array, np.float64)
        finite = np.isfinite(numbers)
        mantissa, exponent = np.frexp(np.where(finite, numbers, 0.0))
        whole = (mantissa * 2.0**53).astype(np.int64)
        planes = []
        for modulus in MODULI:
            scale = _powers_of_two(exponent - 53, modulus)
            planes.append(whole % modulus * scale % modulus)
        return tuple(planes) if finite.all() else residues.with_tags(tuple(planes), numbers)

    def constant(self, array: Array, element: str) -> Value:
        """Constants are read as the simple fraction they round: 0.33333334 as 1/3."""
        numbers = np.asarray(array, np.float64)
        if numbers.size > 64:
            return self.lift(array, element)
        codes = [_constant(float(number), element) for number in np.ravel(numbers)]
        return tuple(np.array([c[i] for c in codes], np.int64).reshape(numbers.shape) for i in range(2))

    def undefined(self, shape: Sequence[int], element: str) -> Undefined:
        """One random number for the whole of it: whoever reads it gets a result that differs from run to
        run.
        """
        return Undefined(np.broadcast_to(plane, tuple(shape)) for plane in self.random(()))

    def unwritten_integer(self) -> int:
        return int(self._random.integers(2, 128))

    def apply(self, function: str, element: str, *operands: Value) -> Value:
        result = self._finite(function, *operands)
        if function in _SELECTING or not any(residues.tagged(operand) for operand in operands):
            return result
        stand_ins = FUNCTIONS[function](*(residues.as_floats(operand) for operand in operands))
        concerned = np.zeros((), np.bool_)
        for operand in operands:
            concerned = concerned | (np.asarray(operand[0]) < 0)
        limits = self.lift(np.where(concerned & np.isfinite(stand_ins), stand_ins, 0.0), element)
        exact = concerned & np.isfinite(stand_ins)
        result = tuple(np.where(exact, limit, plane) for limit, plane in zip(limits, result, strict=True))
        return residues.with_tags(result, np.where(concerned, stand_ins, 1.0))

    def convert(self, value: Value, source: str, target: str) -> Value:
        return value

    def compare(self, predicate: str, left: Value, right: Value) -> Value:
        return (compare_numbers(predicate, self._rank(left), self._rank(right)),)

    def select(self, condition: Value, yes: Value, no: Value) -> Value:
        return tuple(np.where(condition[0], a, b) for a, b in zip(yes, no, strict=True))

    def from_integer(self, value: Value, element: str) -> Value:
        return tuple(np.asarray(value[0]).astype(np.int64) % modulus for modulus in MODULI)

    def to_integer(self, value: Value, element: str) -> Value:
        """Simple fractions are cut to their integer part; of others nothing is known but that equals give
        equals.
        """
        plane = np.asarray(value[0])
        dtype = storage(element)
        if dtype == np.bool_:
            return (plane != 0,)
        largest = int(np.iinfo(dtype).max)
        known, scaled = residues.small_fractions(value)
        whole = np.sign(scaled) * (np.abs(scaled) // SCALE)
        unknown = residues.mixed(plane, self._key + 1) & largest
        return (np.where(known, np.clip(whole, -largest - 1, largest), unknown).astype(dtype),)

    def reduce(self, function: str, element: str, value: Value, axes: tuple[int, ...], init: Value) -> Value:
        kept = [axis for axis in range(np.ndim(value[0])) if axis not in axes]
        shape = tuple(value[0].shape[axis] for axis in kept)
        count = math.prod(value[0].shape[axis] for axis in axes)
        terms = tuple(np.transpose(plane, [*axes, *kept]).reshape((count, *shape)) for plane in value)
        if function == "add" and not residues.tagged(value):
            total = tuple(plane.sum(axis=0) % modulus for plane, modulus in zip(terms, MODULI, strict=True))
            return self.apply(function, element, total, init)
        while len(terms[0]) > 1:  # halves, so that the number of steps is logarithmic
            half = len(terms[0]) // 2
            pair = self.apply(
                function, element, tuple(p[:half] for p in terms), tuple(p[half : 2 * half] for p in terms)
            )
            terms = tuple(np.concatenate([p, t[2 * half :]]) for p, t in zip(pair, terms, strict=True))
        if not len(terms[0]):
            return tuple(np.broadcast_to(plane, shape) for plane in init)
        return self.apply(function, element, tuple(plane[0] for plane in terms), init)

    def contract(self, element: str, left: Value, right: Value, init: Value) -> Value:
        if residues.tagged(left) or residues.tagged(right):
            return self._contract_with_tags(element, left, right, init)
        product = tuple(residues.matmul(x, y, m) for x, y, m in zip(left, right, MODULI, strict=True))
        return self.apply("add", element, product, init)

    def sort_order(self, value: Value) -> Array:
        return self._rank(value)

    def same_bits(self, value: Value, source: str, target: str) -> Value:
        if target in ("f16", "bf16", "f32", "f64"):
            return self._unknown(f"from_{source}", np.asarray(value[0], np.int64))
        dtype = storage(target)
        return ((residues.mixed(value[0], self._key + 2) & int(np.iinfo(dtype).max)).astype(dtype),)

    def _finite(self, function: str, *operands: Value) -> Value:
        """The function on numbers; elements that are tags come out as nonsense and are overwritten by
        `apply`.
        """
        first, second = operands[0], operands[-1]
        match function:
            case "add" | "sub" | "mul":
                compute = {"add": np.add, "sub": np.subtract, "mul": np.multiply}[function]
                return tuple(compute(x, y) % m for x, y, m in zip(first, second, MODULI, strict=True))
            case "neg":
                return tuple(-x % m for x, m in zip(first, MODULI, strict=True))
            case "fma":
                return self._finite("add", self._finite("mul", first, operands[1]), second)
            case "div":
                return tuple(x * residues.inverse(y % m, m) % m for x, y, m in zip(first, second, MODULI, strict=True))
            case "exp":
                grown = residues.power(np.asarray(residues.BASE), np.maximum(first[1], 0), P)
                return grown, self._unknown("exp", grown)[1]
            case "rsqrt":
                root = self._unknown("sqrt", first[0])
                return tuple(residues.inverse(x, m) for x, m in zip(root, MODULI, strict=True))
            case "abs":
                return self._finite("maxnum", first, self._finite("neg", first))
            case "maximum" | "minimum" | "maxnum" | "minnum":
                return self._extreme(function, first, second)
            case "pow":
                return self._power(first, second)
            case "floor" | "ceil" | "trunc" | "round" | "roundeven":
                return self._rounded(function, first)
        mixed = first[0]
        for operand in operands[1:]:
            mixed = residues.mixed(mixed, self._key) ^ np.asarray(operand[0])
        return self._unknown(function, mixed)

    def _unknown(self, function: str, argument: Array) -> Value:
        """A keyed random function, one per name."""
        key = self._key + sum(ord(letter) * 257**i for i, letter in enumerate(function))
        return tuple(residues.mixed(argument, key + i) % modulus for i, modulus in enumerate(MODULI))

    def _rounded(self, function: str, value: Value) -> Value:
        """Whole numbers for simple fractions, an unknown function of others."""
        known, scaled = residues.small_fractions(value)
        if function == "round":  # halves away from zero
            whole = np.sign(scaled) * ((np.abs(scaled) + SCALE // 2) // SCALE)
        elif function == "roundeven":
            twice = (2 * scaled + SCALE) // (2 * SCALE)
            whole = twice - ((2 * scaled + SCALE) % (2 * SCALE) == 0) * (twice & 1)
        elif function == "trunc":
            whole = np.sign(scaled) * (np.abs(scaled) // SCALE)
        else:
            whole = scaled // SCALE if function == "floor" else -(-scaled // SCALE)
        unknown = self._unknown(function, value[0])
        return tuple(np.where(known, whole % m, plane) for m, plane in zip(MODULI, unknown, strict=True))

    def _rank(self, value: Value) -> Array:
        """The total order: simple fractions by size, others above or below them all by a keyed random number.

        The infinities are at the ends, NaN is unordered.
        """
        plane = np.asarray(value[0])
        draw = residues.mixed(plane, self._key)
        known, scaled = residues.small_fractions(value)
        far = np.where(draw & 1, LARGEST_SCALED + draw, -LARGEST_SCALED - draw)
        rank = np.where(known, scaled, far).astype(np.float64)
        if residues.tagged(value):
            for tag, place in ((NEGATIVE, -np.inf), (POSITIVE, np.inf), (UNORDERED, np.nan)):
                rank = np.where(plane == tag, place, rank)
        return rank

    def _extreme(self, function: str, x: Value, y: Value) -> Value:
        """Larger or smaller by rank; the first among equals, NaN wins in `maximum` and loses in `maxnum`."""
        left, right = self._rank(x), self._rank(y)
        takes_left = left >= right if function.startswith("max") else left <= right
        if function in ("maximum", "minimum"):
            takes_left = (takes_left & ~np.isnan(right)) | np.isnan(left)
        else:
            takes_left = (takes_left & ~np.isnan(left)) | np.isnan(right)
        return tuple(np.where(takes_left, a, b) for a, b in zip(x, y, strict=True))

    def _power(self, base: Value, exponent: Value) -> Value:
        """Whole exponents up to 16 are products, halves are roots, anything else an unknown function."""
        argument = residues.mixed(base[0], self._key) ^ np.asarray(exponent[0])
        result = self._unknown("pow", argument)
        for whole in range(-16, 17):
            is_whole = np.asarray(exponent[0]) == whole % P
            if np.any(is_whole):
                raised = [residues.power(x % m, np.asarray(abs(whole)), m) for x, m in zip(base, MODULI, strict=True)]
                if whole < 0:
                    raised = [residues.inverse(x, m) for x, m in zip(raised, MODULI, strict=True)]
                result = tuple(np.where(is_whole, a, b) for a, b in zip(raised, result, strict=True))
        for function, number in (("sqrt", 0.5), ("rsqrt", -0.5)):
            is_root = np.asarray(exponent[0]) == _constant(number, "f32")[0]
            if np.any(is_root):
                root = self._finite(function, base)
                result = tuple(np.where(is_root, a, b) for a, b in zip(root, result, strict=True))
        return result

    def _contract_with_tags(self, element: str, left: Value, right: Value, init: Value) -> Value:
        total = init
        for k in range(left[0].shape[2]):
            a, b = tuple(p[:, :, k : k + 1] for p in left), tuple(p[:, k : k + 1, :] for p in right)
            total = self.apply("add", element, total, self.apply("mul", element, a, b))
        return total


_SELECTING = frozenset({"maximum", "minimum", "maxnum", "minnum"})
"""Functions that return one of their operands, tags included."""


def _constant(number: float, element: str) -> tuple[int, int]:
    if not math.isfinite(number):
        tag = UNORDERED if math.isnan(number) else (POSITIVE if number > 0 else NEGATIVE)
        return tag, tag
    exact = simple_fraction(number, element)
    return exact.numerator * pow(exact.denominator, -1, P) % P, exact.numerator * pow(exact.denominator, -1, Q) % Q


def simple_fraction(number: float, element: str) -> Fraction:
    """The fraction with a small denominator that rounds to this number of type `element`, else the number itself."""
    exact = Fraction(number)
    simple = exact.limit_denominator(_SIMPLE_DENOMINATOR)
    return simple if float(np.asarray(float(simple)).astype(storage(element))) == number else exact


def _powers_of_two(exponent: Array, modulus: int) -> Array:
    """2 ** exponent for exponents of float64 numbers, negative ones too."""
    low, high = -1200, 1100
    table = [pow(2, low, modulus)]
    for _ in range(low, high):
        table.append(table[-1] * 2 % modulus)
    return np.array(table, np.int64)[np.asarray(exponent, np.int64) - low]
