"""One model on two ranks: parameters cut by the compiler, collectives in the IR, ranks as threads or MPI processes.

`python examples/two_ranks.py` runs the ranks as threads. The artifact it keeps with `--keep FILE.sgm` runs over MPI:
`mpiexec -n 2 stratagem run FILE.sgm`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

import stratagem as sg
from stratagem.api.session import open_session
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.runtime.parameters import ParameterStore

NETWORK = """
func.func @main(%x: tensor<29x64xf32> {model.input = "x"}, %up: tensor<64x256xf32> {model.param = "up"},
                %down: tensor<256x64xf32> {model.param = "down"}) -> (tensor<29x64xf32> {model.output = "y"}) {
  %zero = arith.constant 0.0 : f32
  %wide = tensor.empty() : tensor<29x256xf32>
  %slim = tensor.empty() : tensor<29x64xf32>
  %wide0 = linalg.fill ins(%zero : f32) outs(%wide : tensor<29x256xf32>) -> tensor<29x256xf32>
  %hidden = linalg.matmul ins(%x, %up : tensor<29x64xf32>, tensor<64x256xf32>)
                          outs(%wide0 : tensor<29x256xf32>) -> tensor<29x256xf32>
  %active = linalg.generic {
    indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
    iterator_types = ["parallel", "parallel"]
  } ins(%hidden : tensor<29x256xf32>) outs(%wide : tensor<29x256xf32>) {
  ^bb0(%h: f32, %o: f32):
    %relu = arith.maximumf %h, %zero : f32
    linalg.yield %relu : f32
  } -> tensor<29x256xf32>
  %slim0 = linalg.fill ins(%zero : f32) outs(%slim : tensor<29x64xf32>) -> tensor<29x64xf32>
  %y = linalg.matmul ins(%active, %down : tensor<29x256xf32>, tensor<256x64xf32>)
                     outs(%slim0 : tensor<29x64xf32>) -> tensor<29x64xf32>
  return %y : tensor<29x64xf32>
}
"""
"""Two layers: `up` is cut by columns, `down` by rows, and one sum over the ranks joins them."""


def main() -> None:
    """Compiles for two hosts, runs both ranks, compares with numpy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--keep", type=Path, help="write the artifact here")
    options = parser.parse_args()

    rng = np.random.default_rng(0)
    up, down = rng.standard_normal((64, 256)).astype(np.float32), rng.standard_normal((256, 64)).astype(np.float32)
    program = Program(parse_module(NETWORK), ParameterStore({"up": up, "down": down}))
    compiled = sg.compile(program, target="two-hosts", strategy="tensor")
    print(f"{compiled.compilation.ranks} ranks; collectives at level system:")
    for line in compiled.ir("system").splitlines():
        if "system.all_" in line or "system.reduce_scatter" in line:
            print("  " + line.strip().partition(" loc(")[0])
    for spec in compiled.signature.parameters:
        print(
            f"  each rank holds {spec}" + ("" if spec.shard_dim is None else f", cut along dimension {spec.shard_dim}")
        )

    with tempfile.TemporaryDirectory() as folder:
        session = open_session(compiled.save(options.keep or Path(folder) / "ranks.sgm"))
        x = rng.standard_normal((29, 64)).astype(np.float32)
        (y,) = session.run({"x": x})
        difference = np.abs(y - np.maximum(x @ up, 0) @ down).max()
        print(f"run by {session.label}: largest difference from numpy {difference:.1e}")
        assert difference < 1e-2


if __name__ == "__main__":
    main()
