"""Broadcasts of one number as linalg.fill, the form that everything below knows."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg

from stratagem.compiler.frontends.complex_planes import is_complex
from stratagem.compiler.frontends.constants import splat_value
from stratagem.compiler.frontends.stablehlo_scalars import extract_scalar


def fill_for_broadcast(op: Any) -> None:
    """linalg.generic that copies a 0-dimensional tensor everywhere -> linalg.fill; other operations stay."""
    if not _copies_scalar(op):
        return
    source, target = op.operands
    with ir.InsertionPoint(op), op.location:
        op.results[0].replace_all_uses_with(linalg.fill(_number(source), outs=[target]))
    op.erase()


def _copies_scalar(op: Any) -> bool:
    if op.name != "linalg.generic" or len(op.operands) != 2 or len(op.results) != 1:
        return False
    types = [op.operands[0].type, op.results[0].type]
    if not all(isinstance(t, ir.RankedTensorType) for t in types) or types[0].rank or not types[1].rank:
        return False
    block = op.regions[0].blocks[0]
    operations = list(block.operations)
    return len(operations) == 1 and operations[0].operands[0] == block.arguments[0]


def _number(source: Any) -> Any:
    owner = source.owner
    operation = owner.operation if isinstance(owner, ir.Operation | ir.OpView) else None
    if operation is None or operation.name != "arith.constant" or is_complex(source.type):
        return extract_scalar(source)
    splat = splat_value(operation.attributes["value"])
    return arith.ConstantOp(source.type.element_type, splat).result
