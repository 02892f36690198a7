"""From the tensor level through the tiler to emitted kernels: each kernel of a program, interpreted under checks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stratagem.compiler.backends.gpu.compile import print_kernels
from stratagem.compiler.backends.gpu.interpreter import CheckedInterpreter
from stratagem.compiler.driver import StageRunner
from stratagem.compiler.interpreter.api import compare, reference_with_bound
from stratagem.compiler.ir import clone_module, functions, parse_module, symbol_name
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.pipeline import PIPELINE
from stratagem.compiler.program import Program
from stratagem.hwmodels import load_machine
from tests.unit.gpu.support import arguments, device, needs_triton

pytestmark = needs_triton

ROWS, ID = "affine_map<(i, j) -> (i)>", "affine_map<(i, j) -> (i, j)>"


def normalised_matmul(k: int, n: int) -> str:
    """y = softmax(x @ w) with a dynamic number of rows."""
    full, rows = f"tensor<?x{n}xf32>", "tensor<?xf32>"
    return f"""
    func.func @main(%x: tensor<?x{k}xf32> {{model.input = "x"}}, %w: tensor<{k}x{n}xf32> {{model.param = "w"}})
        -> ({full} {{model.output = "y"}}) {{
      %c0 = arith.constant 0 : index
      %zero = arith.constant 0.0 : f32
      %lowest = arith.constant 0xFF800000 : f32
      %m = tensor.dim %x, %c0 : tensor<?x{k}xf32>
      %e = tensor.empty(%m) : {full}
      %r = tensor.empty(%m) : {rows}
      %z = linalg.fill ins(%zero : f32) outs(%e : {full}) -> {full}
      %p = linalg.matmul ins(%x, %w : tensor<?x{k}xf32>, tensor<{k}x{n}xf32>) outs(%z : {full}) -> {full}
      %m0 = linalg.fill ins(%lowest : f32) outs(%r : {rows}) -> {rows}
      %mx = linalg.generic {{indexing_maps = [{ID}, {ROWS}], iterator_types = ["parallel", "reduction"]}}
          ins(%p : {full}) outs(%m0 : {rows}) {{
      ^bb0(%a: f32, %b: f32):
        %t = arith.maximumf %a, %b : f32
        linalg.yield %t : f32
      }} -> {rows}
      %ex = linalg.generic {{indexing_maps = [{ID}, {ROWS}, {ID}], iterator_types = ["parallel", "parallel"]}}
          ins(%p, %mx : {full}, {rows}) outs(%e : {full}) {{
      ^bb0(%a: f32, %b: f32, %old: f32):
        %d = arith.subf %a, %b : f32
        %t = math.exp %d : f32
        linalg.yield %t : f32
      }} -> {full}
      %s0 = linalg.fill ins(%zero : f32) outs(%r : {rows}) -> {rows}
      %sm = linalg.generic {{indexing_maps = [{ID}, {ROWS}], iterator_types = ["parallel", "reduction"]}}
          ins(%ex : {full}) outs(%s0 : {rows}) {{
      ^bb0(%a: f32, %b: f32):
        %t = arith.addf %a, %b : f32
        linalg.yield %t : f32
      }} -> {rows}
      %y = linalg.generic {{indexing_maps = [{ID}, {ROWS}, {ID}], iterator_types = ["parallel", "parallel"]}}
          ins(%ex, %sm : {full}, {rows}) outs(%e : {full}) {{
      ^bb0(%a: f32, %b: f32, %old: f32):
        %t = arith.divf %a, %b : f32
        linalg.yield %t : f32
      }} -> {full}
      return %y : {full}
    }}"""


def kernels_of(text: str) -> dict[str, Any]:
    """The kernels the compiler makes of a program for the GPU, each as a module of its own."""
    program = Program(parse_module(text))
    StageRunner(PassContext(load_machine("h100"))).run(program, PIPELINE, until="device")
    found = {}
    for name in (symbol_name(f) for f in functions(program.module)):
        if name == "main":
            continue
        module = clone_module(program.module)
        for other in functions(module):
            if symbol_name(other) != name:
                other.erase()
        found[name] = module
    return found


@pytest.mark.parametrize(("k", "n"), [(40, 70), (129, 1), (7, 257)])
@pytest.mark.parametrize("rows", [1, 5, 67])
def test_program(interpreter: CheckedInterpreter, k: int, n: int, rows: int) -> None:
    kernels = kernels_of(normalised_matmul(k, n))
    assert kernels
    for name, module in kernels.items():
        kernel = print_kernels(module, device())[0]
        given: list[Any] = list(arguments(kernel.plan, rows))
        for position, argument in enumerate(kernel.plan.arguments):
            if argument.shape is None:
                given[position] = rows
        filled = [np.nan_to_num(np.asarray(a)) for a in given]
        value, bound = reference_with_bound(module, filled, function=name)[0]
        interpreter.run(kernel.source, kernel.plan, given)
        verdict = compare(given[-1], value, bound)
        assert verdict, f"{name}: {verdict}"
