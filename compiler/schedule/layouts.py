"""Which tensors of a block have their channels moved last, decided for each connected group of convolutions.

A *layout* of a tensor is the tuple of its channel dimensions; stored, they come last, in that order, and the others
keep theirs. The layout of a convolution's picture and result spreads through every operation that can work in it: an
operation on structured operands reads any order of dimensions, and what only moves data (paddings, joined tensors,
slices, reshapes within the groups) does so in any order, too. Where it cannot spread, a transposition is paid for.
The idea is the layout propagation of vectorised convolution libraries (Liu et al. 2019, "Optimizing CNN Model Inference
on CPUs"), on indexing maps instead of a list of operators.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from torch_mlir import ir

from stratagem.compiler.schedule.reshapes import reassociation
from stratagem.compiler.schedule.structured import (
    REDUCTION,
    Access,
    Linear,
    accesses,
    body_ops,
    captured,
    input_count,
    is_contraction,
    is_fill,
    is_generic,
    is_tensor,
    iterators,
    owner,
    shape,
)

Layout = tuple[int, ...]
"""The channel dimensions of a tensor."""
WAITING = "layout.undecided"
"""On a convolution while the pass runs."""
LEAST_RANK = 3
"""A tensor of fewer dimensions has no picture beside its channels."""


@dataclass
class Group:
    """Tensors whose layouts follow from each other. `consistent`: no tensor was asked to have two."""

    layouts: dict[Any, Layout] = field(default_factory=dict)
    convolutions: list[Any] = field(default_factory=list)
    consistent: bool = True


def is_convolution(op: Any) -> bool:
    """A contraction that slides a window over its first operand; the window may be one element."""
    return is_contraction(op) and any(r is not None and len(r.terms) > 1 for r in accesses(op)[0])


def convolution_layouts(op: Any) -> tuple[Layout, Layout]:
    """The channel dimensions of picture and result: those whose loop the filter has, too."""
    picture, weights, result = accesses(op)
    channels = {r.loop for r in weights if r is not None and r.loop is not None}
    kinds = iterators(op)
    taken = tuple(i for i, r in enumerate(picture) if r is not None and r.loop in channels)
    made = tuple(i for i, r in enumerate(result) if r is not None and r.loop in channels and kinds[r.loop] != REDUCTION)
    return taken, made


def groups_of(block: Any, stored: set[Any]) -> list[Group]:
    """The groups of the convolutions of a block, each with the layouts that follow from them; tensors that are `stored`
    (parameters) keep theirs, and so do constants."""
    ops = [view.operation for view in block.operations]
    inside = set(ops)
    found: list[Group] = []
    taken: set[Any] = set()
    for op in ops:
        if is_generic(op) and is_convolution(op) and op.results[0] not in taken:
            group = _grow(op, inside, stored)
            taken |= set(group.layouts)
            found.append(group)
    return found


def undecided_groups(block: Any, stored: set[Any]) -> Iterator[Group]:
    """The groups of a block, one after the other, as they are when their turn comes: what is decided of one group may
    rewrite operations at the border of the next. A group names the convolutions that nothing was decided of yet."""
    waiting = ir.UnitAttr.get()
    for view in block.operations:
        if is_generic(view.operation) and is_convolution(view.operation):
            view.operation.attributes[WAITING] = waiting
    while (group := next((g for g in groups_of(block, stored) if _waiting(g)), None)) is not None:
        chosen = _waiting(group)
        for op in chosen:
            del op.attributes[WAITING]
        yield replace(group, convolutions=chosen)
    for view in block.operations:  # those without channels on both sides are in no group
        if WAITING in view.operation.attributes:
            del view.operation.attributes[WAITING]


def _waiting(group: Group) -> list[Any]:
    return [op for op in group.convolutions if WAITING in op.attributes]


def _grow(seed: Any, inside: set[Any], stored: set[Any]) -> Group:
    group = Group()
    pending = list(_seed(seed))
    visited: set[Any] = set()
    while pending:
        value, layout = pending.pop()
        maker = owner(value)
        if value in stored or value.type.rank < LEAST_RANK or (maker is not None and maker.name == "arith.constant"):
            continue
        if value in group.layouts:
            group.consistent = group.consistent and group.layouts[value] == layout
            continue
        group.layouts[value] = layout
        for op in _neighbours(value, inside):
            if op not in visited and is_generic(op) and is_convolution(op):
                visited.add(op)
                group.convolutions.append(op)
            pending += spread(op, value, layout)
    return group


def _seed(op: Any) -> Iterator[tuple[Any, Layout]]:
    picture, made = convolution_layouts(op)
    if picture and made:
        yield op.operands[0], picture
        yield op.operands[2], made
        yield op.results[0], made


def _neighbours(value: Any, inside: set[Any]) -> list[Any]:
    """The operations of the block that make or read a tensor."""
    maker = owner(value)
    users = list(dict.fromkeys(use.owner.operation for use in value.uses))
    around = [top for user in users if (top := _in_block(user, inside)) is not None]
    return [*([maker] if maker is not None else []), *dict.fromkeys(around)]


def _in_block(op: Any, inside: set[Any]) -> Any | None:
    """The operation of the block that is or holds `op`."""
    while op is not None and op not in inside:
        op = op.parent.operation if op.parent is not None and op.name != "func.func" else None
    return op


def spread(op: Any, value: Any, layout: Layout) -> list[tuple[Any, Layout]]:
    """The layouts of other tensors of `op` that follow from that of one of them."""
    if is_generic(op):
        return _spread_generic(op, value, layout)
    if is_fill(op):
        return [(op.operands[1], layout), (op.results[0], layout)]
    if op.name in ("tensor.expand_shape", "tensor.collapse_shape"):
        return _spread_reshape(op, value, layout)
    if op.name in ("tensor.pad", "tensor.concat", "tensor.insert_slice", "tensor.extract_slice") and moves_freely(op):
        return [(v, layout) for v in [*op.operands, *op.results] if is_tensor(v) and v != value]
    return []


def moves_freely(op: Any) -> bool:
    """Whether an operation that only moves data means the same in another order of dimensions."""
    if op.name == "tensor.pad":
        given = list(op.regions[0].blocks[0].operations)[-1].operation.operands[0]
        return captured(op) == [given]
    if op.name == "tensor.extract_slice":
        return bool(op.operands[0].type.rank == op.results[0].type.rank)
    return op.name in ("tensor.concat", "tensor.empty") or bool(op.operands[0].type.rank == op.operands[1].type.rank)


def _spread_generic(op: Any, value: Any, layout: Layout) -> list[tuple[Any, Layout]]:
    if is_contraction(op):
        if not is_convolution(op):
            return []
        pairs = list(_seed(op))
        return pairs if any(v == value for v, _ in pairs) else []
    reads = accesses(op)
    found: list[tuple[Any, Layout]] = []
    written = reads[input_count(op) :]
    tensors = [*zip(op.operands, reads, strict=True), *zip(op.results, written, strict=True), *gathered(op)]
    tensors = [(v, a) for v, a in tensors if is_tensor(v)]
    for own, access in tensors:
        if own != value:
            continue
        loops = [r.loop if (r := access[d]) is not None else None for d in layout]
        for other, read in tensors:
            dims = _dims_of(read, loops)
            if other != value and dims is not None and not _dense_already(other, dims):
                found.append((other, dims))
    return found


def gathered(op: Any) -> list[tuple[Any, Access]]:
    """Tensors that the body of a generic picks elements of, with the subscripts that are bare loops."""
    found: list[tuple[Any, Access]] = []
    for inner in body_ops(op):
        if inner.name != "tensor.extract":
            continue
        read = []
        for subscript in list(inner.operands)[1:]:
            maker = owner(subscript)
            known = maker is not None and maker.name == "linalg.index"
            read.append(Linear(((int(ir.IntegerAttr(maker.attributes["dim"]).value), 1),)) if known else None)
        found.append((inner.operands[0], tuple(read)))
    return found


def _dims_of(access: Access, loops: list[int | None]) -> Layout | None:
    """The dimensions that run over these loops; None unless each does, once."""
    bare = [r.loop if r is not None else None for r in access]
    if None in loops or any(bare.count(loop) != 1 for loop in loops):
        return None
    return tuple(bare.index(loop) for loop in loops)


def _dense_already(value: Any, dims: Layout) -> bool:
    """Whether all other dimensions have one element: in either order the channels lie side by side."""
    return all(size == 1 for i, size in enumerate(shape(value)) if i not in dims)


def _spread_reshape(op: Any, value: Any, layout: Layout) -> list[tuple[Any, Layout]]:
    wide = op.results[0] if op.name == "tensor.expand_shape" else op.operands[0]
    narrow = op.operands[0] if op.name == "tensor.expand_shape" else op.results[0]
    groups = reassociation(op)
    if value == narrow:
        return [(wide, tuple(d for n in layout for d in groups[n]))]
    merged = _merged(layout, groups)
    return [] if merged is None else [(narrow, merged)]


def _merged(layout: Layout, groups: list[list[int]]) -> Layout | None:
    """The layout after each group became one dimension; None where a group would be torn apart."""
    whole = tuple(n for n, group in enumerate(groups) if set(group) & set(layout))
    return whole if tuple(d for n in whole for d in groups[n]) == layout else None


def reshapes_in_layout(op: Any, layouts: dict[Any, Layout]) -> bool:
    """Whether a reshape joins or splits dimensions that still lie side by side."""
    value, result = op.operands[0], op.results[0]
    if value not in layouts or result not in layouts:
        return False
    return (result, layouts[result]) in _spread_reshape(op, value, layouts[value])
