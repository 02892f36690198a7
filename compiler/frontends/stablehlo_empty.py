"""Slices without elements and reductions over none, which the wheel's passes do not take.

MLIR has no slice that begins at the end of a dimension, as `x[5:]` of five rows does, and the lowering of reductions
leaves those of tensors without elements.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.frontends.stablehlo_build import broadcast, like, shape_of


def fold_empty_slice(op: Any) -> None:
    """A slice whose type has no elements -> a constant without elements; other slices stay."""
    result = op.results[0]
    if 0 not in shape_of(result):
        return
    with ir.InsertionPoint(op), op.location:
        result.replace_all_uses_with(like(0, result))
    op.erase()


def fold_empty_reduction(op: Any) -> None:
    """A reduction of no elements -> what it starts from, everywhere; others, and those of free sizes, stay."""
    count = len(op.results)
    if 0 not in shape_of(op.operands[0]) or not all(r.type.has_static_shape for r in op.results):
        return
    with ir.InsertionPoint(op), op.location:
        for result, start in zip(op.results, list(op.operands)[count:], strict=True):
            result.replace_all_uses_with(broadcast(start, shape_of(result), []))
    op.erase()
