"""fill-splats: a tensor of equal elements is filled when the program runs, instead of being stored as a constant.

Before: `tensor.splat %s`, or `arith.constant dense<1.0> : tensor<100x200xf32>`, which MLIR's folding makes of it.
After: `tensor.empty` and `linalg.fill`. A constant of few elements stays what it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, tensor

from stratagem.compiler.ir import walk
from stratagem.compiler.levels.tensor import CONSTANT_LIMIT
from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program


@dataclass(frozen=True)
class FillSplats(Pass):
    name: ClassVar[str] = "fill-splats"

    def apply(self, program: Program, context: PassContext) -> None:
        with program.module.context:
            for op in list(walk(program.module.operation)):
                if not _is_large_splat(op):
                    continue
                with ir.InsertionPoint(op), op.location:
                    op.results[0].replace_all_uses_with(_filled(op))
                op.erase()


def _is_large_splat(op: Any) -> bool:
    if op.name == "tensor.splat":
        return True
    if op.name != "arith.constant" or not isinstance(op.results[0].type, ir.RankedTensorType):
        return False
    value = op.attributes["value"].maybe_downcast()
    return isinstance(value, ir.DenseElementsAttr) and bool(value.is_splat) and len(value) > CONSTANT_LIMIT


def _filled(op: Any) -> Any:
    kind = ir.RankedTensorType(op.results[0].type)
    if op.name == "tensor.splat":
        scalar, sizes = op.operands[0], list(op.operands)[1:]
    else:
        value = op.attributes["value"].maybe_downcast()
        scalar, sizes = arith.ConstantOp(kind.element_type, value.get_splat_value()).result, []
    free = iter(sizes)
    extents = [next(free) if kind.is_dynamic_dim(d) else kind.get_dim_size(d) for d in range(kind.rank)]
    return linalg.fill(scalar, outs=[tensor.EmptyOp(extents, kind.element_type).result])
