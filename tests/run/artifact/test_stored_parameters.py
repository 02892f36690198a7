"""What an artifact stores of parameters: each once, in the form that its code reads, and every level still runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import stratagem as sg
from stratagem.api.session import open_session
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.runtime.container import Container
from stratagem.runtime.parameters import ParameterStore
from tests.test_tiny import floats

LEVELS = [None, "tensor", "device", "system", "physical"]
CONV = """
func.func @main(%x: tensor<1x5x19x19xf32> {model.input = "x"}, %w: tensor<31x5x3x3xf32> {model.param = "w"},
                %v: tensor<31xf32> {model.param = "v"}) -> (tensor<1x31x17x17xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %ev = tensor.empty() : tensor<31xf32>
  %s = linalg.rsqrt ins(%v : tensor<31xf32>) outs(%ev : tensor<31xf32>) -> tensor<31xf32>
  %e = tensor.empty() : tensor<1x31x17x17xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x31x17x17xf32>) -> tensor<1x31x17x17xf32>
  %c = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<1x5x19x19xf32>, tensor<31x5x3x3xf32>)
    outs(%f : tensor<1x31x17x17xf32>) -> tensor<1x31x17x17xf32>
  %b = linalg.broadcast ins(%s : tensor<31xf32>) outs(%e : tensor<1x31x17x17xf32>) dimensions = [0, 2, 3]
  %y = linalg.mul ins(%c, %b : tensor<1x31x17x17xf32>, tensor<1x31x17x17xf32>) outs(%e : tensor<1x31x17x17xf32>)
    -> tensor<1x31x17x17xf32>
  return %y : tensor<1x31x17x17xf32>
}
"""
LINEAR = """
func.func @main(%x: tensor<5x12xf32> {model.input = "x"}, %w: tensor<16x12xf32> {model.param = "w"})
    -> (tensor<5x16xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %et = tensor.empty() : tensor<12x16xf32>
  %t = linalg.transpose ins(%w : tensor<16x12xf32>) outs(%et : tensor<12x16xf32>) permutation = [1, 0]
  %e = tensor.empty() : tensor<5x16xf32>
  %i = linalg.fill ins(%zero : f32) outs(%e : tensor<5x16xf32>) -> tensor<5x16xf32>
  %y = linalg.matmul ins(%x, %t : tensor<5x12xf32>, tensor<12x16xf32>) outs(%i : tensor<5x16xf32>) -> tensor<5x16xf32>
  return %y : tensor<5x16xf32>
}
"""
FILTER, VARIANCE, WEIGHT = floats(31, 5, 3, 3), np.abs(floats(31)) + 0.5, floats(16, 12)


@pytest.fixture(scope="module")
def convolution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = Program(parse_module(CONV), ParameterStore({"w": FILTER, "v": VARIANCE}))
    return sg.compile(program, target="cpu").save(tmp_path_factory.mktemp("conv") / "net.sgm")


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = Program(parse_module(LINEAR), ParameterStore({"w": WEIGHT}))
    compiled = sg.compile(program, target="two-hosts", strategy="tensor")
    assert [(p.name, p.shard_dim) for p in compiled.signature.parameters] == [("w.folded", 1)]
    return compiled.save(tmp_path_factory.mktemp("ranks") / "net.sgm")


def test_filters_are_stored_once(convolution: Path) -> None:
    member = Container(convolution).members["params.safetensors"]
    store = ParameterStore.load(convolution, member.offset, member.size)
    assert set(store) == {"w", "w.window-first", "v.folded"}
    assert store.nbytes == FILTER.nbytes + VARIANCE.nbytes
    assert store["w"].shape == FILTER.shape and np.shares_memory(store["w"], store["w.window-first"])
    np.testing.assert_array_equal(store["w"], FILTER)
    np.testing.assert_array_equal(store["v.folded"], (1 / np.sqrt(VARIANCE.astype(np.float64))).astype(np.float32))


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_runs_on_what_is_stored(convolution: Path, level: str | None) -> None:
    x = floats(1, 5, 19, 19)
    (y,) = open_session(convolution, level).run({"x": x})
    windows = np.lib.stride_tricks.sliding_window_view(x[0].astype(np.float64), (3, 3), (1, 2))
    wanted = np.einsum("chwij,fcij->fhw", windows, FILTER) / np.sqrt(VARIANCE)[:, None, None]
    np.testing.assert_allclose(y[0], wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("level", LEVELS)
def test_ranks_share_a_folded_weight(linear: Path, level: str | None) -> None:
    x = floats(5, 12)
    (y,) = open_session(linear, level).run({"x": x})
    np.testing.assert_allclose(y, x.astype(np.float64) @ WEIGHT.T, rtol=1e-4, atol=1e-4)
