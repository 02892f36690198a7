"""The finite field: exact arithmetic, the laws it keeps, and tags for infinities."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from stratagem.compiler.interpreter.domains import ExactField, residues
from stratagem.compiler.interpreter.domains.residues import BASE, MODULI, NEGATIVE, POSITIVE, UNORDERED, P, Q
from stratagem.compiler.interpreter.values import Value

Array = np.ndarray[Any, Any]


def same(a: Value, b: Value) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.fixture
def field() -> Iterator[ExactField]:
    with np.errstate(all="ignore"):  # as while a program runs
        yield ExactField(3)


def is_prime(n: int) -> bool:
    return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))


def test_the_moduli_fit_together() -> None:
    assert P == 2 * Q + 1 and is_prime(Q) and is_prime(P) and P < 2**31
    assert pow(BASE, Q, P) == 1 and BASE != 1


def test_matmul_is_exact() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, P, (3, 5000)), rng.integers(0, P, (5000, 2))
    wanted = [[sum(int(a) * int(b) for a, b in zip(row, col, strict=True)) % P for col in y.T] for row in x]
    np.testing.assert_array_equal(residues.matmul(x, y, P), wanted)


def test_lift_is_the_exact_value(field: ExactField) -> None:
    numbers = np.array([0.0, 1.0, -1.0, 0.1, -3.5e30, 2.0**-140, 65504.0], np.float32)
    lifted = field.lift(numbers, "f32")
    for i, number in enumerate(numbers):
        exact = Fraction(float(number))
        for plane, m in zip(lifted, MODULI, strict=True):
            assert plane[i] == exact.numerator * pow(exact.denominator, -1, m) % m


def test_constants_are_read_as_the_fraction_they_round(field: ExactField) -> None:
    third = field.constant(np.asarray(np.float32(1) / np.float32(3), np.float64), "f32")
    one = field.constant(np.asarray(1.0), "f32")
    total = field.apply("add", "f32", field.apply("add", "f32", third, third), third)
    assert same(total, one)


def test_field_laws(field: ExactField) -> None:
    x, y, z = (field.random((50,)) for _ in range(3))

    def f(name: str, *operands: Value) -> Value:
        return field.apply(name, "f32", *operands)

    assert same(f("mul", x, f("add", y, z)), f("add", f("mul", x, y), f("mul", x, z)))
    assert same(f("mul", f("div", x, y), y), x)
    assert same(f("sub", f("add", x, y), y), x)
    assert same(f("fma", x, y, z), f("add", f("mul", x, y), z))
    assert same(f("exp", f("add", x, y))[:1], f("mul", f("exp", x), f("exp", y))[:1])
    assert same(f("maximum", x, f("maximum", y, z)), f("maximum", f("maximum", z, x), y))
    assert same(f("maximum", x, x), x)
    assert not same(f("tanh", x), f("tanh", y))
    assert same(f("tanh", x), f("tanh", x))
    root = f("sqrt", x)
    assert same(f("rsqrt", x), f("div", field.constant(np.asarray(1.0), "f32"), root))
    half, two, third = (field.constant(np.asarray(c), "f32") for c in (0.5, 2.0, 3.0))
    assert same(f("pow", x, half), root) and same(f("pow", x, two), f("mul", x, x))
    assert same(f("pow", x, third), f("mul", x, f("mul", x, x)))


def test_wrong_identities_are_told_apart(field: ExactField) -> None:
    x, y = field.random((50,)), field.random((50,))
    zero = field.constant(np.zeros(50), "f32")
    assert not same(field.apply("maximum", "f32", x, zero), x)
    assert not same(field.apply("maximum", "f32", x, y), field.apply("minimum", "f32", x, y))
    assert not same(field.apply("exp", "f32", x), field.apply("exp", "f32", y))
    assert not same(field.apply("erf", "f32", x), field.apply("tanh", "f32", x))


def test_comparison_agrees_with_maximum(field: ExactField) -> None:
    x, y = field.random((50,)), field.random((50,))
    larger = field.select(field.compare("ogt", x, y), x, y)
    assert same(larger, field.apply("maximum", "f32", x, y))


def test_infinities_are_tags(field: ExactField) -> None:
    low, high, nan = (field.constant(np.asarray(c), "f32") for c in (-np.inf, np.inf, np.nan))
    assert (int(low[0]), int(high[0]), int(nan[0])) == (NEGATIVE, POSITIVE, UNORDERED)
    x = field.random(())
    assert same(field.apply("maximum", "f32", low, x), x) and same(field.apply("minimum", "f32", high, x), x)
    assert int(field.apply("exp", "f32", low)[0]) == 0
    assert same(field.apply("sub", "f32", x, high), low) and same(field.apply("sub", "f32", low, low), nan)
    assert same(field.apply("maximum", "f32", nan, x), nan) and same(field.apply("maxnum", "f32", nan, x), x)
    assert same(field.apply("mul", "f32", field.constant(np.asarray(-2.0), "f32"), high), low)


def test_reduction_is_order_free(field: ExactField) -> None:
    x = field.random((13, 4))
    start = field.constant(np.full(4, -np.inf), "f32")
    flipped = tuple(plane[::-1] for plane in x)
    for function in ("add", "mul", "maximum", "minimum"):
        init = field.random((4,)) if function in ("add", "mul") else start
        assert same(field.reduce(function, "f32", x, (0,), init), field.reduce(function, "f32", flipped, (0,), init))


def test_contraction_with_infinities_stays_exact(field: ExactField) -> None:
    a, b, c = field.random((1, 2, 3)), field.random((1, 3, 2)), field.random((1, 2, 2))
    tagged = tuple(np.where(np.arange(3) == 1, POSITIVE, plane) for plane in a)
    result = field.contract("f32", tagged, b, c)
    assert (result[0] < 0).all()
    slow = field._contract_with_tags("f32", a, b, c)
    assert same(slow, field.contract("f32", a, b, c))


def test_integers_enter_and_leave_exactly(field: ExactField) -> None:
    whole = np.array([-5, 0, 7, 123456], np.int32)
    assert np.array_equal(field.to_integer(field.from_integer((whole,), "f32"), "i32")[0], whole)


def test_seeds_give_different_unwritten_memory() -> None:
    a, b = ExactField(1).undefined((2,), "f32"), ExactField(2).undefined((2,), "f32")
    assert not same(a, b)


def test_simple_fractions_are_known_for_what_they_are(field: ExactField) -> None:
    numbers = np.array([0.5, -0.5, 1.5, 2.5, -2.5, 7 / 3, -7 / 3, 0.0, 6.0, 1000.25])
    value = field.constant(numbers, "f64")
    for function, wanted in (("floor", np.floor), ("ceil", np.ceil), ("trunc", np.trunc), ("roundeven", np.rint)):
        assert same(field.apply(function, "f32", value), field.constant(wanted(numbers), "f64")), function
    away = np.copysign(np.floor(np.abs(numbers) + 0.5), numbers)
    assert same(field.apply("round", "f32", value), field.constant(away, "f64"))
    assert np.array_equal(field.to_integer(value, "i64")[0], np.trunc(numbers).astype(np.int64))
    ordered = field.sort_order(value)
    assert np.array_equal(np.argsort(ordered), np.argsort(numbers))


def test_unknown_numbers_lie_on_both_sides_of_the_known_ones(field: ExactField) -> None:
    rank = field.sort_order(field.random((4000,)))
    zero = field.sort_order(field.constant(np.asarray(0.0), "f32"))
    share = float(np.mean(rank > zero))
    assert 0.45 < share < 0.55


@pytest.mark.parametrize("target", ["i16", "i32", "i64"])
def test_bits_are_integers_of_their_width(field: ExactField, target: str) -> None:
    source = {"i16": "f16", "i32": "f32", "i64": "f64"}[target]
    (bits,) = field.same_bits(field.random((50,)), source, target)
    assert str(bits.dtype) == target.replace("i", "int") and len(np.unique(bits)) > 40
    assert (bits >= 0).all()
