"""Kernels that put pieces together (padding, concatenation, insertion): one phase per piece.

Before: a chain of elementwise writes and `tensor.insert_slice`s into the destination. After: a forall for
each, over
tiles of what it writes. The pieces' order is kept; within a phase tiles are disjoint.
"""

from __future__ import annotations

from math import prod
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import scf

from stratagem.compiler.schedule import index, region
from stratagem.compiler.schedule.dims import KernelDims, analyse
from stratagem.compiler.schedule.extents import extent, slice_parts
from stratagem.compiler.schedule.footprint import ASSUMED
from stratagem.compiler.schedule.forall import Tiling, tile_to_forall
from stratagem.compiler.schedule.machine import TileTarget
from stratagem.compiler.schedule.region import Range
from stratagem.compiler.schedule.structured import (
    dtype,
    dtype_bytes,
    is_elementwise,
    is_generic,
    owner,
    shape,
)
from stratagem.compiler.schedule.tiles import LEAST_WORK, TILES_PER_UNIT, choose_row_tiles
from stratagem.compiler.schedule.writes import copy_into

SUPPORT = ("tensor.dim", "arith.constant", "affine.apply", "affine.min", "affine.max")


def is_pieces(ops: list[Any]) -> bool:
    """Whether a kernel only writes pieces into its destination, in a form that can be tiled."""
    inserts = _inserts(ops)
    known = all(
        op.name in SUPPORT or op.name.startswith("arith.") or op in inserts or (is_generic(op) and is_elementwise(op))
        for op in ops
    )
    whole = all(op.operands[0].type.rank == op.operands[1].type.rank > 0 for op in inserts)
    whole = whole and all(0 not in shape(v) for op in inserts for v in list(op.operands)[:2])
    return bool(inserts) and known and whole and (_covered_first(ops) or bool(_uncut(inserts)))


def _inserts(ops: list[Any]) -> list[Any]:
    return [op for op in ops if op.name == "tensor.insert_slice"]


def _covered_first(ops: list[Any]) -> bool:
    """Whether the destination is completely written before the first piece goes into it."""
    return owner(_inserts(ops)[0].operands[1]) is not None


def _uncut(inserts: list[Any]) -> list[int]:
    """Dimensions along which every piece has the destination's whole extent."""
    rank = inserts[0].operands[1].type.rank
    found = []
    for d in range(rank):
        sizes = {shape(op.operands[0])[d] for op in inserts} | {shape(inserts[0].operands[1])[d]}
        places = [(slice_parts(op, 2)[0][d], slice_parts(op, 2)[2][d]) for op in inserts]
        if len(sizes) == 1 and None not in sizes and all(place == (0, 1) for place in places):
            found.append(d)
    return found


def tile_pieces(ops: list[Any], target: TileTarget, tier: str) -> None:
    """Replaces the pieces by phases, in order."""
    if not _covered_first(ops):
        _assembly_phase(_inserts(ops), target, tier)
        return
    for op in ops:
        if op.name == "tensor.insert_slice":
            _insertion_phase(op, target, tier)
        elif is_generic(op):
            dims: KernelDims = analyse([op])
            if dims.common:
                sizes = choose_row_tiles(dims, target).sizes
                tile_to_forall(list(op.results), _next(op), dims, Tiling(tier, sizes))


def _assembly_phase(inserts: list[Any], target: TileTarget, tier: str) -> None:
    """One forall over the dimensions no piece cuts; a unit inserts its part of each piece into its tile."""
    result, into = inserts[-1].results[0], inserts[0].operands[1]
    sizes = [ASSUMED if s is None else s for s in shape(result)]
    free = _uncut(inserts)
    tiles = insertion_tiles([s if d in free else 1 for d, s in enumerate(sizes)], dtype_bytes(dtype(into)), target)
    cut = [d for d in free if tiles[d] < sizes[d]] or free[:1]
    with ir.InsertionPoint(_next(inserts[-1])), inserts[-1].location:
        emitted = scf.ForallOp([0] * len(cut), [sizes[d] for d in cut], [tiles[d] for d in cut], [into])
        emitted.operation.attributes["device.tier"] = ir.StringAttr.get(tier)
        view = emitted.inner_iter_args[0]
        with ir.InsertionPoint(emitted.body):
            at = dict(zip(cut, emitted.induction_variables, strict=True))
            ranges = {d: Range(at[d], index.clamp(tiles[d], sizes[d], at[d])) for d in cut}
            part = _part(into, ranges)
            tile = region.extract(view, part)
            for op in inserts:
                offsets, _, strides = slice_parts(op, 2)
                piece = region.extract(op.operands[0], _part(op.operands[0], ranges))
                places = zip(offsets, _part(op.operands[0], ranges), strides, strict=True)
                tile = region.insert(piece, tile, tuple(Range(o, r.size, t) for o, r, t in places))
            terminator = scf.InParallelOp()
            with ir.InsertionPoint(terminator.block):
                region.parallel_insert(tile, view, part)
    result.replace_all_uses_with(emitted.results[0])
    for op in reversed(inserts):
        op.erase()


def _part(value: Any, ranges: dict[int, Range]) -> region.Region:
    return tuple(ranges.get(i) or Range(0, extent(value, i), whole=True) for i in range(value.type.rank))


def _next(op: Any) -> Any:
    """The op after `op` in its block."""
    block = [view.operation for view in op.block.operations]
    return block[block.index(op) + 1]


def _insertion_phase(op: Any, target: TileTarget, tier: str) -> None:
    source = op.operands[0]
    offsets, _, strides = slice_parts(op, 2)
    tiles = insertion_tiles([ASSUMED if s is None else s for s in shape(source)], dtype_bytes(dtype(source)), target)
    with ir.InsertionPoint(op), op.location:
        sizes = [extent(source, i) for i in range(source.type.rank)]
        cut = [i for i, s in enumerate(sizes) if not isinstance(s, int) or tiles[i] < s] or [0]
        bounds = [sizes[i] for i in cut]
        emitted = scf.ForallOp([0] * len(cut), bounds, [tiles[i] for i in cut], [op.operands[1]])
        emitted.operation.attributes["device.tier"] = ir.StringAttr.get(tier)
        view = emitted.inner_iter_args[0]
        with ir.InsertionPoint(emitted.body):
            at = dict(zip(cut, emitted.induction_variables, strict=True))
            read = tuple(
                Range(at[i], index.clamp(tiles[i], s, at[i])) if i in at else Range(0, s, whole=True)
                for i, s in enumerate(sizes)
            )
            written = tuple(
                Range(index.combine([(r.offset, t), (o, 1)]), r.size, t)
                for r, o, t in zip(read, offsets, strides, strict=True)
            )
            tile = copy_into(region.extract(source, read), region.extract(view, written))
            terminator = scf.InParallelOp()
            with ir.InsertionPoint(terminator.block):
                region.parallel_insert(tile, view, written)
    op.results[0].replace_all_uses_with(emitted.results[0])
    op.erase()


def insertion_tiles(sizes: list[int], element: int, target: TileTarget) -> list[int]:
    """Tile sizes for copying a tensor: innermost dimensions whole as long as they fit and enough tiles
    remain."""
    return _inner_tiles(
        sizes, max(prod(sizes) // (target.units * TILES_PER_UNIT), LEAST_WORK * target.width), element, target
    )


def side_tiles(sizes: list[int], element: int, target: TileTarget) -> list[int]:
    """Tile sizes for one side of a frame: as few as fit, since a phase of one unit wakes no other."""
    return _inner_tiles(sizes, prod(sizes), element, target)


def _inner_tiles(sizes: list[int], wanted: int, element: int, target: TileTarget) -> list[int]:
    """Innermost dimensions whole as long as a tile has no more than the wanted elements, and fits."""
    room = (target.near if target.copies else target.far) // (2 * element)
    budget = max(min(room, wanted), 1)
    tiles = [1] * len(sizes)
    for i in reversed(range(len(sizes))):
        tiles[i] = sizes[i] if sizes[i] <= budget else 1 << (budget.bit_length() - 1)
        budget //= tiles[i]
        if tiles[i] < sizes[i] or budget < 1:
            break
    return tiles
