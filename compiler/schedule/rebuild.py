"""Makes a changed copy of a generic: other operands, accesses and loops, same body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg

from stratagem.compiler.schedule.clone import Mapping, clone
from stratagem.compiler.schedule.structured import (
    Access,
    Linear,
    accesses,
    affine_map,
    body,
    body_ops,
    inits,
    input_count,
    inputs,
    is_tensor,
    iterators,
    output_accesses,
    unsized_loops,
)

Pair = tuple[Any, Access]
"""A value and how it is read."""


def empty_generic(like: Any, read: Sequence[Pair]) -> Any:
    """A generic at the insertion point with the loops, inits and results of another, other inputs, and no body yet."""
    count, outs = len(iterators(like)), inits(like)
    maps = [affine_map(a, count) for _, a in read] + [affine_map(a, count) for a in output_accesses(like)]
    made = linalg.GenericOp(
        [r.type for r in like.results],
        [v for v, _ in read],
        outs,
        ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in maps]),
        like.attributes["iterator_types"],
    ).operation
    elements = [v.type.element_type if is_tensor(v) else v.type for v in [*(v for v, _ in read), *outs]]
    made.regions[0].blocks.append(*elements)
    return made


def rebuild(
    op: Any,
    operands: Sequence[Any],
    accesses: Sequence[Access],
    iterators: Sequence[str],
    loops: dict[int, int],
) -> Any:
    """Copies `op` at the insertion point. `loops` gives the new number of each old loop that still exists.

    Result types follow the new inits. The body keeps its meaning: `linalg.index` ops are renumbered.
    """
    copy = op.clone()
    for i, value in enumerate(operands):
        copy.operands[i] = value
    for result, init in zip(copy.results, list(operands)[input_count(op) :], strict=True):
        result.set_type(init.type)
    maps = [ir.AffineMapAttr.get(affine_map(a, len(iterators))) for a in accesses]
    copy.attributes["indexing_maps"] = ir.ArrayAttr.get(maps)
    kinds = [ir.Attribute.parse(f"#linalg.iterator_type<{kind}>") for kind in iterators]
    copy.attributes["iterator_types"] = ir.ArrayAttr.get(kinds)
    for inner in body_ops(copy):
        if inner.name == "linalg.index":
            old = int(ir.IntegerAttr(inner.attributes["dim"]).value)
            inner.attributes["dim"] = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), loops[old])
    return copy


def renumber(access: Access, loops: dict[int, int]) -> Access:
    """The access with its loops renamed."""
    return tuple(
        None if r is None else Linear(tuple((loops[loop], f) for loop, f in r.terms), r.constant) for r in access
    )


def indexed_loops(op: Any) -> set[int]:
    """Loops whose iteration number the body reads."""
    return {int(ir.IntegerAttr(o.attributes["dim"]).value) for o in body_ops(op) if o.name == "linalg.index"}


def is_copy(op: Any) -> bool:
    """Whether the body only passes its first input on: a transposition, a broadcast or a plain copy."""
    ops = body_ops(op)
    if input_count(op) != 1 or len(op.results) != 1 or len(ops) != 1:
        return False
    return bool(ops[0].operands[0] == op.regions[0].blocks[0].arguments[0])


def replace(
    op: Any,
    operands: Sequence[Any],
    accesses: Sequence[Access],
    iterators: Sequence[str],
    loops: dict[int, int],
) -> Any:
    """Puts a `rebuild` of `op` with the same result types in its place; returns it."""
    with ir.InsertionPoint(op), op.location:
        made = rebuild(op, operands, accesses, iterators, loops)
    for old, new in zip(op.results, made.results, strict=True):
        old.replace_all_uses_with(new)
    op.erase()
    return made


def drop_unread_inputs(op: Any) -> Any:
    """Takes inputs that the body does not read, and no loop needs for its size, out of `op`; returns the op in its
    place."""
    arguments = list(body(op).arguments)
    pairs = list(zip(inputs(op), accesses(op), strict=False))
    kept = [i for i in range(len(pairs)) if list(arguments[i].uses)]
    read = [pairs[i] for i in kept]
    sized = [*(a for _, a in read), *output_accesses(op)]
    linear = all(r is not None for access in sized for r in access)
    if len(kept) == len(pairs) or not linear or unsized_loops(sized, len(iterators(op))):
        return op
    with ir.InsertionPoint(op), op.location:
        made = empty_generic(op, read)
        staying = [arguments[i] for i in kept] + arguments[len(pairs) :]
        mapping: Mapping = dict(zip(staying, body(made).arguments, strict=True))
        with ir.InsertionPoint(body(made)):
            for inner in body_ops(op):
                clone(inner, mapping)
    for old, new in zip(op.results, made.results, strict=True):
        old.replace_all_uses_with(new)
    op.erase()
    return made


def drop_unit_loops(op: Any, unit: Sequence[int]) -> Any:
    """Takes loops that run once out of `op`, whose operands keep their shapes; returns the op in its place."""
    kinds = iterators(op)
    kept = [i for i in range(len(kinds)) if i not in unit]
    loops = {old: new for new, old in enumerate(kept)}
    for inner in body_ops(op):
        if inner.name == "linalg.index" and int(ir.IntegerAttr(inner.attributes["dim"]).value) in unit:
            with ir.InsertionPoint(inner), inner.location:
                first = arith.ConstantOp(ir.IndexType.get(), 0).result
            inner.results[0].replace_all_uses_with(first)
            inner.erase()
    reads = [_without(access, unit) for access in accesses(op)]
    return replace(op, list(op.operands), [renumber(a, loops) for a in reads], [kinds[i] for i in kept], loops)


def _without(access: Access, unit: Sequence[int]) -> Access:
    """The access where the loops `unit` stand at their only iteration, 0."""
    return tuple(
        None if r is None else Linear(tuple((loop, f) for loop, f in r.terms if loop not in unit), r.constant)
        for r in access
    )
