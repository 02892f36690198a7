"""Axes, steps and amounts that only the run knows, against onnxruntime and numpy."""

from __future__ import annotations

import numpy as np
import pytest

import stratagem as sg
from stratagem.compiler.frontends.onnx import load_onnx
from stratagem.compiler.interpreter.api import Violation, emulate
from tests.run.onnx.harness import check, floats, model_of

REDUCTIONS = ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSumExp", "SumSquare"]


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("kind", REDUCTIONS)
def test_reductions(kind: str, keepdims: int) -> None:
    model = model_of(f"g (float[N,3,1,5] x, int64[2] a) => (float y) {{ y = Reduce{kind}<keepdims={keepdims}>(x, a) }}")
    for axes in ([0, 3], [1, -1], [-2, 0]):
        check(model, {"x": floats(7, 3, 1, 5), "a": np.array(axes)})


def test_reductions_of_compiled_code() -> None:
    model = model_of("g (float[2,3,5] x, int64[1] a) => (float y) { y = ReduceMean<keepdims=0>(x, a) }")
    executable = sg.compile(model, target="cpu").executable
    for axis in (0, 1, -1):
        (got,) = executable(floats(2, 3, 5), np.array([axis]))
        np.testing.assert_allclose(got, floats(2, 3, 5).mean(axis), rtol=1e-6)


def test_the_same_axis_twice_is_an_error_of_the_run() -> None:
    model = model_of("g (float[2,3] x, int64[2] a) => (float y) { y = ReduceSum<keepdims=0>(x, a) }")
    with pytest.raises(Violation, match="its axes must differ"):
        emulate(load_onnx(model, isolate=False), {"x": floats(2, 3), "a": np.array([1, -1])})


SLICES = [([1], [5], [1], [2]), ([-1], [-100], [0], [-1]), ([9], [0], [-1], [-3]), ([0], [1000], [0], [7])]


@pytest.mark.parametrize("bounds", SLICES)
def test_slices(bounds: tuple[list[int], ...]) -> None:
    bounds_given = "int64[1] s, int64[1] e, int64[1] a, int64[1] t"
    model = model_of(f"g (float[N,11] x, {bounds_given}) => (float[P,Q] y) {{ y = Slice(x, s, e, a, t) }}")
    check(model, {"x": floats(7, 11), **dict(zip("seat", map(np.array, bounds), strict=True))})


def test_squeeze_and_unsqueeze() -> None:
    model = model_of(
        "g (float[N,1,5,1] x, int64[2] a, int64[1] b) => (float[P,Q,R] y) { s = Squeeze(x, a)  y = Unsqueeze(s, b) }"
    )
    for axes, new in (([1, 3], [0]), ([-1, 1], [-1]), ([3, -3], [1])):
        check(model, {"x": floats(7, 1, 5, 1), "a": np.array(axes), "b": np.array(new)})


def test_squeeze_of_a_size_that_is_not_one() -> None:
    model = model_of("g (float[N,3] x, int64[1] a) => (float[P] y) { y = Squeeze(x, a) }")
    with pytest.raises(Violation, match="the sizes it removes must be 1"):
        emulate(load_onnx(model, isolate=False), {"x": floats(2, 3), "a": np.array([0])})


@pytest.mark.parametrize("given", ["", "<exclusive=1>", "<reverse=1>", "<exclusive=1, reverse=1>"])
def test_running_sums(given: str) -> None:
    model = model_of(f"g (float[N,3] x, int64 a) => (float[N,3] y) {{ y = CumSum{given}(x, a) }}")
    for axis in (0, 1, -2):
        check(model, {"x": floats(5, 3), "a": np.array(axis)})


def test_running_sum_in_a_loop() -> None:
    body = "b (int64 i, bool c, float[5] s) => (bool d, float[5] t) { d = Identity(c)  t = CumSum(s, axis) }"
    model = model_of(
        f"g (float[5] x, int64 n) => (float[5] y) <int64 axis = {{0}}> {{ y = Loop(n, , x) <body = {body}> }}"
    )
    check(model, {"x": floats(5), "n": np.array(3)})


@pytest.mark.parametrize(("kind", "neutral"), [("Max", -np.inf), ("Min", np.inf), ("Prod", 1.0), ("Mean", np.nan)])
def test_reductions_of_nothing(kind: str, neutral: float) -> None:
    model = model_of(f"g (float[2,0,3] x) => (float y) <int64[1] a = {{1}}> {{ y = Reduce{kind}<keepdims=0>(x, a) }}")
    (got,) = emulate(load_onnx(model, isolate=False), {"x": floats(2, 0, 3)})
    np.testing.assert_array_equal(got, np.full((2, 3), neutral, np.float32))
