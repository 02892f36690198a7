"""Symbolic reals: which programs have one normal form, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stratagem.compiler.interpreter.domains import symbolic
from stratagem.compiler.interpreter.domains.expressions import Expression, infinity
from stratagem.compiler.interpreter.domains.symbolic import SymbolicReals
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.values import Value
from stratagem.compiler.ir import parse_module
from stratagem.runtime.errors import UnsupportedError
from tests.unit.interpreter import programs

Form = Callable[..., Value]
Shapes = dict[str, tuple[int, ...]]


def f(name: str, *operands: Value) -> Value:
    return SymbolicReals().apply(name, "f32", *operands)


def number(value: float) -> Value:
    return SymbolicReals().constant(np.asarray(value), "f32")


@pytest.fixture
def xyz() -> list[Value]:
    return [SymbolicReals.symbols(name, ()) for name in "xyz"]


EQUAL: list[tuple[Form, Form]] = [
    (lambda x, y, z: f("add", x, y), lambda x, y, z: f("add", y, x)),
    (lambda x, y, z: f("mul", f("add", x, y), z), lambda x, y, z: f("add", f("mul", x, z), f("mul", y, z))),
    (lambda x, y, z: f("exp", f("add", x, y)), lambda x, y, z: f("mul", f("exp", x), f("exp", y))),
    (lambda x, y, z: f("div", f("exp", x), f("exp", y)), lambda x, y, z: f("exp", f("sub", x, y))),
    (lambda x, y, z: f("maximum", f("maximum", x, y), z), lambda x, y, z: f("maximum", x, f("maximum", z, y))),
    (lambda x, y, z: f("maximum", x, number(-np.inf)), lambda x, y, z: x),
    (lambda x, y, z: f("div", x, f("add", y, y)), lambda x, y, z: f("mul", f("div", x, y), number(0.5))),
    (lambda x, y, z: f("exp", f("sub", number(-np.inf), x)), lambda x, y, z: number(0.0)),
    (lambda x, y, z: f("fma", x, y, z), lambda x, y, z: f("add", z, f("mul", y, x))),
    (
        lambda x, y, z: f("mul", f("rsqrt", x), f("rsqrt", x)),
        lambda x, y, z: f("div", number(1.0), f("mul", f("sqrt", x), f("sqrt", x))),
    ),
]
DIFFERENT: list[tuple[Form, Form]] = [
    (lambda x, y, z: f("sub", x, y), lambda x, y, z: f("sub", y, x)),
    (lambda x, y, z: f("exp", f("mul", x, y)), lambda x, y, z: f("mul", f("exp", x), f("exp", y))),
    (lambda x, y, z: f("maximum", x, y), lambda x, y, z: f("minimum", x, y)),
    (lambda x, y, z: f("maximum", x, number(0.0)), lambda x, y, z: x),
    (lambda x, y, z: f("tanh", x), lambda x, y, z: f("erf", x)),
    (lambda x, y, z: f("div", x, f("add", y, z)), lambda x, y, z: f("div", x, f("sub", y, z))),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_equal_expressions_have_one_form(one: Form, other: Form, xyz: list[Value]) -> None:
    assert one(*xyz)[0][()] == other(*xyz)[0][()]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_expressions_differ(one: Form, other: Form, xyz: list[Value]) -> None:
    assert one(*xyz)[0][()] != other(*xyz)[0][()]


def run(text: str, shapes: Shapes) -> Any:
    domain = SymbolicReals()
    return Machine(parse_module(text), domain).call("main", [domain.symbols(n, s) for n, s in shapes.items()])[0][0]


PAIRS: list[tuple[str, str, Shapes]] = [
    (programs.MATMUL_GELU_TENSOR, programs.MATMUL_GELU_DEVICE, {"a": (11, 19), "w": (19, 23), "b": (23,)}),
    (programs.SOFTMAX_TENSOR, programs.SOFTMAX_DEVICE, {"x": (7, 37)}),
    (programs.REDUCTION_TENSOR, programs.REDUCTION_DEVICE, {"x": (53,)}),
]


@pytest.mark.parametrize(("plain", "tiled", "shapes"), PAIRS)
def test_tiled_kernels_are_proved(plain: str, tiled: str, shapes: Shapes) -> None:
    assert np.all(run(plain, shapes) == run(tiled, shapes))


def test_a_wrong_kernel_is_not_proved() -> None:
    plain, tiled, shapes = PAIRS[0]
    assert not np.all(run(plain, shapes) == run(tiled.replace("arith.addf", "arith.subf"), shapes))


COMPARED = """
func.func @main(%x: tensor<2xf32> {model.input = "x"}) -> (tensor<2xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2xf32>
  %y = linalg.map ins(%x : tensor<2xf32>) outs(%e : tensor<2xf32>) (%a: f32, %o: f32) {
    %p = arith.cmpf ogt, %a, %zero : f32
    %s = arith.select %p, %a, %zero : f32
    linalg.yield %s : f32
  }
  return %y : tensor<2xf32>
}
"""


def test_comparisons_select() -> None:
    assert np.all(run(COMPARED, {"x": (2,)}) == run(COMPARED, {"x": (2,)}))
    assert not np.all(run(COMPARED, {"x": (2,)}) == run(COMPARED.replace("ogt", "olt"), {"x": (2,)}))


def test_comparisons_decide_nothing_else() -> None:
    counted = COMPARED.replace("%s = arith.select %p, %a, %zero : f32", "%s = arith.uitofp %p : i1 to f32")
    with pytest.raises(UnsupportedError, match="comparison of symbols"):
        run(counted, {"x": (2,)})


def test_large_programs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnsupportedError, match="'x' has 5000 elements"):
        SymbolicReals.symbols("x", (5000,))
    monkeypatch.setattr(symbolic, "MOST_OPERATIONS", 100)
    with pytest.raises(UnsupportedError, match="more than 100 operations on symbols"):
        run(programs.SOFTMAX_TENSOR, {"x": (7, 37)})


def test_infinity_swallows_symbols_and_is_no_number() -> None:
    x, up, down = Expression.atom("input", "x", ()), infinity(1), infinity(-1)
    assert up + x == up and down - x == down and up.constant is None
    assert up - up == Expression.atom("nan") and up * Expression.number(-2) == down
    assert up * x not in (up, down)
