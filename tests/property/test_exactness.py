"""What counts as computed exactly in float64 is, by rational arithmetic."""

from __future__ import annotations

import operator
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stratagem.compiler.interpreter.domains.exactness import computed_exactly

OPERATORS = {"add": operator.add, "sub": operator.sub, "mul": operator.mul}
SHORT = st.integers(-(2**20), 2**20).map(float)
NUMBERS = SHORT | st.floats(allow_nan=False, allow_infinity=False) | st.floats(-4, 4).map(lambda x: x * 2.0**-500)


@given(st.sampled_from(sorted(OPERATORS)), NUMBERS, NUMBERS)
def test_exact_results_are_the_real_ones(function: str, a: float, b: float) -> None:
    result = OPERATORS[function](np.float64(a), np.float64(b))
    found = bool(computed_exactly(function, [np.array(a), np.array(b)], np.asarray(result)))
    if found:
        assert np.isfinite(result)
        assert Fraction(float(result)) == OPERATORS[function](Fraction(a), Fraction(b))


@given(st.sampled_from(sorted(OPERATORS)), SHORT, SHORT)
def test_small_whole_numbers_are_seen_to_be_exact(function: str, a: float, b: float) -> None:
    result = OPERATORS[function](a, b)
    assert computed_exactly(function, [np.array(a), np.array(b)], np.array(result))


def test_rounded_results_are_not_exact() -> None:
    cases = [("add", 1.0, 2.0**-60), ("mul", 0.1, 0.1), ("sub", 1e16, 0.5), ("mul", 1e200, 1e200), ("div", 1.0, 1.0)]
    for function, a, b in cases:
        result = OPERATORS.get(function, operator.truediv)(a, b)
        assert not computed_exactly(function, [np.array(a), np.array(b)], np.array(result)), function
