"""The smallest proof that everything works: one layer compiled, run, saved, loaded and compared with numpy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import stratagem as sg
from stratagem.compiler.interpreter.api import reference
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.runtime.parameters import ParameterStore

ROOT = Path(__file__).parents[1]
Array = np.ndarray[Any, Any]
LAYER = """
module attributes {stratagem.level = "tensor"} {
  func.func @main(%x: tensor<?x13xf32> {model.input = "x"}, %w: tensor<13x17xf32> {model.param = "w"},
                  %b: tensor<17xf32> {model.param = "b"}) -> (tensor<?x17xf32> {model.output = "y"}) {
    %zero = arith.constant 0.0 : f32
    %c0 = arith.constant 0 : index
    %n = tensor.dim %x, %c0 : tensor<?x13xf32>
    %empty = tensor.empty(%n) : tensor<?x17xf32>
    %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x17xf32>) -> tensor<?x17xf32>
    %product = linalg.matmul ins(%x, %w : tensor<?x13xf32>, tensor<13x17xf32>)
                             outs(%init : tensor<?x17xf32>) -> tensor<?x17xf32>
    %y = linalg.generic {
      indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>],
      iterator_types = ["parallel", "parallel"]
    } ins(%product, %b : tensor<?x17xf32>, tensor<17xf32>) outs(%empty : tensor<?x17xf32>) {
    ^bb0(%p: f32, %q: f32, %o: f32):
      %sum = arith.addf %p, %q : f32
      %relu = arith.maximumf %sum, %zero : f32
      linalg.yield %relu : f32
    } -> tensor<?x17xf32>
    return %y : tensor<?x17xf32>
  }
}
"""
"""relu(x w + b) with a free number of rows."""


def floats(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


W, B = floats(13, 17), floats(17)


def program() -> Program:
    return Program(parse_module(LAYER), ParameterStore({"w": W, "b": B}))


@pytest.fixture(scope="module")
def compiled() -> sg.CompiledModel:
    return sg.compile(program(), target="cpu")


@pytest.mark.parametrize("rows", [1, 7, 257])
def test_code_gives_the_numbers_of_numpy(compiled: sg.CompiledModel, rows: int) -> None:
    x = floats(rows, 13)
    np.testing.assert_allclose(compiled(x), np.maximum(x @ W + B, 0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("level", ["tensor", "device", "system", "physical"])
def test_every_level_means_the_same(compiled: sg.CompiledModel, level: str) -> None:
    x = floats(3, 13)
    (y,) = reference(Program(parse_module(compiled.ir(level)), ParameterStore({"w": W, "b": B})), {"x": x})
    np.testing.assert_allclose(y, np.maximum(x.astype(np.float64) @ W + B, 0), rtol=1e-12, atol=1e-12)


def test_everything_about_it_is_proved(compiled: sg.CompiledModel) -> None:
    assert compiled.report.findings
    assert set(compiled.report.counts()) == {"proved for all sizes"}


def test_a_saved_artifact_runs_without_compiler_or_framework(compiled: sg.CompiledModel, tmp_path: Path) -> None:
    """In a process of its own: what it imports is what running needs."""
    artifact, x = compiled.save(tmp_path / "layer.sgm"), floats(5, 13)
    np.save(tmp_path / "x.npy", x)
    script = f"""
import sys, numpy, stratagem
(y,) = stratagem.load({str(artifact)!r})(numpy.load({str(tmp_path / "x.npy")!r}))
numpy.save({str(tmp_path / "y.npy")!r}, y)
print(*{{"torch", "jax", "onnx", "torch_mlir", "triton", "islpy", "llvmlite"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), np.maximum(x @ W + B, 0), rtol=1e-5, atol=1e-5)


def test_a_device_that_does_not_exist(tmp_path: Path) -> None:
    """Hardware is data: a YAML file is enough to compile for."""
    from stratagem.hwmodels.new import new_text

    path = tmp_path / "wish.yaml"
    path.write_text(new_text("wish", "generic-avx2"))
    made = sg.compile(program(), target=path, until="device")
    assert 'class = "wish"' in made.ir("device") and "scf.forall" in made.ir("device")
