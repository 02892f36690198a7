"""Bits reinterpreted, narrow floats gathered and constants returned, in compiled code."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from onnx import helper

import stratagem as sg
from tests.run.onnx.harness import model_of

PAIRS = [
    (np.float32, np.int32),
    (np.int64, np.float64),
    (np.float16, np.uint16),
    (np.int16, ml_dtypes.bfloat16),
    (np.bool_, np.uint8),
    (np.int8, np.uint8),
]


@pytest.mark.parametrize(("source", "result"), PAIRS)
def test_bits_stay(source: Any, result: Any) -> None:
    kinds = [helper.np_dtype_to_tensor_dtype(np.dtype(t)) for t in (source, result)]
    node = helper.make_node("BitCast", ["x"], ["y"], to=kinds[1])
    values = [helper.make_tensor_value_info(n, k, ["n"]) for n, k in zip("xy", kinds, strict=True)]
    graph = helper.make_graph([node], "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 28)], ir_version=13)
    bits = np.random.default_rng(0).integers(0, 120, 7).astype(f"u{np.dtype(source).itemsize}")
    x = (bits % 2).astype(np.bool_) if source is np.bool_ else bits.view(source)
    (got,) = sg.compile(model, target="cpu").executable(x)
    assert got.dtype == result
    np.testing.assert_array_equal(got.view(np.uint8), x.view(np.uint8))


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_gathers_of_narrow_floats(kind: str) -> None:
    model = model_of(f"g ({kind}[5,3] x, int64[N] i) => ({kind}[N,3] y) {{ y = Gather(x, i) }}")
    dtype = np.float16 if kind == "float16" else ml_dtypes.bfloat16
    x, i = np.arange(15).reshape(5, 3).astype(dtype), np.array([4, 0, 4, -1])
    (got,) = sg.compile(model, target="cpu").executable(x, i)
    np.testing.assert_array_equal(got.astype(np.float32), x[i].astype(np.float32))


def test_results_that_are_constants_are_the_callers_own() -> None:
    model = model_of("g (float[2,3] x) => (int64[2] s, int64[2] t) { s = Shape(x)  t = Identity(s) }")
    executable = sg.compile(model, target="cpu").executable
    first = executable(np.zeros((2, 3), np.float32))
    first[0][:] = 9
    del first
    second = executable(np.zeros((2, 3), np.float32))
    assert [r.tolist() for r in second] == [[2, 3], [2, 3]]
