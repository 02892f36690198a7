"""Kernels of other members than the host that take sizes and elements by value, beside their tensors."""

from __future__ import annotations

import numpy as np
import pytest

import stratagem as sg
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program

TEXT = """
module attributes {stratagem.level = "tensor"} {
func.func @main(%x: tensor<?xi32> {model.input = "x"}, %y: tensor<?xi32> {model.input = "y"})
    -> (tensor<?xi32> {model.output = "z"}) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xi32>
  %k = arith.index_cast %n : index to i32
  %e = tensor.empty(%n) : tensor<?xi32>
  %s = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
      iterator_types = ["parallel"]} ins(%y : tensor<?xi32>) outs(%e : tensor<?xi32>) {
  ^bb0(%a: i32, %o: i32):
    %t = arith.addi %a, %k : i32
    linalg.yield %t : i32
  } -> tensor<?xi32>
  return %s : tensor<?xi32>
}
}"""


SPLAT = """
module attributes {{stratagem.level = "tensor"}} {{
func.func @main(%x: tensor<3x{element}> {{model.input = "x"}}, %y: tensor<{size}x{element}> {{model.input = "y"}})
    -> (tensor<{size}x{element}> {{model.output = "z"}}) {{
  %c1 = arith.constant 1 : index
  %v = tensor.extract %x[%c1] : tensor<3x{element}>
  %e = tensor.empty() : tensor<{size}x{element}>
  %s = linalg.generic {{indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>],
      iterator_types = ["parallel"]}} ins(%y : tensor<{size}x{element}>) outs(%e : tensor<{size}x{element}>) {{
  ^bb0(%a: {element}, %o: {element}):
    %t = arith.mulf %a, %v : {element}
    linalg.yield %t : {element}
  }} -> tensor<{size}x{element}>
  return %s : tensor<{size}x{element}>
}}
}}"""


@pytest.mark.parametrize("element", ["f64", "f32", "f16", "bf16"])
@pytest.mark.parametrize("target", ["cpu", "h100", "upmem-rank"])
def test_a_float_by_value(target: str, element: str) -> None:
    if target == "h100":
        pytest.importorskip("triton", reason="compiling for GPUs needs Triton: pip install 'stratagem[gpu]'")
    model = sg.compile(Program(parse_module(SPLAT.format(element=element, size=7))), target=target)
    dtype = model.signature.inputs[0].numpy_dtype
    x, y = np.asarray([1, -0.5, 2]).astype(dtype), np.arange(7).astype(dtype)
    np.testing.assert_array_equal(model(x, y), y * dtype.type(-0.5))


@pytest.mark.parametrize("size", [0, 1, 65])
@pytest.mark.parametrize("target", ["cpu", "h100", "upmem-rank"])
def test_an_element_by_value(target: str, size: int) -> None:
    if target == "h100":
        pytest.importorskip("triton", reason="compiling for GPUs needs Triton: pip install 'stratagem[gpu]'")
    model = sg.compile(Program(parse_module(TEXT)), target=target)
    x, y = np.zeros(size, np.int32), np.arange(size, dtype=np.int32)
    np.testing.assert_array_equal(model(x, y), y + size)
    if target != "cpu":
        types = [t for kernel in model.executable._drivers.kernels for t in kernel.types]
        assert any(rank == -1 for _, rank in types), "the kernel was to run on the device, with a scalar"
