"""Choices between whole tensors, which MLIR makes of branches that compute nothing, in forms of the tensor level."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, scf

from stratagem.compiler.frontends.elementwise import elementwise
from stratagem.compiler.ir import walk


def lower_choices(function: Any) -> None:
    """Replaces `arith.select` between tensors: elementwise where their sizes are equal, else by `scf.if`."""
    for op in list(walk(function)):
        if op.name != "arith.select" or not isinstance(op.results[0].type, ir.RankedTensorType):
            continue
        with ir.InsertionPoint(op), op.location:
            by_element = isinstance(op.operands[0].type, ir.RankedTensorType)
            same_sizes = by_element or op.results[0].type.has_static_shape
            op.results[0].replace_all_uses_with(_elementwise(*op.operands) if same_sizes else _branch(*op.operands))
        op.erase()


def _elementwise(condition: Any, first: Any, second: Any) -> Any:
    if isinstance(condition.type, ir.RankedTensorType):
        return elementwise([condition, first, second], first.type, arith.select)
    return elementwise([first, second], first.type, lambda one, two: arith.select(condition, one, two))


def _branch(condition: Any, first: Any, second: Any) -> Any:
    choice = scf.IfOp(condition, [first.type], has_else=True)
    for block, value in ((choice.then_block, first), (choice.else_block, second)):
        with ir.InsertionPoint(block):
            scf.YieldOp([value])
    return choice.results[0]
