"""If nodes whose branches have no common type: the branch that the rest of the model fits, under an assertion."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import stratagem as sg
from stratagem.compiler.frontends.onnx import load_onnx
from stratagem.compiler.interpreter.api import emulate
from stratagem.compiler.ir import walk
from stratagem.runtime.bindings import ExecutionError
from stratagem.runtime.errors import UnsupportedError, VerificationError
from tests.run.onnx.harness import check, floats, model_of

SIZE_IS_ONE = "s = Shape<start=1, end=2>(x)  c = Equal(s, one)"
SQUEEZE = """
  y = If(c) <then_branch = t () => (float[] a) { a = Squeeze(x, one) },
             else_branch = e () => (float[] b) { b = Identity(x) }>"""
CONSTANTS = """int64[1] one = {1}, int64[1] two = {2}, float[3,2] w = {1, 2, 3, 4, 5, 6},
  float[2,5,1] k = {1, 2, 3, 4, 5, 6, 7, 8, 9, 0}"""


def squeezed(rest: str, result: str = "float[] z", condition: str = SIZE_IS_ONE, given: str = "") -> Any:
    """x[N, M, 3], squeezed where M is 1, then `rest`."""
    return model_of(f"g (float[N,M,3] x{given}) => ({result}) <{CONSTANTS}> {{ {condition} {SQUEEZE} {rest} }}")


def assertions(program: Any) -> list[str]:
    """The texts of the program's assertions that speak of an If."""
    found = [str(op.attributes["msg"]) for op in walk(program.module.operation) if op.name == "cf.assert"]
    return [text for text in found if "this program was compiled for inputs with which" in text]


def test_the_squeezed_branch_is_taken_where_only_it_fits() -> None:
    program = check(squeezed("z = Gemm(y, w)"), {"x": floats(5, 1, 3)})
    assert "scf.if" not in {op.name for op in walk(program.module.operation)}
    (text,) = assertions(program)
    assert "dimension 1 of 'x' is 1" in text
    with pytest.raises(VerificationError, match="dimension 1 of 'x' is 1"):
        emulate(program, {"x": floats(5, 2, 3)})


@pytest.mark.parametrize("size", [2, 5])
def test_the_other_branch_is_taken_where_only_it_fits(size: int) -> None:
    model = squeezed("z = Conv(y, k)")
    if size == 5:
        program = check(model, {"x": floats(7, 5, 3)})
    else:
        program = load_onnx(model, isolate=False)
    with pytest.raises(VerificationError, match="dimension 1 of 'x' is not 1"):
        emulate(program, {"x": floats(7, 1, 3)})


def test_a_negated_condition_says_the_opposite() -> None:
    condition = "s = Shape<start=1, end=2>(x)  d = Equal(s, two)  c = Not(d)"
    program = load_onnx(squeezed("z = Gemm(y, w)", condition=condition), isolate=False)
    assert "dimension 1 of 'x' is not 2" in assertions(program)[0]
    with pytest.raises(VerificationError, match="dimension 1 of 'x' is not 2"):
        emulate(program, {"x": floats(5, 2, 3)})
    with pytest.raises(VerificationError, match=r"Squeeze.*removes dimension 1 of 'x': its size must be 1"):
        emulate(program, {"x": floats(5, 4, 3)})


def test_code_stops_with_the_assertions_message() -> None:
    executable = sg.compile(squeezed("z = Gemm(y, w)"), target="cpu")
    x = floats(5, 1, 3)
    np.testing.assert_allclose(executable(x), x[:, 0] @ np.arange(1, 7, dtype=np.float32).reshape(3, 2), rtol=1e-5)
    with pytest.raises(ExecutionError, match="compiled for inputs with which dimension 1 of 'x' is 1"):
        executable(floats(5, 3, 3))


def test_nested_conditions_are_settled_together() -> None:
    model = model_of(f"""
g (float[N,M,K,3] x) => (float[] z) <{CONSTANTS}> {{
  s = Shape<start=1, end=2>(x)  c = Equal(s, one)
  y = If(c) <then_branch = t () => (float[] a) {{ a = Squeeze(x, one) }},
             else_branch = e () => (float[] b) {{ b = Identity(x) }}>
  r = Shape<start=-2, end=-1>(y)  d = Equal(r, one)
  v = If(d) <then_branch = t () => (float[] a) {{ a = Squeeze(y, one) }},
             else_branch = e () => (float[] b) {{ b = Identity(y) }}>
  z = Gemm(v, w)
}}""")
    program = check(model, {"x": floats(5, 1, 1, 3)})
    assert len(assertions(program)) == 2
    for shape in ((5, 2, 1, 3), (5, 1, 2, 3)):
        with pytest.raises(VerificationError, match="this program was compiled for"):
            emulate(program, {"x": floats(*shape)})


@pytest.mark.parametrize(("reader", "is_one"), [("Gemm(y, w)", True), ("Conv(y, k)", False)])
def test_what_one_condition_says_settles_another(reader: str, is_one: bool) -> None:
    second = f"""
  h = Relu(x)  r = Shape(h)  i = Gather(r, one)  d = Equal(i, one)
  v = If(d) <then_branch = t () => (float[] a) {{ a = Squeeze(h, one) }},
             else_branch = e () => (float[] b) {{ b = Identity(h) }}>
  u = Neg(v)  z = {reader}"""
    program = check(squeezed(second, "float[] z, float[] u"), {"x": floats(5, 1 if is_one else 5, 3)})
    assert len(assertions(program)) == 2


def test_the_rank_that_the_model_states_settles_a_condition() -> None:
    program = check(squeezed("z = Relu(y)", "float[A,B] z"), {"x": floats(5, 1, 3)})
    assert len(assertions(program)) == 1


def test_the_rank_that_the_model_states_inside_settles_a_condition() -> None:
    model = squeezed("z = Relu(y)")
    stated = model_of("g (float[A,B,C] y) => (float[A,B,C] z) { z = Relu(y) }")
    model.graph.value_info.append(stated.graph.input[0])
    assert "dimension 1 of 'x' is not 1" in assertions(check(model, {"x": floats(5, 4, 3)}))[0]


def test_a_condition_on_data_is_asserted_too() -> None:
    model = squeezed("z = Gemm(y, w)", condition="", given=", bool c")
    program = check(model, {"x": floats(5, 1, 3), "c": np.array(True)})
    assert "its condition 'c' is true" in assertions(program)[0]
    with pytest.raises(VerificationError, match="its condition 'c' is true"):
        emulate(program, {"x": floats(5, 1, 3), "c": np.array(False)})


def test_branches_of_different_element_type() -> None:
    model = model_of("""
g (float[N,3] x) => (float[] z) <int64[1] one = {1}> {
  s = Shape<start=0, end=1>(x)  c = Equal(s, one)
  y = If(c) <then_branch = t () => (int64[] a) { a = Cast<to=7>(x) },
             else_branch = e () => (float[] b) { b = Identity(x) }>
  z = Sigmoid(y)
}""")
    program = load_onnx(model, isolate=False)
    assert "dimension 0 of 'x' is not 1" in assertions(program)[0]
    x = floats(5, 3)
    np.testing.assert_allclose(emulate(program, {"x": x})[0], 1 / (1 + np.exp(-x)), rtol=1e-5)


def test_a_condition_in_the_body_of_a_loop() -> None:
    model = model_of(f"""
g (float[N,M,3] x, float[N,2] h, int64 n) => (float[N,2] y) <{CONSTANTS}, bool go = {{1}}> {{
  y = Loop(n, go, h) <body = b (int64 i, bool p, float[N,2] g) => (bool q, float[N,2] f) {{
    q = Identity(p)  s = Shape<start=1, end=2>(x)  c = Equal(s, one)
    v = If(c) <then_branch = t () => (float[] a) {{ a = Squeeze(x, one) }},
               else_branch = e () => (float[] d) {{ d = Identity(x) }}>
    u = Gemm(v, w)  f = Add(u, g) }}>
}}""")
    inputs = {"x": floats(5, 1, 3), "h": floats(5, 2), "n": np.array(3)}
    program = check(model, inputs)
    with pytest.raises(VerificationError, match="this program was compiled for"):
        emulate(program, {**inputs, "x": floats(5, 2, 3)})
    (same,) = emulate(program, {**inputs, "x": floats(5, 2, 3), "n": np.array(0)})  # no step, nothing to assert
    assert np.array_equal(same, inputs["h"])


def test_two_branches_that_fit_are_refused() -> None:
    message = r"If 'y'.*different shapes \['N', 3\] and \['N', 'M', 3\].*fits either branch[\s\S]*--input-shape"
    with pytest.raises(UnsupportedError, match=message):
        load_onnx(squeezed("z = Relu(y)"))


def test_two_branches_of_which_none_fits_are_refused_with_both_reasons() -> None:
    message = r"If 'y'.*fits neither branch \(then: .*Gemm.*; else: .*Gemm.*\)[\s\S]*--input-shape"
    with pytest.raises(UnsupportedError, match=message):
        load_onnx(squeezed("v = Unsqueeze(y, one)  z = Gemm(v, w)"), isolate=False)


def test_a_fixed_size_needs_no_assertion() -> None:
    program = check(squeezed("z = Relu(y)"), {"x": floats(5, 1, 3)}, input_shapes={"x": [None, 1, 3]})
    assert not assertions(program)
