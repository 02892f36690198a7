"""Hardware that does not exist: a matrix engine beside memory, written in YAML, and one program at all its levels.

The device's kernels are tiled for its own scratchpad and 32 x 32 x 32 engine, checked, costed and run by the reference
interpreter. There is no code generator for it, so its backend is `null` and the compile stops at level `physical`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

import stratagem as sg
from stratagem.api.explaining import explain
from stratagem.compiler.interpreter.api import reference
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.hwmodels import check_file, load_device
from stratagem.runtime.container import Container

DEVICE = """
hw: 1
device: tile-engine-2031
class: near-memory
backend: "null"
note: sixteen matrix engines in the base die of a memory stack; does not exist
source: {kind: projected, spread: 50%, note: an example}
clock: 1 GHz
launch: 2 us
levels:
  - {name: dram, kind: memory, size: 16 GiB, granule: 64 B, bandwidth: 4 TB/s, latency: 50 ns, energy: 10 pJ/B}
  - {name: engine, kind: group, count: 16}
  - {name: pad, kind: scratchpad, size: 512 KiB, granule: 64 B, bandwidth: 1024 B/cy, latency: 4 cy, access: dma}
units:
  - name: matrix
    at: pad
    functions: [matmul, batch_matmul]
    rate: {f32: 65536 op/cy}
    tile: {f32: [32, 32, 32]}
  - name: vector
    at: pad
    functions: [add, sub, mul, div, max, min, exp, copy, compare, select, cast, reduce_sum, reduce_max]
    lanes: {f32: 32, i1: 32, index: 32}
power: {idle: 3 W, max: 60 W}
"""
LAYER = """
func.func @main(%x: tensor<197x384xf32> {model.input = "x"}, %w: tensor<384x263xf32> {model.input = "w"})
    -> (tensor<197x263xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<197x263xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<197x263xf32>) -> tensor<197x263xf32>
  %product = linalg.matmul ins(%x, %w : tensor<197x384xf32>, tensor<384x263xf32>)
                           outs(%init : tensor<197x263xf32>) -> tensor<197x263xf32>
  %y = linalg.generic {
    indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
    iterator_types = ["parallel", "parallel"]
  } ins(%product : tensor<197x263xf32>) outs(%empty : tensor<197x263xf32>) {
  ^bb0(%p: f32, %o: f32):
    %relu = arith.maximumf %p, %zero : f32
    linalg.yield %relu : f32
  } -> tensor<197x263xf32>
  return %y : tensor<197x263xf32>
}
"""


def main() -> None:
    """Checks the description, compiles for it, runs every level and prints what the compiler decided."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tile-engine-2031.yaml"
        path.write_text(DEVICE)
        assert not check_file(path)
        peak = load_device(path).peak_rate("f32")
        print(f"{path.stem}: {peak / 1e12:.0f} Tflop/s that nobody has built\n")

        compiled = sg.compile(Program(parse_module(LAYER)), target=path, until="physical")
        rng = np.random.default_rng(0)
        inputs = {"x": rng.standard_normal((197, 384)), "w": rng.standard_normal((384, 263))}
        inputs = {name: array.astype(np.float32) for name, array in inputs.items()}
        wanted = np.maximum(inputs["x"].astype(np.float64) @ inputs["w"], 0)
        for level in compiled.levels:
            (y,) = reference(Program(parse_module(compiled.ir(level))), inputs)
            print(f"level {level:9s} largest difference from numpy {np.abs(y - wanted).max():.1e}")
            np.testing.assert_allclose(y, wanted, rtol=1e-9, atol=1e-9)
        print(f"\n{explain(Container(compiled.save(Path(folder) / 'layer.sgm'))).to_text()}")


if __name__ == "__main__":
    main()
