"""Reductions that start from a constant: the fill before them is left out and registers start with its value."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.cpu.loops.body import reads_argument

UNTOUCHED = (
    "arith.",
    "affine.",
    "index.",
    "memref.subview",
    "memref.cast",
    "memref.dim",
    "memref.alloc",
    "builtin.unrealized_conversion_cast",
    "llvm.extractvalue",
    "llvm.getelementptr",
)
"""Operations between a fill and its reader that neither read nor write buffers."""


def fill_before(place: Any, op: Any) -> Any | None:
    """The `linalg.generic` right before `place` that does nothing but fill the buffer that `op` then writes all of.

    That buffer is the one of the sums, which come before outputs that `op` only stores.

    Right before: nothing between the two reads or writes any buffer. `place` is `op` or a loop around it. None where
    there is no such fill.
    """
    first, count = (int(n) for n in ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"]))
    body, buffer = op.regions[0].blocks[0], op.operands[first]
    if any(reads_argument(body, first + i) for i in range(1, count)) or not _writes_all(op, first):
        return None
    before = None
    for view in place.block.operations:
        one = view.operation
        if one == place:
            break
        before = one if not one.name.startswith(UNTOUCHED) else before
    if before is None or before.name != "linalg.generic" or before.operands[len(before.operands) - 1] != buffer:
        return None
    return before if value_of(before) is not None else None


def value_of(fill: Any) -> Any | None:
    """The scalar that a `linalg.generic` writes everywhere; None where it does something else."""
    body = fill.regions[0].blocks[0]
    operations = [view.operation for view in body.operations]
    if len(operations) != 1 or len(operations[0].operands) != 1:
        return None
    value = operations[0].operands[0]
    if isinstance(value, ir.BlockArgument) and value.owner == body:
        number = int(value.arg_number)
        value = fill.operands[number]
        if number == len(fill.operands) - 1 or isinstance(value.type, ir.MemRefType):
            return None
    return value


def _writes_all(op: Any, output: int) -> bool:
    """Whether every element of the operand `output` is indexed by loop counters of its own."""
    buffer, written = op.operands[output], ir.AffineMapAttr(ir.ArrayAttr(op.attributes["indexing_maps"])[output]).value
    loops = [ir.AffineDimExpr(e).position for e in written.results if isinstance(e, ir.AffineDimExpr)]
    sizes = zip(written.results, ir.MemRefType(buffer.type).shape, strict=True)
    rest = [size == 1 for e, size in sizes if not isinstance(e, ir.AffineDimExpr)]
    return len(set(loops)) == len(loops) and all(rest)
