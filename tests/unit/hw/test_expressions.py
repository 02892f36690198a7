"""Tensor expressions: reading, what a compiler asks of them, their numpy meaning, and every refusal."""

from __future__ import annotations

import numpy as np
import pytest

from stratagem.hwmodels.expressions import EvaluationError, ExpressionError, parse_expression
from stratagem.hwmodels.functions import builtin_functions


def test_convolution_is_understood() -> None:
    conv = parse_expression("O[n,p,q,f] += I[n,p*s+r,q*s+t,c] * W[r,t,c,f]")
    assert conv.parallel_dims == ("n", "p", "q", "f")
    assert conv.reduction_dims == ("r", "t", "c")
    assert conv.iterator_types == ("parallel",) * 4 + ("reduction",) * 3
    assert conv.symbols == ("s",)
    assert conv.inputs == ("I", "W")
    assert conv.operations_per_point == 2
    assert conv.is_multiply_add
    assert str(conv) == "O[n, p, q, f] += I[n, p*s+r, q*s+t, c] * W[r, t, c, f]"


@pytest.mark.parametrize(
    ("text", "operations", "fused"),
    [
        ("Y[i] = max(X[i], 0)", 1, False),
        ("Y[i] = A[i] * B[i] + C[i]", 2, True),
        ("Y[i] = C[i] + A[i] * B[i]", 2, True),
        ("S += X[k]", 1, False),
        ("Y[j,i] = X[i,j]", 0, False),
        ("Y[i] = -(A[i] - 1) / 2", 3, False),
    ],
)
def test_operations_per_point(text: str, operations: int, fused: bool) -> None:
    expression = parse_expression(text)
    assert (expression.operations_per_point, expression.is_multiply_add) == (operations, fused)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("Y[i]=A[i]-(B[i]-C[i])", "Y[i] = A[i] - (B[i] - C[i])"),
        ("Y[i]=A[i]-B[i]-C[i]", "Y[i] = A[i] - B[i] - C[i]"),
        ("Y[i] = (A[i]+B[i])*2.50", "Y[i] = (A[i] + B[i]) * 2.5"),
        ("Y[i] = (A[i] < 1) * B[i]", "Y[i] = (A[i] < 1) * B[i]"),
        ("Y[i] = (A[i]==B[i])+(A[i]!=2)", "Y[i] = (A[i] == B[i]) + (A[i] != 2)"),
        ("Y[i] = -(A[i] * 2)", "Y[i] = -(A[i] * 2)"),
        ("Y[i] = X[2*i+1]", "Y[i] = X[2*i+1]"),
        ("Y[i] = X[-i+n*s]", "Y[i] = X[-i+n*s]"),
        ("Y[i,j] = X[I[i],j]", "Y[i, j] = X[I[i], j]"),
        ("S += +X[k]", "S += X[k]"),
    ],
)
def test_canonical_text(text: str, canonical: str) -> None:
    expression = parse_expression(text)
    assert str(expression) == canonical
    assert parse_expression(canonical) == expression


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("C[m,n] += A[m,k] *", "ends too early"),
        ("", "ends too early"),
        ("Y[i] = X[i] X[i]", "column 13: 'X[i]' is out of place"),
        ("Y[i] = mx(X[i], 0)", "unknown scalar function 'mx'; did you mean 'max'?"),
        ("Y[i] = zzzz(X[i])", "known: abs"),
        ("Y[i] = max(X[i])", "max takes 2 arguments, not 1"),
        ("Y[i] = exp(X[i], X[i])", "exp takes 1 argument, not 2"),
        ("Y[i] = X[i,j]", "'=' cannot reduce over j"),
        ("Y[i,j] = X[i*j+i+j]", "not affine: it multiplies two dimensions"),
        ("Y[i+1] = X[i]", "the output index i+1 must be one plain dimension"),
        ("Y[i,i] = X[i]", "repeats the dimension i"),
        ("Y[i] = Y[i] + 1", "is the output and must not be read"),
        ("Y[i,j] = X[i]", "no input has the dimension j"),
        ("Y[i,j] += X[i] * X[i,j]", "X is read with 1 and with 2 indices"),
        ("Y[i] = X[9999999999*i]", "is above 2^31"),
        ("Y[i] = " + "(" * 30 + "X[i]" + ")" * 30, "brackets nested 31 deep; at most 24"),
        ("Y[i] = " + "+".join(["X[i]"] * 200), "characters; at most 500"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    assert message in str(caught.value)


RANDOM = np.random.default_rng(7)


@pytest.mark.parametrize(("m", "n", "k"), [(1, 1, 1), (3, 5, 7), (4, 1, 13)])
def test_matmul_means_matmul(m: int, n: int, k: int) -> None:
    a, b = RANDOM.standard_normal((m, k)), RANDOM.standard_normal((k, n))
    found = builtin_functions()["matmul"].expression.evaluate({"A": a, "B": b})
    np.testing.assert_allclose(found, a @ b, rtol=1e-12)
    again = builtin_functions()["matmul"].expression.evaluate({"A": a, "B": b}, initial=np.ones((m, n)))
    np.testing.assert_allclose(again, a @ b + 1, rtol=1e-12)


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (3, 2)])
def test_convolution_means_convolution(stride: int, dilation: int) -> None:
    image, weights = RANDOM.standard_normal((2, 11, 3)), RANDOM.standard_normal((3, 3, 4))
    expression = builtin_functions()["conv_1d"].expression
    found = expression.evaluate({"I": image, "W": weights}, symbols={"s": stride, "d": dilation})
    places = (11 - 2 * dilation - 1) // stride + 1
    expected = np.zeros((2, places, 4))
    for p in range(places):
        for r in range(3):
            expected[:, p] += image[:, p * stride + r * dilation] @ weights[r]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_pooling_gets_its_window_from_the_caller() -> None:
    image = RANDOM.standard_normal((1, 5, 7, 2))
    expression = builtin_functions()["max_pool_2d"].expression
    sizes = {"r": 2, "u": 3, "p": 2, "q": 2}
    found = expression.evaluate({"I": image}, symbols={"s": 2, "t": 2}, sizes=sizes)
    expected = [[image[0, 2 * p : 2 * p + 2, 2 * q : 2 * q + 3].max(axis=(0, 1)) for q in (0, 1)] for p in (0, 1)]
    np.testing.assert_array_equal(found[0], expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("exp", np.exp),
        ("log", np.log),
        ("tanh", np.tanh),
        ("sqrt", np.sqrt),
        ("neg", np.negative),
        ("abs", np.abs),
        ("floor", np.floor),
        ("ceil", np.ceil),
        ("round", np.rint),
        ("sin", np.sin),
        ("cos", np.cos),
        ("copy", np.array),
        ("cast", np.array),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
        ("rsqrt", lambda x: 1 / np.sqrt(x)),
    ],
)
def test_unary_functions(name: str, expected: np.ufunc) -> None:
    x = RANDOM.uniform(0.1, 3, 17)
    found = builtin_functions()[name].expression.evaluate({"X": x})
    np.testing.assert_allclose(found, expected(x), rtol=1e-12)


def test_erf_against_known_values() -> None:
    found = builtin_functions()["erf"].expression.evaluate({"X": np.array([0.0, 1.0, -2.0])})
    np.testing.assert_allclose(found, [0, 0.8427007929497149, -0.9953222650189527], rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("add", np.add),
        ("sub", np.subtract),
        ("mul", np.multiply),
        ("div", np.divide),
        ("max", np.maximum),
        ("min", np.minimum),
        ("compare", np.less),
        ("pow", np.power),
    ],
)
def test_binary_functions(name: str, expected: np.ufunc) -> None:
    a, b = RANDOM.uniform(0.5, 2, 13), RANDOM.uniform(0.5, 2, 13)
    found = builtin_functions()[name].expression.evaluate({"A": a, "B": b})
    np.testing.assert_allclose(found, expected(a, b), rtol=1e-12)


def test_select_gather_transpose_and_reductions() -> None:
    functions = builtin_functions()
    x = RANDOM.standard_normal((4, 3))
    condition = np.array([1, 0, 1])
    chosen = functions["select"].expression.evaluate({"C": condition, "A": x[0], "B": x[1]})
    np.testing.assert_array_equal(chosen, np.where(condition, x[0], x[1]))
    rows = functions["gather"].expression.evaluate({"X": x, "I": np.array([3, 0, 3])})
    np.testing.assert_array_equal(rows, x[[3, 0, 3]])
    np.testing.assert_array_equal(functions["transpose"].expression.evaluate({"X": x}), x.T)
    for name, expected in (
        ("reduce_sum", np.sum),
        ("reduce_max", np.max),
        ("reduce_min", np.min),
        ("reduce_mul", np.prod),
    ):
        found = functions[name].expression.evaluate({"X": x})
        np.testing.assert_allclose(found, expected(x, axis=1), rtol=1e-12)


def test_reductions_over_nothing() -> None:
    empty = np.zeros((2, 0))
    functions = builtin_functions()
    np.testing.assert_array_equal(functions["reduce_sum"].expression.evaluate({"X": empty}), [0, 0])
    given = functions["reduce_max"].expression.evaluate({"X": empty}, initial=np.array([5.0, 6.0]))
    np.testing.assert_array_equal(given, [5, 6])
    with pytest.raises(EvaluationError, match="reduces over nothing"):
        functions["reduce_max"].expression.evaluate({"X": empty})


@pytest.mark.parametrize(
    ("text", "arrays", "message"),
    [
        ("Y[i] = X[i] + Z[i]", {"X": np.ones(3)}, "no array for the input Z"),
        ("Y[i] = X[i]", {"X": np.ones((3, 3))}, "X has 2 dimensions"),
        ("Y[i] = X[i] + Z[i]", {"X": np.ones(3), "Z": np.ones(4)}, "i is 3 elsewhere but 4"),
        ("Y[i] += X[i*s+r]", {"X": np.ones(3)}, "no value for the parameter s"),
        ("Y[p] += X[p+r]", {"X": np.ones(3)}, "the size of p is unknown"),
        ("Y[i,j] = X[I[i],j]", {"X": np.ones((3, 2)), "I": np.array([0, 3])}, "which has 3 elements"),
        ("Y[i,j,k] = A[i] * B[j] * C[k]", {n: np.ones(1000) for n in "ABC"}, "at most"),
    ],
)
def test_arrays_that_do_not_fit(text: str, arrays: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        parse_expression(text).evaluate(arrays)
    assert message in str(caught.value)


def test_builtin_categories_follow_from_the_expressions() -> None:
    for function in builtin_functions().values():
        expression = function.expression
        assert function.is_multiply_add == expression.is_multiply_add, function.name
        assert function.is_move == (expression.operations_per_point == 0), function.name
        assert parse_expression(str(expression)) == expression
