"""Kernel dimensions: loops of different ops that must be tiled together.

Two loops are one dimension when a value made inside the kernel ties them: the producer's loop that writes dimension j
and the consumer's loop that reads it. Values from outside tie nothing, so a tensor read twice (as rows and as columns)
does not make rows and columns one dimension.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from stratagem.compiler.schedule.structured import (
    REDUCTION,
    Access,
    accesses,
    input_count,
    is_fill,
    is_generic,
    is_tensor,
    iterators,
    loop_extents,
    owner,
)

Loop = tuple[Any, int]


@dataclass
class OpLoops:
    """What is known of one generic: its accesses, iterator types and, per loop, the kernel dimension."""

    op: Any
    accesses: list[Access]
    iterators: list[str]
    extents: list[int | None]
    dims: list[int] = field(default_factory=list)


@dataclass
class KernelDims:
    """The dimensions of a set of ops.

    `loops` per generic; `extents[d]` the static extent of dimension d, None where dynamic; `common` the dimensions
    along which all ops may be cut into independent tiles, in the order of the last op's output.
    """

    loops: dict[Any, OpLoops]
    extents: dict[int, int | None]
    common: list[int]

    def reductions(self, op: Any) -> list[int]:
        """Loops of `op` that reduce."""
        return [i for i, kind in enumerate(self.loops[op].iterators) if kind == REDUCTION]


class _Union:
    def __init__(self) -> None:
        self.parent: dict[Loop, Loop] = {}

    def find(self, item: Loop) -> Loop:
        self.parent.setdefault(item, item)
        while self.parent[item] != item:
            self.parent[item] = self.parent[self.parent[item]]
            item = self.parent[item]
        return item

    def join(self, left: Loop, right: Loop) -> None:
        self.parent[self.find(left)] = self.find(right)


def analyse(ops: list[Any], known: dict[Any, OpLoops] | None = None) -> KernelDims:
    """The dimensions of the generics among `ops`. `known` may hold readings of ops made before (they are
    reused)."""
    generics = [op for op in ops if is_generic(op)]
    cache = known if known is not None else {}
    read = {op: _read(op, cache) for op in generics}
    union = _Union()
    for op, loops in read.items():
        _tie(op, loops, read, union)
    _tie_shared_reads(read, union)
    extents = _number(read, union)
    return KernelDims(read, extents, _common(read, extents))


def _read(op: Any, cache: dict[Any, OpLoops]) -> OpLoops:
    if op not in cache:
        cache[op] = OpLoops(op, accesses(op), iterators(op), loop_extents(op))
    found = cache[op]
    return OpLoops(op, found.accesses, found.iterators, found.extents)


def _tie(op: Any, loops: OpLoops, read: dict[Any, OpLoops], union: _Union) -> None:
    for i in range(len(loops.iterators)):
        union.find((op, i))
    for value, access in zip(op.operands, loops.accesses, strict=True):
        maker = _maker(value)
        if maker is None or maker not in read:
            continue
        written = read[maker].accesses[input_count(maker) + _result_position(maker, value)]
        for mine, theirs in zip(access, written, strict=True):
            if mine is not None and theirs is not None and mine.loop is not None and theirs.loop is not None:
                union.join((op, mine.loop), (maker, theirs.loop))


def _tie_shared_reads(read: dict[Any, OpLoops], union: _Union) -> None:
    """Two ops that read one outside tensor along a dimension they already share also share its other
    dimensions."""
    readers: dict[Any, list[tuple[Any, Access]]] = {}
    for op, loops in read.items():
        for value, access in list(zip(op.operands, loops.accesses, strict=True))[: input_count(op)]:
            if is_tensor(value) and value.type.rank > 1 and _maker(value) not in read:
                readers.setdefault(value, []).append((op, access))
    for found in readers.values():
        for (one, mine), (other, theirs) in pairwise(found):
            both = [(a.loop, b.loop) for a, b in zip(mine, theirs, strict=True) if a is not None and b is not None]
            pairs = [((one, a), (other, b)) for a, b in both if a is not None and b is not None]
            roots = [(union.find(a), union.find(b)) for a, b in pairs]
            if one != other and any(a == b for a, b in roots) and not _conflict(roots):
                for left, right in pairs:
                    union.join(left, right)


def _conflict(roots: list[tuple[Loop, Loop]]) -> bool:
    """Whether tying the pairs would tie two dimensions of one tensor."""
    left, right = [a for a, _ in roots], [b for _, b in roots]
    return any(a != b and (a in right or b in left) for a, b in roots)


def _maker(value: Any) -> Any | None:
    """The generic behind a value; fills are looked through, they follow their consumer."""
    op = owner(value) if is_tensor(value) else None
    return op if op is not None and not is_fill(op) else None


def _result_position(op: Any, value: Any) -> int:
    return next(i for i, r in enumerate(op.results) if r == value)


def _number(read: dict[Any, OpLoops], union: _Union) -> dict[int, int | None]:
    numbers: dict[Loop, int] = {}
    extents: dict[int, int | None] = {}
    for op, loops in read.items():
        for i, size in enumerate(loops.extents):
            number = numbers.setdefault(union.find((op, i)), len(numbers))
            loops.dims.append(number)
            extents[number] = extents.get(number) if size is None else size
    return extents


def _common(read: dict[Any, OpLoops], extents: dict[int, int | None]) -> list[int]:
    if not read:
        return []
    candidates: set[int] | None = None
    for loops in read.values():
        usable = usable_dims(loops, read)
        candidates = usable if candidates is None else candidates & usable
    order = [d for d in _output_order(list(read.values())[-1]) if d in (candidates or ())]
    return [d for d in order if extents[d] != 1]


def usable_dims(loops: OpLoops, read: dict[Any, OpLoops]) -> set[int]:
    """Dimensions along which this op's iterations are independent and its operands can be sliced without
    overlap."""
    parallel = [d for i, d in enumerate(loops.dims) if loops.iterators[i] != REDUCTION]
    once = {d for d in parallel if loops.dims.count(d) == 1}
    return once - _blocked(loops, read)


def _blocked(loops: OpLoops, read: dict[Any, OpLoops]) -> set[int]:
    """Dimensions read through an expression that cannot be sliced, or with overlap from a value made in the
    kernel."""
    blocked: set[int] = set()
    for value, access in zip(loops.op.operands, loops.accesses, strict=True):
        inside = is_tensor(value) and owner(value) in read
        for result in access:
            if result is None:
                return set(loops.dims)
            overlapping = inside and result.loop is None
            if any(factor < 0 for _, factor in result.terms) or overlapping:
                blocked |= {loops.dims[loop] for loop, _ in result.terms}
    return blocked


def _output_order(loops: OpLoops) -> list[int]:
    """Dimensions in the order in which the op's first result has them, outermost first."""
    first = loops.accesses[input_count(loops.op)]
    return [loops.dims[r.loop] for r in first if r is not None and r.loop is not None]
