"""Whether channels last pays for a group of convolutions: vectors filled better, and transpositions that become none,
against transpositions at its border."""

from __future__ import annotations

from math import prod
from typing import Any

from stratagem.compiler.schedule.footprint import ASSUMED
from stratagem.compiler.schedule.layouts import Group, Layout, convolution_layouts
from stratagem.compiler.schedule.machine import TileTarget
from stratagem.compiler.schedule.permute import order_of, works_in_layout
from stratagem.compiler.schedule.rebuild import is_copy
from stratagem.compiler.schedule.structured import (
    accesses,
    dtype,
    dtype_bytes,
    is_generic,
    is_permutation,
    loop_extents,
    owner,
    shape,
)

REUSED = 8
"""Rows of a register block that share a vector of the picture, about: what a strided read costs is spread over them."""


def channels_last_pays(group: Group, target: TileTarget) -> bool:
    """Compares seconds for `target`: the group's convolutions in both orders, and the bytes that cross its border."""
    gained = sum(_seconds(op, target, False) - _seconds(op, target, True) for op in group.convolutions)
    return gained > (_crossing_bytes(group.layouts) - _settled_bytes(group.layouts)) / target.outer_bandwidth


def _seconds(op: Any, target: TileTarget, last: bool) -> float:
    """Time of a convolution with lanes along its innermost picture dimension, or along its channels."""
    extents = [ASSUMED if e is None else max(e, 1) for e in loop_extents(op)]
    written = [r.loop for r in accesses(op)[2] if r is not None and r.loop is not None]
    channels = [written[d] for d in convolution_layouts(op)[1]]
    inner = channels[-1] if last else [loop for loop in written if loop not in channels][-1]
    lanes = target.lanes
    filled = extents[inner] / (-(-extents[inner] // lanes) * lanes)
    return 2.0 * prod(extents) / target.rate / filled * (1.0 if last else _stretched(op, inner, target))


def _stretched(op: Any, inner: int, target: TileTarget) -> float:
    """How much longer vectors of the picture take that are not dense: a vector of every s-th element reads s vectors,
    for each row of registers where rows share no picture."""
    picture, weights, _ = accesses(op)
    stride = max((f for r in picture if r is not None for loop, f in r.terms if loop == inner), default=1)
    written = {r.loop for r in accesses(op)[2] if r is not None}
    shared = any(r is not None and r.loop in written and not _moves(picture, r.loop) for r in weights)
    return 1.0 + (stride - 1) / (REUSED if shared else 1)


def _moves(picture: Any, loop: int | None) -> bool:
    return any(loop == other for r in picture if r is not None for other, _ in r.terms)


def _crossing_bytes(layouts: dict[Any, Layout]) -> int:
    """Bytes read and written by the transpositions between the group and the rest of the program."""
    total = 0
    for value, layout in layouts.items():
        if _stays(value, layout):
            continue
        maker = owner(value)
        made_outside = maker is None or not works_in_layout(maker, layouts)
        readers = {use.owner.operation for use in value.uses}
        read_outside = any(not _works(reader, layouts) for reader in readers)
        total += 2 * (made_outside + (read_outside and not made_outside)) * _bytes(value)
    return total


def _settled_bytes(layouts: dict[Any, Layout]) -> int:
    """Bytes read and written by the program's own transpositions that move nothing between reordered tensors."""
    copies = [op for value in layouts if (op := owner(value)) is not None and is_generic(op) and is_copy(op)]
    return sum(2 * _bytes(op.results[0]) for op in copies if op.operands[0] in layouts and _settles(op, layouts))


def _settles(copy: Any, layouts: dict[Any, Layout]) -> bool:
    """Whether a transposition reads and writes in one order once its tensors are stored in their layouts."""
    source, result = copy.operands[0], copy.results[0]
    read, written = accesses(copy)
    moved = is_permutation(read) and is_permutation(written) and len(read) == len(written) and read != written
    orders = [order_of(layouts[v], v.type.rank) for v in (source, result)]
    return moved and [read[d] for d in orders[0]] == [written[d] for d in orders[1]]


def _works(reader: Any, layouts: dict[Any, Layout]) -> bool:
    if reader.name == "tensor.extract":
        reader = reader.parent.operation
    return works_in_layout(reader, layouts)


def _stays(value: Any, layout: Layout) -> bool:
    """Whether the order of elements in memory is the same either way."""
    sizes = shape(value)
    wide = [d for d in order_of(layout, len(sizes)) if sizes[d] != 1]
    return wide == sorted(wide)


def _bytes(value: Any) -> int:
    return prod(ASSUMED if s is None else s for s in shape(value)) * dtype_bytes(dtype(value))
