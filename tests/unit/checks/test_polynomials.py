"""Polynomials over sizes: the normal form, exact quotients, and values against plain arithmetic."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratagem.compiler.checks.polynomials import Polynomial, number, unknown

N, M = unknown("h0"), unknown("h1")
small = st.integers(-7, 7)
polynomials = st.recursive(
    st.one_of(small.map(number), st.sampled_from([N, M])),
    lambda inner: st.tuples(st.sampled_from("+-*"), inner, inner).map(
        lambda t: {"+": t[1] + t[2], "-": t[1] - t[2], "*": t[1] * t[2]}[t[0]]
    ),
    max_leaves=6,
)


def value(of: Polynomial, n: int, m: int) -> int:
    numbers = {"h0": n, "h1": m}
    return sum(c * math.prod(numbers[name] for name in monomial) for monomial, c in of.terms)


def test_equal_sizes_are_equal_whatever_their_order() -> None:
    assert N * M + number(2) == number(2) + M * N
    assert (N - N).terms == () and (N - N).constant == 0
    assert (N + number(1) - N).constant == 1 and N.constant is None


def test_products_are_named_and_sums_are_spelled_out() -> None:
    size = N * M * number(3) - N + number(5)
    assert size.unknowns() == {"h0", "h0_h1"}
    assert str(size) == "(5 + -1*h0 + 3*h0_h1)"
    assert str(number(0)) == "0"


@pytest.mark.parametrize("divisor", [number(0), N + M, number(4), M])
def test_a_quotient_that_may_not_come_out_even_is_none(divisor: Polynomial) -> None:
    assert (N * number(6)).over(divisor) is None


@given(polynomials, polynomials, small, small)
def test_sums_and_products_have_the_values_of_integers(a: Polynomial, b: Polynomial, n: int, m: int) -> None:
    assert value(a + b, n, m) == value(a, n, m) + value(b, n, m)
    assert value(a - b, n, m) == value(a, n, m) - value(b, n, m)
    assert value(a * b, n, m) == value(a, n, m) * value(b, n, m)


@given(polynomials, st.sampled_from([N, M, N * M, number(3), N * number(-2)]))
def test_an_exact_quotient_times_the_divisor_is_the_dividend(a: Polynomial, divisor: Polynomial) -> None:
    assert (a * divisor).over(divisor) == a
