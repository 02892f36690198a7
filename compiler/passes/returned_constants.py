"""Results that are constants get memory of their own: whoever calls a program releases what it returns."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import find_function

_SAME_BUFFER = frozenset({
    "tensor.cast", "tensor.extract_slice", "tensor.collapse_shape", "tensor.expand_shape", "tensor.reshape",
})  # fmt: skip
"""Operations whose result bufferizes to (a part of) their first operand's memory."""


def copy_returned_constants(module: Any, name: str = "main") -> None:
    """Copies each constant of tensor type that function `name` may return, there where it is passed on.

    Before: `return %cst`. After: `%own = bufferization.alloc_tensor() copy(%cst)`, `return %own`.
    """
    function = find_function(module, name)
    terminator = list(function.regions[0].blocks[0].operations)[-1].operation
    with module.context:
        for position in range(len(terminator.operands)):
            _own(terminator, position)


def _own(user: Any, position: int) -> None:
    """Follows one operand to constants, and gives `user` a copy of one that it reads directly."""
    value = user.operands[position]
    if isinstance(value.owner, ir.Block) or not isinstance(value.type, ir.RankedTensorType):
        return
    op = value.owner.operation if hasattr(value.owner, "operation") else value.owner
    if op.name == "arith.constant":
        with ir.InsertionPoint(user), user.location:
            segments = ir.DenseI32ArrayAttr.get([0, 1, 0])
            user.operands[position] = ir.Operation.create(
                "bufferization.alloc_tensor", [value.type], [value], {"operandSegmentSizes": segments}
            ).result
    elif op.name in _SAME_BUFFER:
        _own(op, 0)
    elif op.name == "arith.select":
        _own(op, 1)
        _own(op, 2)
    elif op.name == "scf.if":
        place = next(i for i, result in enumerate(op.results) if result == value)
        for region in op.regions:
            _own(list(region.blocks[0].operations)[-1].operation, place)
