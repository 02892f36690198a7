"""guard-arctangents: no `math.atan2` has two operands that are zero, for MLIR's folding makes NaN of constants that are
(LLVM 24), where IEEE 754-2019, section 9.2.1, says 0 or pi with the sign of the first.

Before: `math.atan2 %y, %x`. After: the second operand is 1 with its sign where both are zero, which changes no result.
It runs before anything folds; operands may become constants much later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch_mlir import ir
from torch_mlir.dialects import arith, math

from stratagem.compiler.ir import walk
from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program


@dataclass(frozen=True)
class GuardArctangents(Pass):
    name: ClassVar[str] = "guard-arctangents"

    def apply(self, program: Program, context: PassContext) -> None:
        guard_arctangents(program.module)


def guard_arctangents(module: Any) -> None:
    """Guards every arctangent of a module that is not guarded yet."""
    with module.context:
        for op in list(walk(module.operation)):
            if op.name == "math.atan2" and not _guarded(op):
                with ir.InsertionPoint(op), op.location:
                    op.operands[1] = _never_zero_beside_zero(*op.operands)


def _guarded(op: Any) -> bool:
    """Whether the second operand is what this pass makes: a choice between a choice and one of its numbers."""
    outer = op.operands[1].owner
    if getattr(outer, "name", "") != "arith.select":
        return False
    inner = outer.operands[1].owner
    return getattr(inner, "name", "") == "arith.select" and bool(inner.operands[2] == outer.operands[2])


def _never_zero_beside_zero(y: Any, x: Any) -> Any:
    zero, one = (_constant(x.type, value) for value in (0.0, 1.0))
    beside = arith.select(arith.cmpf(arith.CmpFPredicate.OEQ, x, zero), math.copysign(one, x), x)
    return arith.select(arith.cmpf(arith.CmpFPredicate.OEQ, y, zero), beside, x)


def _constant(kind: Any, value: float) -> Any:
    """A number, or a tensor or vector of it."""
    if not isinstance(kind, ir.ShapedType):
        return arith.constant(kind, value)
    element = ir.FloatAttr.get(kind.element_type, value)
    return arith.constant(kind, ir.DenseElementsAttr.get_splat(kind, element))
