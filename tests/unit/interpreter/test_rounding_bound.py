"""The bound of every operation holds for float32 evaluation, in any order, and is not absurdly loose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stratagem.compiler.interpreter.domains import Float64, NativeFloat, RoundingBound
from stratagem.compiler.interpreter.domains.functions import FUNCTIONS, ULPS, erf
from stratagem.compiler.interpreter.domains.propagation import PROPAGATED

Array = np.ndarray[Any, Any]
BINARY = (
    "add",
    "sub",
    "mul",
    "div",
    "rem",
    "maximum",
    "minimum",
    "maxnum",
    "minnum",
    "copysign",
    "pow",
    "atan2",
)
POSITIVE = ("log", "log2", "log10", "sqrt", "rsqrt", "pow")


def arguments(function: str, rng: np.random.Generator) -> list[Array]:
    count = 3 if function == "fma" else 2 if function in BINARY else 1
    draws = [rng.standard_normal(2000) * 10.0 ** rng.integers(-3, 1) for _ in range(count)]
    if function in POSITIVE:
        draws = [np.abs(x) + 0.05 for x in draws]
    if function in ("asin", "acos", "atanh"):
        draws = [np.tanh(x) * 0.9 for x in draws]
    if function == "acosh":
        draws = [1.2 + np.abs(x) for x in draws]
    return [x.astype(np.float32) for x in draws]


def test_every_function_has_a_propagation_rule() -> None:
    assert set(PROPAGATED) == set(FUNCTIONS)
    assert set(ULPS) <= set(FUNCTIONS)


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_bound_holds_for_perturbed_operands(function: str) -> None:
    """Operands anywhere within their bounds, result rounded to float32: never outside the bound."""
    rng = np.random.default_rng(sum(map(ord, function)))
    domain = RoundingBound()
    for spread in (0.0, 1e-7, 1e-3):
        values = [x.astype(np.float64) for x in arguments(function, rng)]
        bounds = [np.abs(x) * spread for x in values]
        with np.errstate(all="ignore"):
            v, e = domain.apply(function, "f32", *zip(values, bounds, strict=True))
            for _ in range(5):
                moved = [x + rng.uniform(-1, 1, x.shape) * b for x, b in zip(values, bounds, strict=True)]
                computed = FUNCTIONS[function](*moved)
                if function in ULPS:  # the others return an operand, or a whole number
                    computed = computed.astype(np.float32).astype(np.float64)
                inside = (np.abs(computed - v) <= e) | np.isinf(e)
                assert inside.all(), (function, spread, np.argwhere(~inside)[0])


@pytest.mark.parametrize("function", sorted(set(FUNCTIONS) - {"rem", "tan", "atan2", "floor", "ceil", "trunc"}))
def test_bound_of_exact_operands_is_a_few_ulps(function: str) -> None:
    values = [x.astype(np.float64) for x in arguments(function, np.random.default_rng(1))]
    with np.errstate(all="ignore"):
        v, e = RoundingBound().apply(function, "f32", *[(x, np.zeros(x.shape)) for x in values])
    size = np.abs(v) + (np.abs(values[0] * values[1]) if function == "fma" else 0.0)  # the product may be rounded
    assert (e <= (2 * ULPS.get(function, 0.0) + 1) * 2.0**-24 * size + 1e-30).all()


def test_a_fused_sum_may_be_a_product_and_a_sum() -> None:
    x, y = (a.astype(np.float32) for a in np.random.default_rng(3).uniform(1, 2, (2, 500)))
    z = -(x.astype(np.float64) * y).astype(np.float32)  # nearly all of the sum cancels
    values = [(a.astype(np.float64), np.zeros(a.shape)) for a in (x, y, z)]
    for computed in ((x * y) + z, (x.astype(np.float64) * y + z).astype(np.float32)):
        v, e = RoundingBound().apply("fma", "f32", *values)
        assert (np.abs(computed - v) <= e).all()
    _, fused = RoundingBound(correctly_rounded=("fma",)).apply("fma", "f32", *values)
    assert (fused < e).all()


@pytest.mark.parametrize("element", ["f64", "f32", "f16", "bf16"])
@pytest.mark.parametrize("function", ["add", "mul", "maximum", "minimum", "maxnum", "minnum"])
def test_reductions_hold_in_any_order(element: str, function: str) -> None:
    rng = np.random.default_rng(3)
    terms = rng.uniform(0.6, 1.4, (29, 5)) if function == "mul" else rng.standard_normal((29, 5))
    native = NativeFloat()
    terms = native.lift(terms, element)[0]
    start = 1.0 if function == "mul" else {"add": 0.0, "max": -np.inf, "min": np.inf}[function[:3]]
    init = np.full(5, start)
    v, e = RoundingBound().reduce(function, element, (terms, np.zeros(terms.shape)), (0,), (init, np.zeros(5)))
    for _ in range(10):
        total: tuple[Array, ...] = (init,)
        for row in rng.permutation(terms):
            total = native.apply(function, element, total, (row,))
        assert (np.abs(total[0] - v) <= e).all()
    assert (e < 0.5 * np.abs(v).max() + (np.inf if element == "bf16" else 0.0)).all()


@pytest.mark.parametrize("element", ["f32", "f16", "bf16"])
def test_contraction_holds(element: str) -> None:
    rng = np.random.default_rng(5)
    native, domain = NativeFloat(), RoundingBound()
    a, b, c = (native.lift(rng.standard_normal(s), element) for s in ((2, 3, 17), (2, 17, 4), (2, 3, 4)))
    v, e = domain.contract(element, *(domain.lift(x[0], element) for x in (a, b, c)))
    (computed,) = native.contract(element, a, b, c)
    assert (np.abs(computed - v) <= e).all()
    eb = np.abs(b[0]) * 1e-3
    moved, em = domain.contract(element, domain.lift(a[0], element), (b[0], eb), domain.lift(c[0], element))
    np.testing.assert_array_equal(moved, v)
    (other,) = native.contract(element, a, (b[0] + eb,), c)
    assert (np.abs(other - v) <= em).all() and (em > e).all()


def test_overflow_makes_the_bound_infinite_and_exact_infinity_stays_exact() -> None:
    domain = RoundingBound()
    big = domain.lift(np.array([3e38, 1.0, -np.inf]), "f32")
    with np.errstate(over="ignore"):
        v, e = domain.apply("add", "f32", big, big)
    assert np.isinf(e[0]) and e[1] < 1e-6 and e[2] == 0.0 and v[2] == -np.inf
    with np.errstate(over="ignore"):
        v, e = domain.apply("exp", "f32", big)
    assert v[2] == 0.0 and e[2] == 0.0


def test_comparison_within_the_bounds_is_in_doubt() -> None:
    domain = RoundingBound()
    x = (np.array([1.0, 1.0, 2.0]), np.array([0.1, 0.0, 0.1]))
    y = (np.array([1.05, 1.0, 1.0]), np.zeros(3))
    compared = domain.compare("olt", x, y)
    np.testing.assert_array_equal(compared[0], [True, False, False])
    np.testing.assert_array_equal(compared[1], [True, False, False])
    v, e = domain.select(compared, (np.full(3, 5.0), np.zeros(3)), (np.full(3, 7.0), np.zeros(3)))
    np.testing.assert_array_equal(v, [5.0, 7.0, 7.0])
    np.testing.assert_array_equal(e, [2.0, 0.0, 0.0])


def test_float_to_integer_near_a_step_is_in_doubt() -> None:
    whole = RoundingBound().to_integer((np.array([1.5, 2.0, -0.4]), np.array([0.1, 0.1, 0.1])), "i32")
    np.testing.assert_array_equal(whole[0], [1, 2, 0])
    np.testing.assert_array_equal(whole[1], [False, True, False])


def test_unwritten_memory_has_an_infinite_bound() -> None:
    domain = RoundingBound()
    value = domain.undefined((2, 3), "f32")
    assert np.isinf(value[1]).all() and domain.undefined_elements(value) is not None
    carried = domain.apply("mul", "f32", value, domain.lift(np.full((2, 3), 2.0), "f32"))
    assert domain.undefined_elements(carried) is not None
    assert Float64().undefined_elements((np.array([np.nan]),)) is None


def test_erf_agrees_with_the_standard_library() -> None:
    import math

    x = np.concatenate([np.linspace(-7, 7, 5001), [0.0, -0.0, np.inf, -np.inf, 1e-300]])
    wanted = np.array([math.erf(t) for t in x])
    np.testing.assert_allclose(erf(x), wanted, rtol=1e-15, atol=0)
    assert np.isnan(erf(np.array([np.nan])))[0]


def test_representable_results_of_correctly_rounded_operations_are_exact() -> None:
    x = (np.array([1.5, 0.1, 6.0]), np.zeros(3))
    y = (np.array([2.0, 0.1, 3.0]), np.zeros(3))
    v, e = RoundingBound().apply("mul", "f32", x, y)
    np.testing.assert_array_equal(e == 0.0, [True, False, True])
    assert (RoundingBound().apply("div", "f32", x, y)[1] > 0).all()
    v, e = RoundingBound(correctly_rounded=("div",)).apply("div", "f32", x, y)
    np.testing.assert_array_equal(e == 0.0, [True, True, True])
    assert v[2] == 2.0


@pytest.mark.parametrize(
    ("number", "certain"), [(2.7, True), (-128.9, True), (128.0, False), (np.nan, False), (-1e9, False)]
)
def test_integers_of_numbers_beyond_their_range_are_in_doubt(number: float, certain: bool) -> None:
    domain = RoundingBound()
    value = domain.to_integer(domain.lift(np.asarray(number), "f32"), "i8")
    assert (len(value) == 1) is certain


@pytest.mark.parametrize(("number", "finite"), [(2048, True), (60000, True), (70000, False), (-(2**40), False)])
def test_an_integer_above_every_f16_has_no_bound(number: int, finite: bool) -> None:
    value, bound = RoundingBound().from_integer((np.array([number]),), "f16")
    assert value[0] == number and bool(np.isfinite(bound[0])) == finite
