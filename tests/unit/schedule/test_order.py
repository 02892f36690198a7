"""Sorting a block by need: it ends, also when operations need each other."""

from __future__ import annotations

import pytest
from torch_mlir import ir

from stratagem.compiler.ir import find_function, parse_module
from stratagem.compiler.schedule.order import sort_block
from stratagem.runtime.errors import PassError

BLOCK = """
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %e = tensor.empty() : tensor<4xf32>
  %a = linalg.negf ins(%x : tensor<4xf32>) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %b = linalg.negf ins(%a : tensor<4xf32>) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  return %b : tensor<4xf32>
}
"""


def test_values_come_before_their_uses() -> None:
    module = parse_module(BLOCK)
    block = find_function(module, "main").regions[0].blocks[0]
    ops = [view.operation for view in block.operations]
    ops[0].move_before(ops[3])
    sort_block(block)
    module.operation.verify()


def test_operations_that_need_each_other_are_refused() -> None:
    module = parse_module(BLOCK)
    block = find_function(module, "main").regions[0].blocks[0]
    _, first, second, _ = (view.operation for view in block.operations)
    with ir.Location.unknown(module.context):
        first.operands[0] = second.results[0]
    with pytest.raises(PassError, match=r"linalg.negf would need its own result to be computed"):
        sort_block(block)
