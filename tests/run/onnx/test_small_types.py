"""Small floats and integers against ml_dtypes: every code is read right, every kind of number written right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import stratagem as sg
from stratagem.compiler.frontends.onnx import load_onnx
from stratagem.compiler.interpreter.api import emulate
from stratagem.runtime.errors import RuntimeInputError, UnsupportedError
from tests.run.onnx.harness import Array

FLOATS = {
    TensorProto.FLOAT8E4M3FN: ml_dtypes.float8_e4m3fn,
    TensorProto.FLOAT8E4M3FNUZ: ml_dtypes.float8_e4m3fnuz,
    TensorProto.FLOAT8E5M2: ml_dtypes.float8_e5m2,
    TensorProto.FLOAT8E5M2FNUZ: ml_dtypes.float8_e5m2fnuz,
    TensorProto.FLOAT4E2M1: ml_dtypes.float4_e2m1fn,
    TensorProto.FLOAT6E2M3: ml_dtypes.float6_e2m3fn,
    TensorProto.FLOAT6E3M2: ml_dtypes.float6_e3m2fn,
}
INTEGERS = {
    TensorProto.INT4: ml_dtypes.int4,
    TensorProto.UINT4: ml_dtypes.uint4,
    TensorProto.INT2: ml_dtypes.int2,
    TensorProto.UINT2: ml_dtypes.uint2,
}
WIDTHS = {TensorProto.FLOAT4E2M1: 4, TensorProto.FLOAT6E2M3: 6, TensorProto.FLOAT6E3M2: 6}
OPSET = 28


def model_of_nodes(nodes: list[Any], source: int, result: int, initializers: tuple[Any, ...] = ()) -> Any:
    inputs = [helper.make_tensor_value_info("x", source, ["n"])]
    outputs = [helper.make_tensor_value_info("y", result, ["n"])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=13)


def cast(source: int, result: int, **given: Any) -> Any:
    return model_of_nodes([helper.make_node("Cast", ["x"], ["y"], to=result, **given)], source, result)


def emulated(model: Any, array: Array) -> Array:
    return np.asarray(emulate(load_onnx(model, isolate=False), {"x": array})[0])


def numbers(dtype: Any) -> Array:
    """Of each magnitude some, ties between neighbouring codes, borders, zeros of both signs, infinities, NaN."""
    random = np.random.default_rng(0)
    spread = np.exp2(random.uniform(-24, 20, 400)) * random.choice([-1, 1], 400)
    codes = np.arange(256, dtype=np.uint8).view(ml_dtypes.float8_e4m3fn).astype(np.float32)
    finite = np.unique(np.arange(256, dtype=np.uint8).view(ml_dtypes.float8_e5m2).astype(np.float32))
    ties = (finite[1:] + finite[:-1]) / 2
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 448.0, 464.0, 465.0, 57344.0, 61440.0, 6.0, 7.0, 5.0]
    with np.errstate(all="ignore"):
        return np.concatenate([spread, codes, ties, special]).astype(dtype)


@pytest.mark.parametrize("kind", FLOATS)
def test_every_code_of_a_float(kind: int) -> None:
    codes = np.arange(2 ** WIDTHS.get(kind, 8), dtype=np.uint8).view(FLOATS[kind])
    np.testing.assert_array_equal(emulated(cast(kind, TensorProto.FLOAT), codes), codes.astype(np.float32))


@pytest.mark.parametrize("source", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16])
@pytest.mark.parametrize("kind", FLOATS)
def test_floats_are_rounded_to_nearest_even(kind: int, source: Any) -> None:
    values = numbers(source)
    values = values[~np.isnan(values.astype(np.float32))] if kind in WIDTHS else values  # no NaN there
    got = emulated(cast(helper.np_dtype_to_tensor_dtype(np.dtype(source)), kind, saturate=0), values)
    np.testing.assert_array_equal(got.astype(np.float32), values.astype(FLOATS[kind]).astype(np.float32))
    assert got.dtype == FLOATS[kind]


@pytest.mark.parametrize("kind", [k for k in FLOATS if k not in WIDTHS])
def test_saturation(kind: int) -> None:
    values = numbers(np.float32)
    limit = float(ml_dtypes.finfo(FLOATS[kind]).max)
    got = emulated(cast(TensorProto.FLOAT, kind), values).astype(np.float32)
    np.testing.assert_array_equal(got, np.clip(values, -limit, limit).astype(FLOATS[kind]).astype(np.float32))


@pytest.mark.parametrize(("mode", "wanted"), [("up", [128, 127, 0, 254]), ("down", [127, 127, 0, 254])])
def test_powers_of_two(mode: str, wanted: list[int]) -> None:
    values = np.array([1.25, 1.0, 0.0, np.inf], np.float32)
    got = emulated(cast(TensorProto.FLOAT, TensorProto.FLOAT8E8M0, round_mode=mode), values)
    assert got.view(np.uint8).tolist() == wanted
    codes = np.array([0, 1, 127, 254, 255], np.uint8).view(ml_dtypes.float8_e8m0fnu)
    read = emulated(cast(TensorProto.FLOAT8E8M0, TensorProto.FLOAT), codes)
    np.testing.assert_array_equal(read, np.array([2.0**-127, 2.0**-126, 1, 2.0**127, np.nan], np.float32))


@pytest.mark.parametrize("kind", INTEGERS)
def test_integers_keep_their_low_bits(kind: int) -> None:
    values = np.arange(-37, 200, dtype=np.int32)
    np.testing.assert_array_equal(emulated(cast(TensorProto.INT32, kind), values), values.astype(INTEGERS[kind]))
    low, high = ml_dtypes.iinfo(INTEGERS[kind]).min, ml_dtypes.iinfo(INTEGERS[kind]).max
    every = np.arange(low, high + 1).astype(INTEGERS[kind])
    np.testing.assert_array_equal(emulated(cast(kind, TensorProto.INT8), every), every.astype(np.int8))


def test_compiled_code_takes_and_gives_small_floats() -> None:
    values = numbers(np.float32)[:67]
    exe = sg.compile(cast(TensorProto.FLOAT, TensorProto.FLOAT8E4M3FN, saturate=0), target="cpu").executable
    (got,) = exe(values)
    np.testing.assert_array_equal(got.astype(np.float32), values.astype(ml_dtypes.float8_e4m3fn).astype(np.float32))
    assert str(exe.signature.outputs[0]) == "y: f8E4M3FN[?]"
    back = sg.compile(cast(TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT), target="cpu").executable
    np.testing.assert_array_equal(back(got)[0], got.astype(np.float32))
    with pytest.raises(RuntimeInputError, match="takes float8_e4m3fn"):
        back(got.view(np.int8))


@pytest.mark.parametrize("count", [1, 7, 129])
@pytest.mark.parametrize("kind", [TensorProto.INT4, TensorProto.UINT2, TensorProto.FLOAT6E3M2])
def test_weights_that_share_bytes(kind: int, count: int, tmp_path: Path) -> None:
    dtype = (INTEGERS | FLOATS)[kind]
    weights = np.arange(count).astype(np.float32).astype(dtype)
    nodes = [helper.make_node("Cast", ["w"], ["f"], to=1), helper.make_node("Mul", ["x", "f"], ["y"])]
    model = model_of_nodes(nodes, TensorProto.FLOAT, TensorProto.FLOAT, (onnx.numpy_helper.from_array(weights, "w"),))
    onnx.save(model, tmp_path / "m.onnx")
    program = load_onnx(tmp_path / "m.onnx", isolate=False)
    x = np.full(count, 2, np.float32)
    np.testing.assert_array_equal(emulate(program, {"x": x})[0], 2 * weights.astype(np.float32))


def test_computing_with_them_is_refused() -> None:
    nodes = [helper.make_node("Add", ["x", "x"], ["y"])]
    with pytest.raises(UnsupportedError, match="computes with elements of type f8E5M2"):
        load_onnx(model_of_nodes(nodes, TensorProto.FLOAT8E5M2, TensorProto.FLOAT8E5M2), isolate=False)
