"""Products by generated code and by the libraries that hardware files offer, in turns: who is faster where.

    python -m benchmarks.libraries examples/hardware/cpu-onednn.yaml examples/hardware/cpu-openblas.yaml --threads 2

Weights stand as generated code reads them (in panels, where `pack-weights` cuts them), and as libraries do.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator

import numpy as np

from stratagem.api.compiling import compile
from stratagem.compiler import knobs
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.compiler.schedule import kernel
from stratagem.compiler.schedule.library import Offer, read_offer
from stratagem.runtime.parameters import ParameterStore

WEIGHT, INPUT = True, False
SIZES = (
    (1, 1024, 1024, WEIGHT),
    (16, 4096, 4096, WEIGHT),
    (32, 1024, 1024, WEIGHT),
    (128, 768, 768, WEIGHT),
    (128, 768, 3072, WEIGHT),
    (128, 1000, 1000, WEIGHT),
    (512, 512, 512, WEIGHT),
    (512, 512, 512, INPUT),
    (1024, 1024, 1024, INPUT),
    (2048, 2048, 2048, WEIGHT),
    (100, 300, 500, INPUT),
    (127, 129, 131, INPUT),
)
"""Rows, depth, columns, and whether the right side is a weight."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("targets", nargs="+", help="hardware files that offer a library")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as processors")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, knobs.scope(threads=arguments.threads, cache=folder):
        print("rows x depth x columns", *arguments.targets, sep=" | ")
        for m, k, n, weight in SIZES:
            found = [offer for target in arguments.targets for offer in offers(m, k, n, weight, target)]
            print(f"{m} x {k} x {n}, {'weight' if weight else 'input'}", *map(row, found), sep=" | ", flush=True)


def row(offer: Offer) -> str:
    """Times of both, and how much faster the library is."""
    return f"{offer.generated * 1e3:.3g} ms, {offer.library * 1e3:.3g} ms, {offer.generated / offer.library:.2f}"


def offers(m: int, k: int, n: int, weight: bool, target: str) -> Iterator[Offer]:
    """What a library came to, measured."""
    store = ParameterStore({"b": np.random.default_rng(0).normal(size=(k, n)).astype(np.float32)} if weight else {})
    model = compile(Program(parse_module(product(m, k, n, weight)), store), target=target, tune=4)
    for function in kernel.kernels(parse_module(model.ir("device"))):
        if (offer := read_offer(function)) is not None and offer.measured:
            yield offer


def product(m: int, k: int, n: int, weight: bool) -> str:
    a, b, c = f"tensor<{m}x{k}xf32>", f"tensor<{k}x{n}xf32>", f"tensor<{m}x{n}xf32>"
    return f"""module attributes {{stratagem.level = "tensor"}} {{
func.func @main(%a: {a} {{model.input = "a"}}, %b: {b} {{model.{"param" if weight else "input"} = "b"}})
    -> ({c} {{model.output = "c"}}) {{
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : {c}
  %f = linalg.fill ins(%zero : f32) outs(%e : {c}) -> {c}
  %r = linalg.matmul ins(%a, %b : {a}, {b}) outs(%f : {c}) -> {c}
  return %r : {c}
}}
}}"""


if __name__ == "__main__":
    main()
