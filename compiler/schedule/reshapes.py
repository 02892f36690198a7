"""Moves reshapes out of the way of fusion.

Three rewrites, each on one generic. *Unit dimensions*: a reshape that only adds or drops extents of 1 is
read through.
*Expand*: a contraction whose batch dimension is a collapsed group works on the group's dimensions instead,
so that what surrounds it (masks, head transpositions) can join it. *Collapse*: any other op that reads an expanded
tensor works on the collapsed one, so that it can join the contraction that made it; its result is expanded for whoever
wants that.
Idea: reshape propagation by expansion and collapsing, as in MLIR's linalg fusion.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import linalg, tensor

from stratagem.compiler.ir import DYNAMIC
from stratagem.compiler.lemmas.registry import rewrite
from stratagem.compiler.schedule.extents import extent
from stratagem.compiler.schedule.index import Index
from stratagem.compiler.schedule.rebuild import indexed_loops, rebuild, renumber, replace
from stratagem.compiler.schedule.structured import (
    Access,
    Linear,
    accesses,
    input_count,
    is_contraction,
    is_fill,
    is_generic,
    is_tensor,
    iterators,
    owner,
    shape,
    unsized_loops,
)

Groups = list[list[int]]


def reassociation(op: Any) -> Groups:
    """The dimension groups of a collapse_shape or expand_shape."""
    groups = ir.ArrayAttr(op.attributes["reassociation"])
    return [[int(ir.IntegerAttr(i).value) for i in ir.ArrayAttr(g)] for g in groups]


def _behind(value: Any, name: str) -> Any | None:
    op = owner(value) if is_tensor(value) else None
    return op if op is not None and op.name == name else None


# ---- unit dimensions


@rewrite("unit-index")
def read_through_unit_reshapes(op: Any) -> Any:
    """Replaces input operands of `op` that differ from their source by unit dimensions only; returns the new
    op."""
    operands, reads, changed = list(op.operands), accesses(op), False
    for i in range(input_count(op)):
        found = _unit_source(operands[i], reads[i])
        if found is not None:
            operands[i], reads[i] = found
            changed = True
    loops = len(iterators(op))
    if not changed or unsized_loops(reads, loops):
        return op
    return replace(op, operands, reads, iterators(op), {i: i for i in range(loops)})


def _unit_source(value: Any, read: Access) -> tuple[Any, Access] | None:
    expand = _behind(value, "tensor.expand_shape")
    if expand is not None:
        main = _main_dims(shape(value), reassociation(expand))
        return None if main is None else (expand.operands[0], tuple(read[d] for d in main))
    collapse = _behind(value, "tensor.collapse_shape")
    if collapse is None:
        return None
    source = collapse.operands[0]
    groups = reassociation(collapse)
    main = _main_dims(shape(source), groups)
    if main is None:
        return None
    zero: Linear | None = Linear()
    full: list[Linear | None] = [zero] * source.type.rank
    for position, d in enumerate(main):
        full[d] = read[position]
    return source, tuple(full)


def _main_dims(sizes: list[int | None], groups: Groups) -> list[int] | None:
    """Per group, the dimension that is not 1 (the last one if all are); None when a group has two of them."""
    main = []
    for group in groups:
        wide = [d for d in group if sizes[d] != 1]
        if len(wide) > 1:
            return None
        main.append(wide[0] if wide else group[-1])
    return main


# ---- expand


@rewrite("flat-index")
def expand_batch(op: Any) -> Any:
    """Gives a contraction the dimensions of a collapsed batch; returns the new op (`op` if nothing applies)."""
    if not is_contraction(op) or indexed_loops(op):
        return op
    reads = accesses(op)
    batch = set.intersection(*({r.loop for r in a if r is not None} for a in reads)) - {None}
    for loop in sorted(b for b in batch if b is not None):
        sizes = _group_behind(op, reads, loop)
        if sizes is not None:
            return _expand_loop(op, reads, loop, sizes)
    return op


def _group_behind(op: Any, reads: list[Access], loop: int) -> list[Index] | None:
    """Sizes of the dimensions that an operand (or the result's user) has where `loop` runs over them
    collapsed."""
    for value, read in zip(list(op.operands)[: input_count(op)], reads, strict=False):
        collapse = _behind(value, "tensor.collapse_shape")
        if collapse is None:
            continue
        group = reassociation(collapse)[_position(read, loop)]
        if len(group) > 1:
            with ir.InsertionPoint(op), op.location:
                return [extent(collapse.operands[0], d) for d in group]
    return None


def _position(read: Access, loop: int) -> int:
    return next(i for i, r in enumerate(read) if r is not None and r.loop == loop)


def _expand_loop(op: Any, reads: list[Access], loop: int, sizes: list[Index]) -> Any:
    extra = len(sizes) - 1
    loops = {i: i if i < loop else i + extra for i in range(len(iterators(op)))}
    kinds = iterators(op)
    with ir.InsertionPoint(op), op.location:
        operands, wider = [], []
        for value, read in zip(op.operands, reads, strict=True):
            at = _position(read, loop)
            operands.append(_expanded(value, at, sizes))
            moved = renumber(read, loops)
            new = [Linear(((loop + j, 1),)) for j in range(len(sizes))]
            wider.append((*moved[:at], *new, *moved[at + 1 :]))
        made = rebuild(op, operands, wider, kinds[:loop] + [kinds[loop]] * len(sizes) + kinds[loop + 1 :], loops)
        at = _position(reads[-1], loop)
        groups = _groups(op.results[0].type.rank, at, len(sizes))
        result = tensor.CollapseShapeOp(op.results[0].type, made.results[0], groups).result
    op.results[0].replace_all_uses_with(result)
    op.erase()
    return made


def _expanded(value: Any, at: int, sizes: list[Index]) -> Any:
    """`value` with dimension `at` split into `sizes`; a fill is made anew in that shape."""
    made_by = owner(value)
    total = [extent(value, i) for i in range(value.type.rank)]
    full = [*total[:at], *sizes, *total[at + 1 :]]
    if made_by is not None and is_fill(made_by):
        empty = tensor.empty(full, value.type.element_type)
        return linalg.fill(made_by.operands[0], outs=[empty])
    static = [s if isinstance(s, int) else DYNAMIC for s in full]
    kind = ir.RankedTensorType.get(static, value.type.element_type)
    dynamic = [s for s in full if not isinstance(s, int)]
    groups = _groups(value.type.rank, at, len(sizes))
    return tensor.ExpandShapeOp(kind, value, groups, dynamic, static).result


def _groups(rank: int, at: int, count: int) -> Groups:
    """Reassociation of a tensor of `rank` whose dimension `at` is `count` dimensions on the other side."""
    groups = []
    for i in range(rank):
        start = i if i <= at else i + count - 1
        groups.append(list(range(start, start + count)) if i == at else [start])
    return groups


# ---- collapse


@rewrite("flat-index")
def collapse_like_producer(op: Any) -> Any:
    """Makes an op that reads an expanded tensor work on the collapsed one; returns the new op (`op` if
    unchanged)."""
    if is_contraction(op):
        return op
    reads, indexed = accesses(op), indexed_loops(op)
    for value, read in zip(list(op.operands)[: input_count(op)], reads, strict=False):
        expand = _behind(value, "tensor.expand_shape")
        if expand is None or not _worth_following(expand, op):
            continue
        for group in reassociation(expand):
            loops = tuple(_loop(read[d]) for d in group)
            if len(group) > 1 and None not in loops and _mergeable(op, reads, loops, indexed):
                return _collapse_loops(op, reads, [loop for loop in loops if loop is not None])
    return op


@rewrite("flat-index")
def join_contraction_loops(op: Any) -> Any:
    """Makes one loop of two rows, columns or depths of a contraction that lie side by side in every tensor that has
    them (`bsd,dhk->bshk` is a plain matmul of bs x d and d x hk); returns the new op (`op` if unchanged).

    Batch loops stay apart: what surrounds a batched contraction often needs them so.
    """
    if not is_contraction(op):
        return op
    reads, indexed = accesses(op), indexed_loops(op)
    batch = set.intersection(*({_loop(r) for r in a} for a in reads))
    for read in reads:
        for first, second in pairwise(_loop(r) for r in read):
            pair = (first, second)
            if first is None or second is None or set(pair) & batch or not _mergeable(op, reads, pair, indexed):
                continue
            return _collapse_loops(op, reads, [first, second])
    return op


def _loop(result: Linear | None) -> int | None:
    return None if result is None else result.loop


def _worth_following(expand: Any, op: Any) -> bool:
    """The expanded tensor comes from a generic, and no other operand would lose its own producer for a
    weaker one."""
    source = owner(expand.operands[0])
    if source is None or not is_generic(source):
        return False
    direct = [o for v in list(op.operands)[: input_count(op)] if (o := owner(v)) is not None and is_generic(o)]
    return is_contraction(source) or _ends_contraction(source) or not direct


def _ends_contraction(op: Any) -> bool:
    """Whether an elementwise op follows a contraction directly."""
    sources = [owner(v) for v in list(op.operands)[: input_count(op)] if is_tensor(v)]
    return any(s is not None and is_contraction(s) for s in sources)


def _mergeable(op: Any, reads: list[Access], loops: tuple[int | None, ...], indexed: set[int]) -> bool:
    if indexed & set(loops) or len(set(loops)) != len(loops):
        return False
    kinds = iterators(op)
    if len({kinds[loop] for loop in loops if loop is not None}) != 1:
        return False
    return all(_adjacent_or_absent(read, loops) for read in reads)


def _adjacent_or_absent(read: Access, loops: tuple[int | None, ...]) -> bool:
    used = {loop for r in read if r is not None for loop, _ in r.terms}
    if None in read:
        return False
    if not used & set(loops):
        return True
    bare = [_loop(r) for r in read]
    if loops[0] not in bare:
        return False
    start = bare.index(loops[0])
    elsewhere = {loop for i, r in enumerate(read) if r is not None and not start <= i < start + len(loops)
                 for loop, _ in r.terms}  # fmt: skip
    return tuple(bare[start : start + len(loops)]) == loops and not elsewhere & set(loops)


def _collapse_loops(op: Any, reads: list[Access], merged: list[int]) -> Any:
    kinds = iterators(op)
    kept = [i for i in range(len(kinds)) if i not in merged[1:]]
    loops = {old: new for new, old in enumerate(kept)}
    with ir.InsertionPoint(op), op.location:
        operands, narrower = [], []
        for value, read in zip(op.operands, reads, strict=True):
            at = next((i for i, r in enumerate(read) if _loop(r) == merged[0]), None)
            operands.append(value if at is None else _collapsed(value, at, len(merged)))
            left = read if at is None else (*read[: at + 1], *read[at + len(merged) :])
            narrower.append(renumber(left, loops))
        made = rebuild(op, operands, narrower, [kinds[i] for i in kept], loops)
        results = []
        for old, new, read in zip(op.results, made.results, reads[input_count(op) :], strict=True):
            at = next((i for i, r in enumerate(read) if _loop(r) == merged[0]), None)
            results.append(new if at is None else _expanded(new, at, _sizes(op, old, at, len(merged))))
    for old, new in zip(op.results, results, strict=True):
        old.replace_all_uses_with(new)
    op.erase()
    return made


def _sizes(op: Any, value: Any, at: int, count: int) -> list[Index]:
    return [extent(value, at + i) for i in range(count)]


def _collapsed(value: Any, at: int, count: int) -> Any:
    """`value` with dimensions `at..at+count` as one; fills and empties are made anew in that shape."""
    made_by = owner(value)
    if made_by is not None and (is_fill(made_by) or made_by.name == "tensor.empty"):
        with_sizes = _collapsed_empty(value, at, count)
        return linalg.fill(made_by.operands[0], outs=[with_sizes]) if is_fill(made_by) else with_sizes
    expand = _behind(value, "tensor.expand_shape")
    groups = _groups(value.type.rank - count + 1, at, count)
    if expand is not None and reassociation(expand) == groups:
        return expand.operands[0]
    return tensor.CollapseShapeOp(_collapsed_type(value, at, count), value, groups).result


def _collapsed_type(value: Any, at: int, count: int) -> Any:
    sizes = shape(value)
    merged: int | None = 1
    for size in sizes[at : at + count]:
        merged = None if merged is None or size is None else merged * size
    full = [*sizes[:at], merged, *sizes[at + count :]]
    return ir.RankedTensorType.get([DYNAMIC if s is None else s for s in full], value.type.element_type)


def _collapsed_empty(value: Any, at: int, count: int) -> Any:
    """An empty tensor of the collapsed type; its dynamic sizes are read from a collapsed view of an empty."""
    kind = _collapsed_type(value, at, count)
    sizes = [extent(value, i) for i in range(value.type.rank)]
    if kind.has_static_shape:
        return tensor.empty(list(kind.shape), kind.element_type)
    merged: Index = 1
    for size in sizes[at : at + count]:
        merged = _product(merged, size)
    return tensor.empty([*sizes[:at], merged, *sizes[at + count :]], kind.element_type)


def _product(left: Index, right: Index) -> Index:
    from torch_mlir.dialects import arith

    from stratagem.compiler.schedule.index import as_value

    if isinstance(left, int) and isinstance(right, int):
        return left * right
    if left == 1:
        return right
    return arith.MulIOp(as_value(left), as_value(right)).result
