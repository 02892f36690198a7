"""The CPU backend's cache: the second compile of the same kernels makes no code, another device does."""

from __future__ import annotations

from pathlib import Path

import pytest

from stratagem.compiler import knobs
from stratagem.compiler.backends.cpu import compile as emit
from stratagem.compiler.backends.cpu.backend import Backend
from stratagem.compiler.ir import parse_module
from stratagem.hwmodels import load_device

KERNEL = """
func.func private @negate(%x: tensor<7xf32>, %out: tensor<7xf32> {device.dest}) -> tensor<7xf32>
    attributes {device.kernel = {class = "generic-avx2", function = "neg", unit = "fma"}} {
  %r = linalg.generic {indexing_maps = [affine_map<(i) -> (i)>, affine_map<(i) -> (i)>], iterator_types = ["parallel"]}
      ins(%x : tensor<7xf32>) outs(%out : tensor<7xf32>) {
  ^bb0(%a: f32, %o: f32):
    %n = arith.negf %a : f32
    linalg.yield %n : f32
  } -> tensor<7xf32>
  return %r : tensor<7xf32>
}
"""


def test_kernels_are_compiled_once_per_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = emit.compile_kernels

    def counted(module: object, device: object) -> object:
        made.append(str(getattr(device, "name", "")))
        return real(module, device)  # type: ignore[arg-type]

    monkeypatch.setattr(emit, "compile_kernels", counted)
    with knobs.scope(cache=str(tmp_path)):
        first = Backend().compile_kernels(parse_module(KERNEL), load_device("generic-avx2"))
        again = Backend().compile_kernels(parse_module(KERNEL), load_device("generic-avx2"))
        Backend().compile_kernels(parse_module(KERNEL), load_device("generic-avx512"))
    assert made == ["generic-avx2", "generic-avx512"]
    assert first.files == again.files and first.report == again.report
