"""How errors of operands reach a result: one function per operation, on pairs (value, bound)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from stratagem.compiler.interpreter.domains.functions import DECREASING, FUNCTIONS, INCREASING
from stratagem.compiler.interpreter.values import Array, Value

Propagation = Callable[..., Array]
"""(v, *operands) -> bound on the change of v when the operands move within their bounds."""


def known_zero(e: Array) -> bool:
    """Whether a bound is zero by construction (a broadcast zero); does not look at more than one element."""
    plane = np.asarray(e)
    return plane.size == 0 or (not any(plane.strides) and float(plane.flat[0]) == 0.0)


def _between(v: Array, *ends: Array) -> Array:
    """The largest distance from v to the ends; ends equal to v (infinities too) are at distance 0."""
    spread = np.zeros(np.shape(v))
    for end in ends:
        spread = np.maximum(spread, np.where(end == v, 0.0, np.abs(end - v)))
    return spread


def _sum(v: Array, x: Value, y: Value) -> Array:
    return np.asarray(x[1] + y[1])


def _product(v: Array, x: Value, y: Value) -> Array:
    """|x| ey + |y| ex + ex ey, where a zero bound leaves infinities harmless."""
    total: Array = np.zeros(np.shape(v))
    if not known_zero(y[1]):
        total = total + np.where(y[1] == 0.0, 0.0, np.abs(x[0]) * y[1])
    if not known_zero(x[1]):
        total = total + np.where(x[1] == 0.0, 0.0, (np.abs(y[0]) + y[1]) * x[1])
    return total


def _quotient(v: Array, x: Value, y: Value) -> Array:
    if known_zero(x[1]) and known_zero(y[1]):
        return np.zeros(np.shape(v))
    room = np.abs(y[0]) - y[1]
    moved = (x[1] + np.abs(v) * y[1]) / np.where(room > 0.0, room, 1.0)
    return np.where((x[1] == 0.0) & (y[1] == 0.0), 0.0, np.where(room > 0.0, moved, np.inf))


def _fused(v: Array, x: Value, y: Value, z: Value) -> Array:
    product = x[0] * y[0]
    moved = _product(product, x, y)
    return np.asarray(moved + z[1] + 2.0**-53 * np.abs(product))


def _monotone(function: str) -> Propagation:
    compute = FUNCTIONS[function]

    def propagate(v: Array, x: Value) -> Array:
        if known_zero(x[1]):
            return np.zeros(np.shape(v))
        high = np.nextafter(x[0] + x[1], np.inf)
        low = np.nextafter(x[0] - x[1], -np.inf)
        moved = _between(v, compute(high), compute(low))
        return np.where(x[1] == 0.0, 0.0, moved)

    return propagate


def _lipschitz(limit: float) -> Propagation:
    """For functions of slope at most 1 whose values differ by at most `limit`."""
    return lambda v, x: np.minimum(x[1], limit) + np.zeros(np.shape(v))


def _extreme(function: str) -> Propagation:
    compute = FUNCTIONS[function]

    def propagate(v: Array, x: Value, y: Value) -> Array:
        if known_zero(x[1]) and known_zero(y[1]):
            return np.zeros(np.shape(v))
        return _between(v, compute(x[0] + x[1], y[0] + y[1]), compute(x[0] - x[1], y[0] - y[1]))

    return propagate


def _power(v: Array, x: Value, y: Value) -> Array:
    """Corners of the box, and 0 where the base may cross it."""
    if known_zero(x[1]) and known_zero(y[1]):
        return np.zeros(np.shape(v))
    corners = [np.float_power(x[0] + a * x[1], y[0] + b * y[1]) for a in (-1, 1) for b in (-1, 1)]
    crosses = np.where(np.abs(x[0]) <= x[1], 0.0, v)
    moved = _between(v, *corners, crosses)
    return np.where((y[0] < 0) & (np.abs(x[0]) <= x[1]), np.inf, moved)


def _cosh(v: Array, x: Value) -> Array:
    size = np.abs(x[0])
    return _between(v, np.cosh(size + x[1]), np.cosh(np.maximum(size - x[1], 0.0)))


def _copied_sign(v: Array, x: Value, y: Value) -> Array:
    may_turn = (np.abs(y[0]) <= y[1]) & (y[1] > 0)
    return np.asarray(np.where(may_turn, 2.0 * np.abs(x[0]) + x[1], x[1]))


def _exact_only(v: Array, *operands: Value) -> Array:
    """For functions that jump: known only where every operand is exact."""
    exact = np.ones(np.shape(v), np.bool_)
    for operand in operands:
        exact &= operand[1] == 0.0
    return np.where(exact, 0.0, np.inf)


def _keep(v: Array, x: Value) -> Array:
    return np.asarray(x[1])


PROPAGATED: dict[str, Propagation] = {
    "add": _sum,
    "sub": _sum,
    "mul": _product,
    "div": _quotient,
    "fma": _fused,
    "pow": _power,
    "neg": _keep,
    "abs": _keep,
    "copysign": _copied_sign,
    "sin": _lipschitz(2.0),
    "cos": _lipschitz(2.0),
    "cosh": _cosh,
    "tan": _exact_only,
    "atan2": _exact_only,
    "rem": _exact_only,
}
PROPAGATED |= {name: _extreme(name) for name in ("maximum", "minimum", "maxnum", "minnum")}
PROPAGATED |= {name: _monotone(name) for name in sorted(INCREASING | DECREASING)}
