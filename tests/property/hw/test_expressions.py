"""Laws: tensor expressions read back from their own text, and mean what numpy's einsum means."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stratagem.hwmodels.expressions import (
    Access,
    Binary,
    Call,
    Constant,
    Expression,
    ExpressionError,
    Index,
    IndexTerm,
    Negate,
    TensorExpression,
    parse_expression,
)
from stratagem.hwmodels.expressions.calls import ARITY

DIMS = ("i", "j", "k")


@st.composite
def indices(draw: st.DrawFn) -> Index:
    """A plain or affine index in the dimensions, with a stride parameter now and then."""
    dim = draw(st.sampled_from(DIMS))
    terms = [IndexTerm(draw(st.sampled_from([1, 1, 2])), draw(st.sampled_from([(), (), ("s",)])), dim)]
    if draw(st.booleans()):
        terms.append(IndexTerm(draw(st.integers(-3, 3).filter(bool))))
    return Index(tuple(terms))


plain_x = Access("X", tuple(Index((IndexTerm(1, (), dim),)) for dim in DIMS))
leaves = st.one_of(
    st.builds(Constant, st.sampled_from([0.0, 1.0, 2.5, 1e-7, 3e20])),
    st.builds(lambda index: Access("Z", (index,)), indices()),
    st.just(plain_x),
    st.just(Access("alpha")),
)


def grown(children: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    """Operations on smaller expressions."""
    operators = st.sampled_from(["+", "-", "*", "/", "<", "<=", "==", "!="])
    calls = st.sampled_from(sorted(ARITY)).flatmap(
        lambda name: st.builds(lambda *arguments: Call(name, arguments), *[children] * ARITY[name])
    )
    return st.one_of(st.builds(Negate, children), st.builds(Binary, operators, children, children), calls)


values = st.recursive(leaves, grown, max_leaves=8)


@given(values)
def test_text_reads_back(value: Expression) -> None:
    output = Access("OUT", plain_x.indices)
    # The three dimensions occur plainly, so that every name keeps its part.
    statement = TensorExpression(output, "assign", Binary("+", plain_x, value))
    text = str(statement)
    if len(text) > 400 or text.count("(") > 20:
        return
    again = parse_expression(text)
    assert again == statement
    assert str(again) == text


@given(st.text(alphabet="YXi[]=+*-/()<,0123. maxexp", max_size=40))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        expression = parse_expression(text)
    except ExpressionError:
        return
    assert parse_expression(str(expression)) == expression


@st.composite
def contractions(draw: st.DrawFn) -> tuple[str, str, dict[str, Any]]:
    """An einsum of two tensors as an expression, as an einsum string, and arrays of odd sizes for it."""
    sizes = {dim: draw(st.sampled_from([1, 2, 3, 5, 7])) for dim in "abcd"}
    left = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True))
    right = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True))
    there = sorted({*left, *right})
    out = draw(st.lists(st.sampled_from(there), max_size=len(there), unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    arrays = {
        "A": rng.integers(-9, 10, [sizes[dim] for dim in left]),
        "B": rng.integers(-9, 10, [sizes[dim] for dim in right]),
    }
    target = f"OUT[{','.join(out)}]" if out else "OUT"
    text = f"{target} += A[{','.join(left)}] * B[{','.join(right)}]"
    return text, f"{''.join(left)},{''.join(right)}->{''.join(out)}", arrays


@settings(max_examples=200)
@given(contractions())
def test_contractions_mean_what_einsum_means(case: tuple[str, str, dict[str, Any]]) -> None:
    text, subscripts, arrays = case
    found = parse_expression(text).evaluate(arrays)
    np.testing.assert_array_equal(found, np.einsum(subscripts, arrays["A"], arrays["B"]))


@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_windows_stay_inside(places: int, window: int, stride: int, dilation: int) -> None:
    """With every size inferred, the last window ends at or before the end, and one more would not fit."""
    length = (places - 1) * stride + (window - 1) * dilation + 1
    image, weights = np.arange(length), np.ones(window, dtype=int)
    conv = parse_expression("O[p] += I[p*s+r*d] * W[r]")
    for extra in range(stride):
        found = conv.evaluate(
            {"I": np.append(image, np.zeros(extra, dtype=int)), "W": weights},
            symbols={"s": stride, "d": dilation},
        )
        assert found.shape == (places,)
        expected = [sum(p * stride + r * dilation for r in range(window)) for p in range(places)]
        np.testing.assert_array_equal(found, expected)
