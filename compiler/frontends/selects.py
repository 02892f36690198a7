"""Choices between whole tensors of known sizes, which canonicalization makes of an `scf.if` without computations."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith

from stratagem.compiler.frontends.elementwise import elementwise
from stratagem.compiler.ir import walk


def select_elements(function: Any) -> None:
    """Before: `arith.select %c, %a, %b : tensor<5xf32>`. After: a linalg.generic that selects each element by `%c`."""
    for op in list(walk(function)):
        if op.name != "arith.select":
            continue
        kind = op.results[0].type
        if not isinstance(kind, ir.RankedTensorType) or not kind.has_static_shape:
            continue  # a scalar; or of free sizes, in which the two may differ
        condition, yes, no = op.operands
        scalar = not isinstance(condition.type, ir.RankedTensorType)
        with ir.InsertionPoint(op), op.location:
            if scalar:
                chosen = elementwise([yes, no], kind, lambda a, b, c=condition: arith.select(c, a, b))
            else:
                chosen = elementwise([condition, yes, no], kind, arith.select)
        op.results[0].replace_all_uses_with(chosen)
        op.erase()
