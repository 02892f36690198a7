"""Paddings that are part of the kernel that makes their interior: it writes into the middle of the padded tensor.

Before: `%v = generic`, `%p = tensor.pad %v`, two kernels, of which the second copies all of `%v`. After: one kernel, of
`%v = generic`, `%f = linalg.fill outs(%dest)` and `%p = tensor.insert_slice %v into %f`. Tiling makes phases of it that
write the frame, then one that computes `%v` tile by tile in its place. Other readers of `%v` read `%p`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import linalg, scf

from stratagem.compiler.lemmas.registry import rests_on
from stratagem.compiler.schedule import index, region
from stratagem.compiler.schedule.extents import pad_amounts, slice_parts
from stratagem.compiler.schedule.layouts import moves_freely
from stratagem.compiler.schedule.rebuild import replace
from stratagem.compiler.schedule.region import Range, Region
from stratagem.compiler.schedule.structured import (
    Access,
    Linear,
    accesses,
    dtype,
    dtype_bytes,
    input_count,
    is_fill,
    is_generic,
    is_tensor,
    iterators,
    owner,
    shape,
    unsized_loops,
)
from stratagem.compiler.schedule.writes import spread


@dataclass(frozen=True)
class Frame:
    """A kernel's padded result: `value` goes into `into` (a fill of the destination by `scalar`) at `offsets`."""

    insert: Any
    value: Any
    into: Any
    scalar: Any
    offsets: tuple[int, ...]


def is_frame(op: Any) -> bool:
    """Whether an operation is a padding of known sizes by one value around something that a generic makes."""
    if op.name != "tensor.pad" or not moves_freely(op):
        return False
    maker = owner(op.operands[0])
    amounts = [a for side in pad_amounts(op) for a in side]
    known = all(isinstance(a, int) and a >= 0 for a in amounts) and None not in shape(op.results[0])
    known = known and 0 not in shape(op.operands[0])
    return known and maker is not None and is_generic(maker) and op.block == maker.block


@rests_on("shifted-index")
def read_from_frames(block: Any) -> None:
    """Readers of a tensor that is padded, too, read the padded one: then only the padding needs it."""
    for op in [view.operation for view in block.operations]:
        if not is_frame(op):
            continue
        value, (low, high) = op.operands[0], pad_amounts(op)
        if any(not before and after for before, after in zip(low, high, strict=True)):
            continue  # a subscript that is a loop alone would say that the loop covers the padding, too
        readers = [user for use in value.uses if (user := use.owner.operation) != op]
        if not readers or not all(_can_shift(reader, value, low) for reader in readers):
            continue
        if not _make_at_once(op, value):
            continue
        for reader in dict.fromkeys(readers):
            reads = [_shifted(a, low) if v == value else a for v, a in _operands(reader)]
            operands = [op.results[0] if v == value else v for v in reader.operands]
            replace(reader, operands, reads, iterators(reader), {i: i for i in range(len(iterators(reader)))})


def _operands(op: Any) -> list[tuple[Any, Access]]:
    return list(zip(op.operands, accesses(op), strict=True))


def _can_shift(reader: Any, value: Any, low: Sequence[Any]) -> bool:
    """Whether a generic may read `value` inside something larger: as an input, and not for the size of its loops."""
    if not is_generic(reader) or any(v == value for v in list(reader.operands)[input_count(reader) :]):
        return False
    reads = [_shifted(a, low) if v == value else a for v, a in _operands(reader)]
    return all(r is not None for a in reads for r in a) and not unsized_loops(reads, len(iterators(reader)))


def _shifted(access: Access, low: Sequence[Any]) -> Access:
    return tuple(None if r is None else Linear(r.terms, r.constant + by) for r, by in zip(access, low, strict=True))


def _make_at_once(pad: Any, value: Any) -> bool:
    """Moves a padding up to what it pads, a constant scalar before both; False where its scalar is made later."""
    maker, scalar = owner(value), owner(padding_scalar(pad))
    if scalar is not None and (scalar.name != "arith.constant" or scalar.block != maker.block):
        return False
    if scalar is not None:
        scalar.move_before(maker)
    pad.move_after(maker)
    return True


def padding_scalar(pad: Any) -> Any:
    """The value around what is padded."""
    return list(pad.regions[0].blocks[0].operations)[-1].operation.operands[0]


def frame(pad: Any, value: Any, scalar: Any, target: Any) -> Any:
    """Emits the body form of a padding of `value` into a kernel's destination."""
    filled = linalg.fill(scalar, outs=[target])
    return region.insert(value, filled, _interior(value, pad_amounts(pad)[0]))


def _interior(value: Any, low: Sequence[Any]) -> Region:
    sizes = [s for s in shape(value) if s is not None]
    return tuple(Range(o, s) for o, s in zip(low, sizes, strict=True))


def frame_of(ops: Sequence[Any]) -> Frame | None:
    """The frame at the end of a kernel's body, if it has one."""
    insert = ops[-1] if ops else None
    if insert is None or insert.name != "tensor.insert_slice":
        return None
    maker, filled = owner(insert.operands[0]), owner(insert.operands[1])
    if maker is None or filled is None or not is_generic(maker) or not is_fill(filled):
        return None
    if not isinstance(filled.operands[1].owner, ir.Block):
        return None
    offsets = tuple(o for o in slice_parts(insert, 2)[0] if isinstance(o, int))
    return Frame(insert, insert.operands[0], filled.operands[1], filled.operands[0], offsets)


def without_frame(ops: Sequence[Any]) -> list[Any]:
    """A kernel's body without what puts its result into a frame."""
    found = frame_of(ops)
    return (
        list(ops) if found is None else [op for op in ops if op not in (found.insert, owner(found.insert.operands[1]))]
    )


def write_frame(found: Frame, tier: str, tiles: Any) -> Any:
    """Emits a phase for each side of the frame; returns the destination after them.

    `tiles(sizes, bytes of an element)`: how a phase is cut into units.
    """
    written = found.into
    whole, inside = shape(found.into), shape(found.value)
    for d, (low, size, total) in enumerate(zip(found.offsets, inside, whole, strict=True)):
        assert size is not None and total is not None, "frames have known sizes"
        for begin, count in ((0, low), (low + size, total - low - size)):
            if count:
                side = [Range(found.offsets[i], inside[i]) for i in range(d)]
                side += [Range(begin, count), *(Range(0, whole[i]) for i in range(d + 1, len(whole)))]
                written = _write_side(written, found.scalar, tuple(side), tier, tiles)
    return written


def _write_side(into: Any, scalar: Any, side: Region, tier: str, tiles: Any) -> Any:
    sizes = [int(r.size) for r in side]
    steps = tiles(sizes, dtype_bytes(dtype(into)))
    cut = [i for i, s in enumerate(sizes) if steps[i] < s] or [0]
    emitted = scf.ForallOp([0] * len(cut), [sizes[i] for i in cut], [steps[i] for i in cut], [into])
    emitted.operation.attributes["device.tier"] = ir.StringAttr.get(tier)
    view = emitted.inner_iter_args[0]
    with ir.InsertionPoint(emitted.body):
        at = dict(zip(cut, emitted.induction_variables, strict=True))
        part = tuple(
            Range(index.add(at[i], r.offset), index.clamp(steps[i], sizes[i], at[i])) if i in at else r
            for i, r in enumerate(side)
        )
        tile = spread(scalar, region.extract(view, part))
        terminator = scf.InParallelOp()
        with ir.InsertionPoint(terminator.block):
            region.parallel_insert(tile, view, part)
    return emitted.results[0]


def shifted(part: Region, offsets: Sequence[int]) -> Region:
    """A region of a tensor, seen from one that holds the tensor at `offsets`."""
    return tuple(Range(index.add(r.offset, o), r.size, r.stride) for r, o in zip(part, offsets, strict=True))


def makes_frame_only(ops: Sequence[Any], pad: Any) -> bool:
    """Whether all that leaves a group of generics is the tensor that is padded, and nothing else reads that."""
    inside = set(ops)
    value = pad.operands[0]
    if not all(is_generic(op) for op in ops) or any(use.owner.operation != pad for use in value.uses):
        return False
    others = [r for op in ops for r in op.results if r != value and is_tensor(r)]
    return all(use.owner.operation in inside for r in others for use in r.uses)
