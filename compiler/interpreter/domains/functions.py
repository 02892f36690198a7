"""Scalar functions in float64, vectorised, and how far a good implementation may be from them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from stratagem.compiler.interpreter.values import Array

_SPACING = 1.0 / 64.0
_REACH = 6.0  # erf rounds to 1 in float64 beyond 5.93
_ORDER = 8


def _erf_tables() -> list[Array]:
    """Taylor coefficients of erf at multiples of the spacing: derivatives follow from Hermite polynomials."""
    nodes = np.arange(0, int(_REACH / _SPACING) + 2) * _SPACING
    tables = [np.array([math.erf(x) for x in nodes])]
    previous, hermite = np.zeros_like(nodes), np.ones_like(nodes)
    scale = 2.0 / math.sqrt(math.pi) * np.exp(-(nodes**2))
    for n in range(_ORDER):
        tables.append(scale * (-1.0) ** n * hermite / math.factorial(n + 1))
        previous, hermite = hermite, 2.0 * nodes * hermite - 2.0 * n * previous
    return tables


_ERF = _erf_tables()


def erf(x: Array) -> Array:
    """erf to a few units in the last place of float64; NaN stays."""
    size = np.minimum(np.abs(x), _REACH)
    index = np.nan_to_num(size / _SPACING + 0.5).astype(np.int64)
    step = size - index * _SPACING
    result = _ERF[_ORDER][index]
    for table in reversed(_ERF[:_ORDER]):
        result = result * step + table[index]
    return np.asarray(np.copysign(result, x))


def _by_element(function: Callable[[float], float]) -> Callable[[Array], Array]:
    plain = np.frompyfunc(function, 1, 1)
    return lambda x: np.asarray(plain(x), np.float64)


def _maxnum(x: Array, y: Array) -> Array:
    return np.fmax(x, y)


def _power(x: Array, y: Array) -> Array:
    """C's `pow`. Where the exponent is one number, numpy's own takes roots for 0.5, and the root of -inf is NaN."""
    return np.float_power(x, y)


def _round_away(x: Array) -> Array:
    return np.copysign(np.floor(np.abs(x) + 0.5), x)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "rem": np.fmod,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "maxnum": _maxnum,
    "minnum": np.fmin,
    "fma": lambda x, y, z: x * y + z,
    "abs": np.abs,
    "copysign": np.copysign,
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1.0 / np.sqrt(x),
    "cbrt": np.cbrt,
    "pow": _power,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "erf": erf,
    "erfc": _by_element(math.erfc),
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "roundeven": np.rint,
    "round": _round_away,
}

REDUCERS: dict[str, Any] = {
    "add": np.add,
    "mul": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "maxnum": np.fmax,
    "minnum": np.fmin,
}

ULPS: dict[str, float] = {
    "add": 0.5,
    "sub": 0.5,
    "mul": 0.5,
    "fma": 1.0,
    "sqrt": 3.0,
    "div": 2.5,
    "rsqrt": 2.0,
    "cbrt": 2.0,
    "exp": 3.0,
    "exp2": 3.0,
    "expm1": 3.0,
    "log": 3.0,
    "log2": 3.0,
    "log10": 3.0,
    "log1p": 2.0,
    "pow": 16.0,
    "sin": 4.0,
    "cos": 4.0,
    "tan": 5.0,
    "asin": 4.0,
    "acos": 4.0,
    "atan": 5.0,
    "atan2": 6.0,
    "sinh": 4.0,
    "cosh": 4.0,
    "tanh": 5.0,
    "asinh": 4.0,
    "acosh": 4.0,
    "atanh": 5.0,
    "erf": 16.0,
    "erfc": 16.0,
}
"""Largest error allowed to an implementation, in units in the last place.

The figures are those of the OpenCL C specification (full profile, single precision), except for add, sub and
mul, which every device rounds correctly. `fma` is 1: a backend may compute it as a product and a sum.
Functions not listed are exact.
"""

INCREASING = frozenset(
    {
        "exp",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "sqrt",
        "cbrt",
        "asin",
        "atan",
        "sinh",
        "tanh",
        "asinh",
        "acosh",
        "atanh",
        "erf",
        "floor",
        "ceil",
        "trunc",
        "roundeven",
        "round",
    }
)
DECREASING = frozenset({"rsqrt", "acos", "erfc"})
