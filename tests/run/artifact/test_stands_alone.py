"""An artifact needs nothing beside itself: not the hardware file it was compiled for, not the ranks' programs apart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import stratagem as sg
from stratagem.api.session import open_session
from stratagem.cli.main import run
from stratagem.compiler.artifact import machine_of
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.hwmodels import load_machine
from stratagem.hwmodels.new import new_text
from stratagem.runtime.container import Container
from stratagem.runtime.parameters import ParameterStore
from tests.test_tiny import LAYER, B, W, floats

TWO_LAYERS = """
func.func @main(%x: tensor<5x12xf32> {model.input = "x"}, %up: tensor<12x16xf32> {model.param = "up"},
                %down: tensor<16x6xf32> {model.param = "down"}) -> (tensor<5x6xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %e0 = tensor.empty() : tensor<5x16xf32>
  %i0 = linalg.fill ins(%zero : f32) outs(%e0 : tensor<5x16xf32>) -> tensor<5x16xf32>
  %h = linalg.matmul ins(%x, %up : tensor<5x12xf32>, tensor<12x16xf32>) outs(%i0 : tensor<5x16xf32>) -> tensor<5x16xf32>
  %e1 = tensor.empty() : tensor<5x6xf32>
  %i1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<5x6xf32>) -> tensor<5x6xf32>
  %y = linalg.matmul ins(%h, %down : tensor<5x16xf32>, tensor<16x6xf32>) outs(%i1 : tensor<5x6xf32>) -> tensor<5x6xf32>
  return %y : tensor<5x6xf32>
}
"""
UP, DOWN = floats(12, 16), floats(16, 6)


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = Program(parse_module(TWO_LAYERS), ParameterStore({"up": UP, "down": DOWN}))
    compiled = sg.compile(program, target="two-hosts", strategy="tensor")
    assert "system.all_reduce" in compiled.ir("system")
    return compiled.save(tmp_path_factory.mktemp("ranks") / "net.sgm")


def test_hardware_comes_along(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file it was described in is gone; proofs are still derived for it."""
    target = tmp_path / "mine.yaml"
    target.write_text(new_text("mine", "generic-avx2"))
    program = Program(parse_module(LAYER), ParameterStore({"w": W, "b": B}))
    artifact = sg.compile(program, target=target, until="physical").save(tmp_path / "net.sgm")
    machine = load_machine(target)
    target.unlink()
    assert machine_of(Container(artifact)) == machine
    assert run(["verify", str(artifact), "--no-run", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["counts"]) == ["proved for all sizes"]


@pytest.mark.parametrize("level", [None, "tensor", "device", "system", "physical"])
def test_ranks_at_every_level(sharded: Path, level: str | None) -> None:
    x = floats(5, 12)
    (y,) = open_session(sharded, level).run({"x": x})
    np.testing.assert_allclose(y, x.astype(np.float64) @ UP @ DOWN, rtol=1e-4, atol=1e-4)


def test_ranks_are_verified_together(sharded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(sharded), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["findings"]
    code = {f["subject"]: f["verdict"] for f in found if f["level"] == "code"}
    assert code == dict.fromkeys(["kernels", "matmul", "matmul_2", "main"], "tested")
