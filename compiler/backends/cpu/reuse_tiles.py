"""Elementwise operations on tiles write over the tile that they are the last to read.

Before: `%e = exp(%s) outs(%empty)`, `%y = mul(%e, ...) outs(%place)`. After: `%e = exp(%s) outs(%s)` where nothing
reads `%s` later, or, if the result has a place already, both in that place. A row then takes half of the cache, and
the lines of the result are fetched while the functions are computed.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import bufferization

from stratagem.compiler.ir import functions, walk


def reuse_tiles(module: Any) -> None:
    """Rewrites the kernels of a module, on tensors."""
    with module.context, ir.Location.unknown():
        for function in functions(module):
            ops = [one for one in walk(function) if one.name == "linalg.generic"]
            for op in reversed(ops):
                _reuse_input(op)
            for op in ops:
                _separate_sums(op)


def _reuse_input(op: Any) -> None:
    """Lets `op` write over one of its inputs, where it may."""
    if len(op.results) != 1 or not _is_elementwise(op) or _reads_place(op):
        return
    place = op.operands[len(op.operands) - 1]
    for i, value in enumerate(list(op.operands)[:-1]):
        if value.type != place.type or not _is_identity(op, i) or not _is_identity(op, len(op.operands) - 1):
            continue
        start = _unwritten_start(value, op)
        if start is None:
            continue
        if _maker(place) is not None and _maker(place).name == "tensor.empty":
            op.operands[len(op.operands) - 1] = value
            return
        if _start_in(value, start, place, op):
            op.operands[len(op.operands) - 1] = value
            return


def _separate_sums(op: Any) -> None:
    """Gives the sums of a reduction memory of their own. In that of earlier ones, which `op`'s producer may still read,
    it could not run together with its producer."""
    fill = _maker(op.operands[len(op.operands) - 1])
    if _is_elementwise(op) or fill is None or fill.name != "linalg.fill":
        return
    empty = _maker(fill.operands[1])
    if empty is None or empty.name != "tensor.empty" or (_is_used_once(empty) and _is_used_once(fill)):
        return
    with ir.InsertionPoint(op):
        # No `tensor.empty`: equal ones become one again.
        own = bufferization.AllocTensorOp(empty.results[0].type, list(empty.operands)).result
    filled = fill.clone(ir.InsertionPoint(op)).operation
    filled.operands[1] = own
    op.operands[len(op.operands) - 1] = filled.results[0]


def _is_used_once(op: Any) -> bool:
    return len(list(op.results[0].uses)) == 1


def _unwritten_start(value: Any, reader: Any) -> Any | None:
    """The `tensor.empty` over which `value` was made in the block of `reader`, when no operation after `reader` uses
    it; None where there is none."""
    maker = _maker(value)
    if maker is None or maker.name != "linalg.generic" or len(maker.results) != 1 or maker.block != reader.block:
        return None
    order = {child.operation: n for n, child in enumerate(reader.block.operations)}
    users = [_child_of(use.owner.operation, reader.block) for use in value.uses]
    if any(user is None or order[user] > order[reader] for user in users) or _uses(value, reader) != 1:
        return None
    start = maker.operands[len(maker.operands) - 1]
    filled = _maker(start)
    if filled is not None and filled.name == "linalg.fill":
        start = filled.operands[1]
    first = _maker(start)
    return start if first is not None and first.name == "tensor.empty" else None


def _start_in(value: Any, start: Any, place: Any, reader: Any) -> bool:
    """Makes `value` over `place` instead of over `start`; whether that could be done.

    The place must be a slice that nothing else uses and that can be taken before `value` is made.
    """
    taken = _maker(place)
    if taken is None or taken.name != "tensor.extract_slice" or taken.block != reader.block:
        return False
    if not _is_used_once(taken):
        return False
    maker = _maker(value)
    order = {child.operation: n for n, child in enumerate(reader.block.operations)}
    needed = [_maker(v) for v in taken.operands]
    if any(op is not None and order.get(op, -1) >= order[maker] for op in needed):
        return False
    taken.move_before(maker)
    last = len(maker.operands) - 1
    if maker.operands[last] == start:
        maker.operands[last] = place
        return True
    fill = _maker(maker.operands[last]).clone(ir.InsertionPoint(maker)).operation
    fill.operands[1] = place
    maker.operands[last] = fill.results[0]
    return True


def _child_of(op: Any, block: Any) -> Any | None:
    """The operation of `block` that is `op` or holds it."""
    while op is not None and op.block != block:
        op = op.parent.operation if op.parent is not None else None
    return op


def _uses(value: Any, reader: Any) -> int:
    return sum(operand == value for operand in reader.operands)


def _maker(value: Any) -> Any:
    """The operation that makes a value; None for a block's argument."""
    return None if isinstance(value.owner, ir.Block) else value.owner.operation


def _is_elementwise(op: Any) -> bool:
    return "reduction" not in str(op.attributes["iterator_types"])


def _reads_place(op: Any) -> bool:
    block = op.regions[0].blocks[0]
    return next(iter(block.arguments[len(block.arguments) - 1].uses), None) is not None


def _is_identity(op: Any, i: int) -> bool:
    one = ir.AffineMapAttr(ir.ArrayAttr(op.attributes["indexing_maps"])[i]).value
    return bool(one == ir.AffineMap.get_identity(one.n_dims))
