"""stablehlo.sort as tm_tensor.sort."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith

from stratagem.compiler.frontends.stablehlo_scalars import inline_scalars


def lower_sort(op: Any) -> None:
    """stablehlo.sort(comparator) -> tm_tensor.sort.

    StableHLO asks "does a come before b", false for equal keys; tm_tensor asks "may a stay before b", true
    for equal keys. So the comparator becomes not(comparator(b, a)), which also keeps a stable sort stable.
    """
    operands = list(op.operands)
    dimension = ir.IntegerAttr(op.attributes["dimension"]).value
    rank = operands[0].type.rank
    scalars = [kind for value in operands for kind in (value.type.element_type,) * 2]
    with ir.InsertionPoint(op), op.location:
        new = ir.Operation.create(
            "tm_tensor.sort",
            [value.type for value in operands],
            operands,
            attributes={
                "dimension": ir.IntegerAttr.get(ir.IntegerType.get_signless(64), dimension % max(rank, 1)),
                "operandSegmentSizes": ir.DenseI32ArrayAttr.get([0, len(operands)]),
            },
            regions=1,
        )
        block = new.regions[0].blocks.append(*scalars, arg_locs=[op.location] * len(scalars))
        with ir.InsertionPoint(block):
            swapped = [block.arguments[i ^ 1] for i in range(len(scalars))]
            (before,) = inline_scalars(op.regions[0].blocks[0], swapped)
            true = arith.ConstantOp(ir.IntegerType.get_signless(1), 1).result
            ir.Operation.create("tm_tensor.yield", [], [arith.XOrIOp(before, true).result])
    for old, result in zip(op.results, new.results, strict=True):
        old.replace_all_uses_with(result)
    op.erase()
