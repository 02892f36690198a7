"""`stratagem explain --measure`: kernels are run and held against the roofline."""

from __future__ import annotations

from pathlib import Path

import pytest

import stratagem as sg
from stratagem.api.profiling import limit_of
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.hwmodels import load_device
from tests.run.cli.conftest import Cli

PROGRAM = """
func.func @main(%a: tensor<?x17xf32> {model.input = "a"}, %b: tensor<17x13xf32> {model.input = "b"})
    -> (tensor<?x13xf32> {model.output = "r"}) {
  %zero = arith.constant 0.0 : f32
  %i = arith.constant 0 : index
  %n = tensor.dim %a, %i : tensor<?x17xf32>
  %e = tensor.empty(%n) : tensor<?x13xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<?x13xf32>) -> tensor<?x13xf32>
  %c = linalg.matmul ins(%a, %b : tensor<?x17xf32>, tensor<17x13xf32>) outs(%f : tensor<?x13xf32>) -> tensor<?x13xf32>
  return %c : tensor<?x13xf32>
}
"""


def artifact(folder: Path) -> Path:
    return sg.compile(Program(parse_module(PROGRAM)), target="generic-sse").save(folder / "m.sgm")


def test_times_and_limits_of_the_sizes_given(cli: Cli, tmp_path: Path) -> None:
    path = artifact(tmp_path)
    (kernel,) = cli("explain", path, "--measure", "--size", "a=19,17", "--json").json["kernels"]
    assert kernel["operations"] == 2 * 19 * 17 * 13
    (seconds,) = kernel["measured"]["seconds"]
    assert seconds > 0
    limit = limit_of(load_device("generic-sse"), "fma", "float32", 2 * 19 * 17 * 13, 4 * (19 * 17 + 17 * 13 + 19 * 13))
    assert kernel["measured"]["fraction"] == pytest.approx(limit.seconds / seconds)
    assert kernel["measured"]["limited_by"] == limit.by
    assert kernel["measured"]["share"] == 1


def test_text_names_what_limits(cli: Cli, tmp_path: Path) -> None:
    shown = cli("explain", artifact(tmp_path), "--measure", "--size", "a=1,17").out
    assert "1 call in" in shown and "allows, 100.0% of all kernels" in shown


def test_no_code_no_times(cli: Cli, tmp_path: Path) -> None:
    path = sg.compile(Program(parse_module(PROGRAM)), until="device").save(tmp_path / "m.sgm")
    cli("explain", path, "--measure").refused(2, "kernels can be measured in artifacts with code")


def test_limits_follow_the_description() -> None:
    device = load_device("generic-avx512")
    assert limit_of(device, "fma", "float32", 10**9, 8).by == "fma"
    rate = device.peak_rate("f32")
    assert limit_of(device, "fma", "float32", 10**9, 8).seconds == pytest.approx(1e9 / rate)
    far = limit_of(device, "fma", "float32", 1, 10**9)
    assert far.by == "dram"
    assert far.seconds == pytest.approx(1e9 / 76.8e9)
    assert limit_of(device, "fma", "float32", 1, 1000).by == "l1"
