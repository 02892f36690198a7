"""Kernels that put pieces together (padding, concatenation, insertion).

Before: a chain of elementwise writes and `tensor.insert_slice`s into the destination. After: one forall over dimensions
that no piece cuts, whose units put their part of each piece into their tile, where there are such dimensions and either
the pieces are disjoint or tiles stay in a cache between one piece and the next; else a forall for each piece, over
tiles of what it writes. The pieces' order is kept.
"""

from __future__ import annotations

from itertools import pairwise
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
    accesses,
    body_ops,
    dtype,
    dtype_bytes,
    is_elementwise,
    is_generic,
    owner,
    shape,
)
from stratagem.compiler.schedule.tiles import LEAST_WORK, TILES_PER_UNIT, choose_row_tiles
from stratagem.compiler.schedule.writes import copy_into, spread

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
    cover = _cover(ops)
    if cover is not None and _stays_near(_inserts(ops), target):
        _assembly_phase(_inserts(ops), target, tier, cover)
        return
    for op in ops:
        if op.name == "tensor.insert_slice":
            _insertion_phase(op, target, tier)
        elif is_generic(op):
            dims: KernelDims = analyse([op])
            if dims.common:
                sizes = choose_row_tiles(dims, target).sizes
                tile_to_forall(list(op.results), _next(op), dims, Tiling(tier, sizes))


def _cover(ops: list[Any]) -> Any | None:
    """The generic that fills the destination with a scalar, or copies a tensor into it, where all else are inserts."""
    written = [op for op in ops if is_generic(op)]
    inserts = _inserts(ops)
    if len(written) != 1 or owner(inserts[0].operands[1]) != written[0] or len(written[0].operands) > 2:
        return None
    if any(owner(after.operands[1]) != before for before, after in pairwise(inserts)):
        return None
    return written[0] if len(body_ops(written[0])) == 1 and _is_plain(written[0]) else None


def _is_plain(cover: Any) -> bool:
    """Whether a generic that only yields yields an element of its input at the same place, or a scalar from outside."""
    same = all(r is not None and r.loop == i for access in accesses(cover) for i, r in enumerate(access))
    arguments = list(cover.regions[0].blocks[0].arguments)
    (given,) = body_ops(cover)[0].operands
    return same and (given == arguments[0] if len(arguments) == 2 else given not in arguments)


def _stays_near(inserts: list[Any], target: TileTarget) -> bool:
    """Whether enough tiles for all units, each of which stays in a unit's own cache, are cut along uncut dimensions."""
    into = inserts[0].operands[1]
    sizes, free = shape(into), _uncut(inserts)
    if not target.caches or None in sizes:
        return False
    tiles = prod(size or 1 for d, size in enumerate(sizes) if d in free)
    rest = prod(size or 1 for d, size in enumerate(sizes) if d not in free)
    return tiles >= target.units * TILES_PER_UNIT and rest * dtype_bytes(dtype(into)) <= target.far // 2


def _assembly_phase(inserts: list[Any], target: TileTarget, tier: str, cover: Any = None) -> None:
    """One forall over the dimensions no piece cuts; a unit inserts its part of each piece into its tile, after its part
    of what covers all of it, if anything does."""
    result, into = inserts[-1].results[0], inserts[0].operands[1] if cover is None else cover.operands[-1]
    sizes = [ASSUMED if s is None else s for s in shape(result)]
    free = _uncut(inserts)
    tiles = _free_tiles(sizes, free, dtype_bytes(dtype(into)), target, cover is not None)
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
            if cover is not None:
                tile = _covered(cover, tile, part)
            for op in inserts:
                offsets, _, strides = slice_parts(op, 2)
                piece = region.extract(op.operands[0], _part(op.operands[0], ranges))
                places = zip(offsets, _part(op.operands[0], ranges), strides, strict=True)
                tile = region.insert(piece, tile, tuple(Range(o, r.size, t) for o, r, t in places))
            terminator = scf.InParallelOp()
            with ir.InsertionPoint(terminator.block):
                region.parallel_insert(tile, view, part)
    result.replace_all_uses_with(emitted.results[0])
    for op in [*reversed(inserts), *([] if cover is None else [cover])]:
        op.erase()


def _covered(cover: Any, tile: Any, part: region.Region) -> Any:
    """A tile after its part of what covers the destination."""
    if len(cover.operands) == 2:
        return copy_into(region.extract(cover.operands[0], part), tile)
    return spread(body_ops(cover)[0].operands[0], tile)


def _free_tiles(sizes: list[int], free: list[int], element: int, target: TileTarget, walked: bool) -> list[int]:
    """Tile sizes along uncut dimensions. Tiles that several pieces are written into, one `walked` over after the other,
    are no larger than what stays in the nearest cache, if a step along one dimension is."""
    whole = prod(size for d, size in enumerate(sizes) if d not in free)
    most = max(target.near // (element * whole), 1) if walked else prod(sizes)
    wanted = max(prod(sizes[d] for d in free) // (target.units * TILES_PER_UNIT), LEAST_WORK * target.width // whole, 1)
    return _inner_tiles([s if d in free else 1 for d, s in enumerate(sizes)], min(wanted, most), element, target)


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
