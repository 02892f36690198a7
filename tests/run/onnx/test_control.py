"""If, Loop and Scan, against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

from stratagem.compiler.frontends.onnx import load_onnx
from stratagem.compiler.interpreter.api import emulate
from stratagem.compiler.ir import walk
from stratagem.runtime.errors import UnsupportedError
from tests.run.onnx.harness import check, floats, model_of


@pytest.mark.parametrize("condition", [True, False])
def test_if_runs_the_branch_its_condition_chooses(condition: bool) -> None:
    model = model_of("""
g (float[N,4] x, bool c) => (float[N,4] y) {
  y = If(c) <then_branch = t () => (float[N,4] a) { a = Relu(x) },
             else_branch = e () => (float[N,4] b) { b = Neg(x) }>
}""")
    program = check(model, {"x": floats(3, 4), "c": np.array(condition)})
    assert [op.name for op in walk(program.module.operation)].count("scf.if") == 1


def test_if_with_a_known_condition_leaves_one_branch() -> None:
    model = model_of("""
g (float[2,4] x) => (float[M,K] y) <int64[1] one = {1}> {
  shape = Shape<start=0, end=1>(x)
  c = Equal(shape, one)
  y = If(c) <then_branch = t () => (float[M,K] a) { a = Relu(x) },
             else_branch = e () => (float[M,K] b) { b = Concat<axis=0>(x, x) }>
}""")
    program = check(model, {"x": floats(2, 4)})
    assert "scf.if" not in {op.name for op in walk(program.module.operation)}


def test_branches_of_different_rank_need_a_known_condition() -> None:
    model = model_of("""
g (float[N,1] x) => (float y) <int64[1] one = {1}> {
  shape = Shape<start=0, end=1>(x)
  c = Equal(shape, one)
  y = If(c) <then_branch = t () => (float a) { a = Squeeze(x, one) },
             else_branch = e () => (float b) { b = Identity(x) }>
}""")
    with pytest.raises(UnsupportedError, match=r"different shapes \['N'\] and \['N', 1\][\s\S]*input_shapes"):
        load_onnx(model, isolate=False)
    check(model, {"x": floats(3, 1)}, input_shapes={"x": [3, 1]})


COUNTED = """
g (float[N,4] x, int64 n) => (float[N,4] y, float[K,N,4] ys) <bool t = {1}> {
  y, ys = Loop(n, t, x) <body = b (int64 i, bool c, float[N,4] s) => (bool c1, float[N,4] s1, float[N,4] o) {
    c1 = Identity(c)  f = Cast<to=1>(i)  s1 = Add(s, f)  o = Mul(s1, x) }>
}"""


@pytest.mark.parametrize("count", [1, 5])
def test_counted_loop_becomes_for(count: int) -> None:
    program = check(model_of(COUNTED), {"x": floats(3, 4), "n": np.array(count)})
    assert "scf.for" in {op.name for op in walk(program.module.operation)}


@pytest.mark.parametrize("count", [0, -2])
def test_loop_without_steps_returns_its_state_and_no_slices(count: int) -> None:
    state, slices = emulate(load_onnx(model_of(COUNTED), isolate=False), {"x": floats(3, 4), "n": np.array(count)})
    assert np.array_equal(state, floats(3, 4))
    assert slices.shape == (0, 3, 4)


@pytest.mark.parametrize("limit", [2, 50])
def test_loop_ended_by_its_condition_becomes_while(limit: int) -> None:
    model = model_of("""
g (float[N,4] x, int64 n) => (float[N,4] y, float[K,N,4] ys) <bool t = {1}, float bound = {5.0}> {
  y, ys = Loop(n, t, x) <body = b (int64 i, bool c, float[N,4] s) => (bool c1, float[N,4] s1, float[N,4] o) {
    m = ReduceMax<keepdims=0>(s)  c1 = Less(m, bound)  f = Cast<to=1>(i)  s1 = Add(s, f)  o = Mul(s1, x) }>
}""")
    program = check(model, {"x": floats(3, 4), "n": np.array(limit)})
    assert "scf.while" in {op.name for op in walk(program.module.operation)}


def test_nested_loops_capture_outer_values() -> None:
    model = model_of("""
g (float[3] x) => (float[3] y) <int64 two = {2}, int64 three = {3}, bool t = {1}> {
  w = Exp(x)
  y = Loop(two, t, x) <body = outer (int64 i, bool c, float[3] s) => (bool c1, float[3] r) {
    c1 = Identity(c)
    r = Loop(three, t, s) <body = inner (int64 j, bool d, float[3] p) => (bool d1, float[3] q) {
      d1 = Identity(d)  e = Mul(p, w)  q = Sub(e, s) }> }>
}""")
    check(model, {"x": floats(3)})


@pytest.mark.parametrize("backwards", [0, 1])
def test_scan_over_a_free_number_of_steps(backwards: int) -> None:
    model = model_of(f"""
g (float[S,N,4] x, float[N,4] h) => (float[N,4] y, float[S,N,4] ys) {{
  y, ys = Scan<num_scan_inputs=1, scan_input_directions=[{backwards}], scan_output_directions=[{backwards}],
    body = b (float[N,4] s, float[N,4] e) => (float[N,4] s1, float[N,4] o)
      {{ s1 = Add(s, e)  o = Mul(s1, e) }}>(h, x)
}}""")
    check(model, {"x": floats(5, 3, 4), "h": floats(3, 4)})


def test_state_of_changing_rank_is_refused() -> None:
    model = model_of("""
g (float[3] x) => (float y) <int64 n = {2}, bool t = {1}, int64[1] axis = {0}> {
  y = Loop(n, t, x) <body = b (int64 i, bool c, float s) => (bool c1, float s1) {
    c1 = Identity(c)  s1 = Unsqueeze(s, axis) }>
}""")
    with pytest.raises(UnsupportedError, match=r"state '.*' changes from shape \[3\] to shape \[1, 3\]"):
        load_onnx(model, isolate=False)
