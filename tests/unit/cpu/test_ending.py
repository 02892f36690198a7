"""Sums end as what follows makes of them, in registers, where nothing else sees the sums themselves."""

from __future__ import annotations

from typing import Any

import pytest

from stratagem.compiler.backends.cpu.bufferize import bufferize_kernels
from stratagem.compiler.backends.cpu.loops.lower_linalg import lower_linalg
from stratagem.compiler.backends.cpu.target import CpuTarget
from stratagem.compiler.ir import parse_module, walk

WIDE = CpuTarget(vector_bytes=64, registers=32)
ADDED = "%t = arith.addf %p, %q : f32"


def kernel(
    written: str = "(i,j)->(i,j)", out: str = "24x64", more: str = "", result: str = "%y", bias: str = "%b"
) -> str:
    """C = A B, then C + bias through `written`."""
    return f"""
#mk = affine_map<(i,j,k)->(i,k)>
#kn = affine_map<(i,j,k)->(k,j)>
#mn = affine_map<(i,j,k)->(i,j)>
func.func private @k(%a: tensor<24x40xf32>, %w: tensor<40x64xf32>, %b: tensor<64xf32>,
    %o: tensor<{out}xf32> {{device.dest}}) -> tensor<{out}xf32> {{
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<24x64xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<24x64xf32>) -> tensor<24x64xf32>
  %c = linalg.generic {{indexing_maps = [#mk, #kn, #mn], iterator_types = ["parallel", "parallel", "reduction"]}}
      ins(%a, %w : tensor<24x40xf32>, tensor<40x64xf32>) outs(%f : tensor<24x64xf32>) {{
  ^bb0(%p: f32, %q: f32, %s: f32):
    %m = arith.mulf %p, %q : f32
    %n = arith.addf %s, %m : f32
    linalg.yield %n : f32
  }} -> tensor<24x64xf32>
  {more}
  %y = linalg.generic {{indexing_maps = [affine_map<(i,j)->(i,j)>, affine_map<(i,j)->(j)>, affine_map<{written}>],
      iterator_types = ["parallel", "parallel"]}}
      ins(%c, {bias} : tensor<24x64xf32>, tensor<64xf32>) outs(%o : tensor<{out}xf32>) {{
  ^bb0(%p: f32, %q: f32, %s: f32):
    {ADDED}
    linalg.yield %t : f32
  }} -> tensor<{out}xf32>
  return {result} : tensor<{out}xf32>
}}"""


def lowered(text: str) -> tuple[list[str], Any]:
    module = parse_module(text)
    bufferize_kernels(module)
    plans = lower_linalg(module, WIDE)
    assert module.operation.verify()
    return [str(plan) for _, plan in plans], module


def allocations(module: Any) -> int:
    return sum(op.name == "memref.alloc" for op in walk(module.operation))


def test_a_bias_is_added_in_registers() -> None:
    """One nest, and each vector of the result is written once."""
    plans, module = lowered(kernel())
    assert plans == ["block 6x4 of 16 lanes"]
    assert "llvm.masked" not in str(module)
    stores = [op for op in walk(module.operation) if op.name == "llvm.store"]
    assert len(stores) == 24


def test_a_sum_without_a_follower_starts_in_registers() -> None:
    text = kernel().replace("outs(%e : tensor<24x64xf32>) -> ", "outs(%o : tensor<24x64xf32>) -> ", 1)
    start = text.index("%y = linalg.generic")
    plans, module = lowered(text[:start] + "return %c : tensor<24x64xf32>\n}")
    assert plans == ["block 6x4 of 16 lanes"] and not allocations(module)
    sums = [op for op in walk(module.operation) if op.name == "llvm.load" and "vector" in str(op.results[0].type)]
    assert len(sums) == 4  # of the right side, the vectors of one step; none of the sums


TRANSPOSED = kernel("(i,j)->(j,i)", "64x24")
READ_AGAIN = kernel(
    more="""%z = linalg.generic {indexing_maps = [affine_map<(i,j)->(i,j)>, affine_map<(i,j)->(j)>],
      iterator_types = ["reduction", "parallel"]} ins(%c : tensor<24x64xf32>) outs(%b : tensor<64xf32>) {
  ^bb0(%p: f32, %s: f32):
    %n = arith.maximumf %p, %s : f32
    linalg.yield %n : f32
  } -> tensor<64xf32>""",
    bias="%z",
)
INDEXED = kernel().replace(
    ADDED,
    """%i = linalg.index 1 : index
    %j = arith.index_cast %i : index to i32
    %k = arith.sitofp %j : i32 to f32
    %t = arith.addf %p, %k : f32""",
)


@pytest.mark.parametrize("text", [TRANSPOSED, READ_AGAIN, INDEXED], ids=["transposed", "read again", "indexed"])
def test_what_does_not_fit_runs_one_by_one(text: str) -> None:
    """The start of a sum joins it, what follows does not."""
    plans, module = lowered(text)
    assert len(plans) >= 2 and plans[0].startswith("block") and allocations(module)
