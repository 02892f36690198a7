"""float64 values with a bound on the rounding error of any correct implementation at the program's element
types.

A value is a pair of planes (v, e): the exact real result of the program is v up to float64 rounding, and
every implementation that evaluates the program with the program's element types, in any summation order, with
functions as accurate as `functions.ULPS`, lands within e of v. An infinite e says that nothing is known.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from stratagem.compiler.interpreter.domains.base import Domain, clamp_to_integer, representable
from stratagem.compiler.interpreter.domains.exactness import computed_exactly
from stratagem.compiler.interpreter.domains.floats import Float64, compare_numbers
from stratagem.compiler.interpreter.domains.functions import FUNCTIONS, REDUCERS, ULPS
from stratagem.compiler.interpreter.domains.propagation import PROPAGATED, known_zero
from stratagem.compiler.interpreter.elements import FLOATS, storage
from stratagem.compiler.interpreter.values import Array, Undefined, Value, doubt_of, with_doubt

_REFERENCE_UNIT = FLOATS["f64"].unit
_PLAIN = Float64()


def zeros(shape: Sequence[int]) -> Array:
    """A zero bound: costs no memory, and is recognised as zero without a look at its elements."""
    return np.broadcast_to(np.float64(0.0), tuple(shape))


class RoundingBound(Domain):
    """See the module's text.

    Args:
        slack: scales the accuracy demanded of functions (1: as in `ULPS`).
        correctly_rounded: functions that the device at hand rounds correctly, beside `+ - *`; CPUs do so for `div` and
        `sqrt`. Then results that are representable are exact.
    """

    name = "rounding-bound"

    def __init__(self, slack: float = 1.0, correctly_rounded: Collection[str] = ()) -> None:
        self.slack = slack
        self._correct = frozenset(correctly_rounded)
        self._ulps = {name: 0.5 if name in correctly_rounded else ulps for name, ulps in ULPS.items()}

    def lift(self, array: Array, element: str) -> Value:
        plane = np.asarray(array, np.float64)
        return plane, zeros(plane.shape)

    def constant(self, array: Array, element: str) -> Value:
        return self.lift(array, element)

    def undefined(self, shape: Sequence[int], element: str) -> Undefined:
        return Undefined((*_PLAIN.undefined(shape, element), np.broadcast_to(np.float64(np.inf), tuple(shape))))

    def apply(self, function: str, element: str, *operands: Value) -> Value:
        v = FUNCTIONS[function](*(operand[0] for operand in operands))
        propagated = PROPAGATED[function](v, *operands)
        if function == "fma" and "fma" not in self._correct:  # its product may be rounded, too
            propagated = propagated + self._unit(element) * np.abs(operands[0][0] * operands[1][0])
        exact = None if element != "f64" else computed_exactly(function, [operand[0] for operand in operands], v)
        return v, self._rounded(v, propagated, element, self._ulps.get(function, 0.0), operands, exact)

    def convert(self, value: Value, source: str, target: str) -> Value:
        if FLOATS[target].unit <= FLOATS[source].unit and FLOATS[target].largest >= FLOATS[source].largest:
            return _perhaps_zero(value) if source == "bf16" else value
        return value[0], self._rounded(value[0], value[1], target, 0.5, (value,))

    def compare(self, predicate: str, left: Value, right: Value) -> Value:
        spread = left[1] + right[1]
        doubt = (np.abs(left[0] - right[0]) <= spread) & (spread > 0)
        doubt |= np.isinf(spread)
        return with_doubt(compare_numbers(predicate, left[0], right[0]), doubt)

    def select(self, condition: Value, yes: Value, no: Value) -> Value:
        v = np.where(condition[0], yes[0], no[0])
        e = np.where(condition[0], yes[1], no[1])
        doubt = doubt_of(condition)
        if doubt is not None:
            other, spread = np.where(condition[0], no[0], yes[0]), np.where(condition[0], no[1], yes[1])
            gap = np.where(other == v, 0.0, np.abs(other - v)) + spread
            e = np.where(doubt, np.maximum(e, np.where(np.isnan(gap), np.inf, gap)), e)
        return v, e

    def from_integer(self, value: Value, element: str) -> Value:
        v = np.asarray(value[0], np.float64)
        exact = np.abs(v) <= 1.0 / FLOATS[element].unit
        e = np.where(exact, 0.0, 2 * FLOATS[element].unit * np.abs(v))
        e = np.where(np.abs(v) + e > FLOATS[element].largest, np.inf, e)
        doubt = doubt_of(value)
        return v, (e if doubt is None else np.where(doubt, np.inf, e))

    def to_integer(self, value: Value, element: str) -> Value:
        whole = clamp_to_integer(value[0], element)
        low, high = (clamp_to_integer(value[0] + sign * value[1], element) for sign in (-1, 1))
        doubt = (low != whole) | (high != whole) | np.isinf(value[1])
        return with_doubt(whole, doubt | ~representable(value[0], element))

    def reduce(self, function: str, element: str, value: Value, axes: tuple[int, ...], init: Value) -> Value:
        count = int(np.prod([value[0].shape[axis] for axis in axes]))
        if function == "add":
            return self._sum(element, value, axes, init, count)
        if function == "mul":
            return self._product(element, value, axes, init, count)
        reducer = REDUCERS[function]
        extreme = reducer.reduce(value[0], axis=axes)
        high = reducer.reduce(value[0] + value[1], axis=axes) - extreme
        low = extreme - reducer.reduce(value[0] - value[1], axis=axes)
        e = np.where(np.isinf(extreme), 0.0, np.maximum(high, low))
        return self.apply(function, element, (extreme, _no_nan(e)), init)

    def contract(self, element: str, left: Value, right: Value, init: Value) -> Value:
        if element == "bf16":
            left, right = _perhaps_zero(left), _perhaps_zero(right)
        (a, ea), (b, eb) = left, right
        v = np.matmul(a, b) + init[0]
        size = np.matmul(np.abs(a), np.abs(b))
        spread: Array = np.asarray(init[1])
        if not known_zero(eb):
            spread = spread + np.matmul(np.abs(a), eb)
        if not known_zero(ea):
            spread = spread + np.matmul(ea, np.abs(b) if known_zero(eb) else np.abs(b) + eb)
        count = a.shape[2]
        e = spread + self._gamma(count + 1, element) * (size + np.abs(init[0]) + spread)
        return v, self._checked(v, e + count * FLOATS[element].tiny, element, (left, right, init))

    def sort_order(self, value: Value) -> Array:
        return value[0]

    def undefined_elements(self, value: Value) -> Array | None:
        return _PLAIN.undefined_elements(value)

    def same_bits(self, value: Value, source: str, target: str) -> Value:
        plain = _PLAIN.same_bits(value, source, target)[0]
        if source in FLOATS:
            return with_doubt(plain, value[1] > 0)
        doubt = doubt_of(value)
        return plain, (zeros(plain.shape) if doubt is None else np.where(doubt, np.inf, 0.0))

    def _unit(self, element: str) -> float:
        """Unit roundoff of the element type, plus that of this float64 evaluation itself."""
        return FLOATS[element].unit + _REFERENCE_UNIT

    def _gamma(self, count: int, element: str) -> float:
        """Higham's n u / (1 - n u): the error of `count` roundings in a row; infinite where that means
        nothing.
        """
        total = count * self._unit(element)
        return total / (1.0 - total) if total < 0.5 else np.inf

    def _rounded(
        self,
        v: Array,
        propagated: Array,
        element: str,
        ulps: float,
        operands: Sequence[Value],
        exactly: Array | None = None,
    ) -> Array:
        """Adds one result's own rounding (an ulp is at most twice the unit roundoff) to what came in. `exactly`: where
        this evaluation is exact; None where that is wherever the result is representable."""
        if not ulps:
            return _no_nan(propagated)
        scale = ulps if ulps <= 0.5 else ulps * self.slack
        e = propagated + 2.0 * scale * self._unit(element) * (np.abs(v) + propagated)
        e = e + np.where(v == 0.0, 0.0, FLOATS[element].tiny)
        if ulps <= 0.5 and np.any(propagated == 0.0):  # rounded correctly: exact where the result is representable
            exact = np.asarray(v).astype(storage(element)).astype(np.float64) == v if exactly is None else exactly
            e = np.where(exact & (propagated == 0.0) & (np.abs(v) >= FLOATS[element].tiny), 0.0, e)
        return self._checked(v, e, element, operands)

    def _checked(self, v: Array, e: Array, element: str, operands: Sequence[Value]) -> Array:
        """Infinite where the result may overflow; zero where it is infinite because an operand exactly
        was.
        """
        largest = FLOATS[element].largest * (1.0 + 3.0 * FLOATS[element].unit)
        e = np.where(np.abs(v) + e > largest, np.inf, e) if largest < np.inf else e
        endless = np.isinf(v)
        if np.any(endless):
            came_in = np.zeros((), np.bool_)
            for operand in operands:
                came_in = came_in | np.any(np.isinf(operand[0]) & (operand[1] == 0.0))
            e = np.where(endless, 0.0 if came_in else np.inf, e)
        return _no_nan(e)

    def _sum(self, element: str, value: Value, axes: tuple[int, ...], init: Value, count: int) -> Value:
        v = value[0].sum(axis=axes) + init[0]
        size = np.abs(value[0]).sum(axis=axes) + np.abs(init[0])
        spread = init[1] if known_zero(value[1]) else value[1].sum(axis=axes) + init[1]
        return v, self._checked(v, spread + self._gamma(count, element) * (size + spread), element, (value, init))

    def _product(self, element: str, value: Value, axes: tuple[int, ...], init: Value, count: int) -> Value:
        v = value[0].prod(axis=axes) * init[0]
        largest = (np.abs(value[0]) + value[1]).prod(axis=axes) * (np.abs(init[0]) + init[1])
        # In some order, all factors above one come first: then they may overflow, and enlarge what underflowed.
        reach = np.maximum(np.abs(value[0]) + value[1], 1.0).prod(axis=axes) * np.maximum(
            np.abs(init[0]) + init[1], 1.0
        )
        e = (largest - np.abs(v)) + self._gamma(count + 1, element) * largest + count * FLOATS[element].tiny * reach
        e = np.where(reach > FLOATS[element].largest, np.inf, e)
        return v, self._checked(v, e, element, (value, init))


def _perhaps_zero(value: Value) -> Value:
    """A bf16 value of which denormal numbers may be taken for zero, as processors' dot products do."""
    size = np.abs(value[0])
    denormal = (size > 0.0) & (size < FLOATS["bf16"].tiny)
    return (value[0], value[1] + np.where(denormal, size, 0.0)) if np.any(denormal) else value


def _no_nan(e: Array) -> Array:
    return np.where(np.isnan(e), np.inf, e)
