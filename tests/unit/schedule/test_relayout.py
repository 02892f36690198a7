"""Filters of convolutions are stored window first, results shorter than a vector are accumulated along channels."""

from __future__ import annotations

import numpy as np
import pytest

from stratagem.compiler.interpreter.api import reference
from stratagem.compiler.ir import argument_attributes, find_function, parse_module
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.passes.form_kernels import FormKernels
from stratagem.compiler.program import Program
from stratagem.hwmodels import load_machine
from stratagem.runtime.parameters import ParameterStore

CONV = """
func.func @main(%x: tensor<1x5x{h}x{h}xf32> {{model.input = "x"}}, %w: tensor<32x5x3x3xf32> {{model.param = "w"}})
    -> tensor<1x32x{o}x{o}xf32> {{
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x32x{o}x{o}xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x32x{o}x{o}xf32>) -> tensor<1x32x{o}x{o}xf32>
  %c = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<1x5x{h}x{h}xf32>, tensor<32x5x3x3xf32>)
    outs(%f : tensor<1x32x{o}x{o}xf32>) -> tensor<1x32x{o}x{o}xf32>
  return %c : tensor<1x32x{o}x{o}xf32>
}}"""


def formed(size: int) -> tuple[Program, np.ndarray]:
    weights = np.random.default_rng(0).standard_normal((32, 5, 3, 3)).astype(np.float32)
    program = Program(parse_module(CONV.format(h=size + 2, o=size)), ParameterStore({"w": weights}))
    FormKernels().apply(program, PassContext(load_machine("generic-avx512")))
    return program, weights


@pytest.mark.parametrize("size", [3, 17])
def test_the_meaning_stays(size: int) -> None:
    program, weights = formed(size)
    x = np.random.default_rng(1).standard_normal((1, 5, size + 2, size + 2)).astype(np.float32)
    before = Program(parse_module(CONV.format(h=size + 2, o=size)), ParameterStore({"w": weights}))
    (wanted,), (found,) = reference(before, {"x": x}), reference(program, {"x": x})
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_long_rows_keep_their_layout_and_taps_are_contiguous() -> None:
    program, weights = formed(17)
    names = argument_attributes(find_function(program.module, "main"), "model.param")
    assert names == [None, "w.window-first"]
    np.testing.assert_array_equal(program.parameters["w.window-first"], weights.transpose(2, 3, 0, 1))


def test_short_rows_put_channels_innermost() -> None:
    program, weights = formed(3)
    np.testing.assert_array_equal(program.parameters["w.window-first"], weights.transpose(2, 3, 1, 0))
    assert "tensor<1x3x3x32xf32>" in str(program.module)
