"""May an operation overwrite the storage of a tensor value? Tensors are values: only when nobody reads it
afterwards."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.upmem.geometry import defining_op, slice_of

_ALIASES = ("tensor.cast", "tensor.collapse_shape", "tensor.expand_shape")


def users(value: Any) -> list[Any]:
    """Operations that read the elements of `value` (its size alone does not count)."""
    found = [use.owner.operation for use in value.uses]
    return [op for op in found if op.name != "tensor.dim"]


def may_overwrite(value: Any, op: Any) -> bool:
    """Whether `op`, a user of `value`, is the last to see its elements.

    True when every other user comes before `op` in the same block, `op` itself reads it in one place only, `value`
    belongs to that block, and `value` is not a window into something that is still needed.
    """
    if sum(operand == value for operand in op.operands) > 1:
        return False
    if _block(value) != op.block or not all(_before(other, op) for other in users(value)):
        return False
    source = defining_op(value)
    if source is None:
        return True
    if source.name in _ALIASES:
        return may_overwrite(source.operands[0], source)
    if source.name == "tensor.extract_slice":
        return returns_to_parent(source)
    return bool(source.name != "arith.constant")


def returns_to_parent(extract: Any) -> bool:
    """Whether the slice is put back where it was taken, and nothing else reads the parent meanwhile."""
    parent = extract.operands[0]
    others = [user for user in users(parent) if user != extract]
    if len(others) != 1:
        return False
    insert = others[0]
    if insert.name not in ("tensor.insert_slice", "tensor.parallel_insert_slice") or insert.operands[1] != parent:
        return False
    return slice_of(insert) == slice_of(extract)


def consumed_by_compute(value: Any) -> bool:
    """Whether an operation reads elements of `value` directly, so that it must be addressable."""
    direct = ("linalg.", "tensor.extract", "tm_tensor.")
    slices = ("tensor.extract_slice",)
    return any(user.name.startswith(direct) and user.name not in slices for user in users(value))


def _block(value: Any) -> Any:
    owner = value.owner
    return owner if isinstance(owner, ir.Block) else owner.operation.block


def _before(other: Any, op: Any) -> bool:
    if other == op:
        return True
    if other.block != op.block:
        return False
    for one in op.block.operations:
        if one.operation == other:
            return True
        if one.operation == op:
            return False
    return False
