"""Does a DPU write all of its part of an output? If not, the part must be sent to it first, because it comes
back whole.

Only the plain form is recognised: a forall over tasklets whose tiles follow one another; everything else
counts as "not known".
"""

from __future__ import annotations

from typing import Any

from stratagem.compiler.backends.upmem.geometry import (
    Entry,
    block_of,
    defining_op,
    forall_bounds,
    slice_of,
    terminator,
)
from stratagem.compiler.backends.upmem.scope import Scope
from stratagem.compiler.backends.upmem.symbols import Index
from stratagem.compiler.backends.upmem.tensor_emitter import loop_variable
from stratagem.runtime.errors import UnsupportedError


def covers(value: Any, scope: Scope) -> bool:
    """Whether the operation that makes `value` writes every element of it. `scope` is thrown away by the
    caller."""
    op = defining_op(value)
    if op is None:
        return False
    if op.name == "linalg.generic":
        return True
    if op.name in ("tensor.cast", "tensor.collapse_shape", "tensor.expand_shape"):
        return covers(op.operands[0], scope)
    if op.name != "scf.forall":
        return False
    try:
        return _forall_covers(op, list(op.results).index(value), scope)
    except UnsupportedError:
        return False


def _forall_covers(op: Any, number: int, scope: Scope) -> bool:
    bounds = forall_bounds(op)
    arguments = list(block_of(op).arguments)
    target = arguments[len(bounds.lower) + number]
    inserts = [one.operation for one in block_of(terminator(op)).operations]
    insert = next(one for one in inserts if one.operands[1] == target)
    loops = {}
    for argument, low, high, step in zip(arguments, bounds.lower, bounds.upper, bounds.step, strict=False):
        loops[argument] = _bind_loop(scope, argument, low, high, step)
    if not _source_written(insert.operands[0], scope):
        return False
    return _insert_covers(insert, bounds.outputs[number], loops, scope)


Range = tuple[Index, Index, Index]


def _bind_loop(scope: Scope, argument: Any, low: Entry, high: Entry, step: Entry) -> Range:
    found = (scope.entry(low), scope.entry(high), scope.entry(step))
    scope.bind(argument, loop_variable(scope.fresh("c"), *found))
    return found


def _insert_covers(insert: Any, target: Any, loops: dict[Any, Range], scope: Scope) -> bool:
    """Whether the insertions of all iterations of `loops` together fill `target`."""
    where = slice_of(insert)
    if any(stride != 1 for stride in where.strides):
        return False
    used = set()
    for axis, (offset, size) in enumerate(zip(where.offsets, where.sizes, strict=True)):
        extent = scope.dimension(target, axis)
        if offset in loops:
            used.add(offset)
            if not _tiles_cover(scope.index(offset), scope.entry(size), *loops[offset], extent):
                return False
        elif scope.entry(offset) != Index(0) or scope.entry(size) != extent:
            return False
    return used == set(loops)


def _source_written(value: Any, scope: Scope) -> bool:
    """Whether the tile that is put back was computed, not merely passed on."""
    op = defining_op(value)
    if op is None:
        return False
    if op.name in ("tensor.cast", "tensor.collapse_shape", "tensor.expand_shape"):
        return _source_written(op.operands[0], scope)
    if op.name == "scf.for":
        return _loop_writes(op, list(op.results).index(value), scope)
    return bool(op.name == "linalg.generic")


def _loop_writes(op: Any, number: int, scope: Scope) -> bool:
    """A loop that computes on the whole of what it carries, or fills it piece by piece."""
    value = terminator(op).operands[number]
    made = defining_op(value)
    arguments = list(block_of(op).arguments)
    if made is None or made.name != "tensor.insert_slice" or made.operands[1] != arguments[1 + number]:
        return _source_written(value, scope)
    loops = {arguments[0]: _bind_loop(scope, arguments[0], *list(op.operands)[:3])}
    return _source_written(made.operands[0], scope) and _insert_covers(made, arguments[1 + number], loops, scope)


def _tiles_cover(offset: Index, size: Index, low: Index, high: Index, step: Index, extent: Index) -> bool:
    """Tiles at low, low + step, ... below high: each reaches the next one or the end."""
    if offset == Index(0) and size == extent:
        return True
    if low != Index(0) or high != extent or not step.is_constant:
        return False
    if size == step and extent.divisible_by(step.constant):
        return True
    choices = size.terms[0][0].alternatives if len(size.terms) == 1 and not size.constant else ()
    return bool(choices) and all(choice == step or offset + choice == extent for choice in choices)
