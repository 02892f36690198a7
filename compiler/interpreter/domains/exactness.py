"""Whether a float64 result is the real one: what rounding took away, by error-free transformations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
SPLITTER = 2.0**27 + 1.0
"""Cuts the 53 bits of a float64 into two halves (Dekker, "A floating-point technique for extending the available
precision", Numerische Mathematik 18, 1971)."""


def computed_exactly(function: str, operands: Sequence[Array], result: Array) -> Array:
    """Where `result` is what the function gives on real numbers, certainly: for `add`, `sub` and `mul`; False for all
    others, and where intermediate values overflow or underflow."""
    with np.errstate(all="ignore"):
        if function == "add":
            return np.asarray(_sum_error(operands[0], operands[1], result) == 0.0)
        if function == "sub":
            return np.asarray(_sum_error(operands[0], -np.asarray(operands[1]), result) == 0.0)
        if function == "mul":
            return np.asarray(_product_error(operands[0], operands[1], result) == 0.0)
    return np.zeros(np.shape(result), np.bool_)


def _sum_error(a: Array, b: Array, total: Array) -> Array:
    """What rounding took from a + b (Knuth, TAOCP 2, 4.2.2): NaN where something overflows."""
    rest = total - a
    return np.asarray((a - (total - rest)) + (b - rest))


def _product_error(a: Array, b: Array, product: Array) -> Array:
    """What rounding took from a b (Dekker 1971), up to underflow of the error itself, which counts as an error."""
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    error = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)
    tiny = (np.abs(product) < 2.0**-960) & (a != 0.0) & (b != 0.0)
    return np.where(tiny, np.nan, error)


def _halves(a: Array) -> tuple[Array, Array]:
    scaled = SPLITTER * np.asarray(a)
    high = scaled - (scaled - a)
    return high, a - high
