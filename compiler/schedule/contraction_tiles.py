"""Chooses tile sizes of contractions: the cheapest of the blocks that fit."""

from __future__ import annotations

from dataclasses import replace
from heapq import nsmallest
from itertools import product
from statistics import fmean

from stratagem.compiler.schedule.cost import (
    Block,
    ContractionShape,
    contraction_seconds,
    held_bytes,
    panel_bytes,
)
from stratagem.compiler.schedule.dims import KernelDims
from stratagem.compiler.schedule.footprint import Footprint, extent, footprints
from stratagem.compiler.schedule.machine import TileTarget
from stratagem.compiler.schedule.register_block import FEW_ROWS
from stratagem.compiler.schedule.tiles import Choice

ROWS_UNKNOWN = 64
"""Largest row block where the number of rows (a batch) is known only at run time: small batches must still be cut."""
FEWER_ROWS = (32, 128)
"""Numbers of rows beside the assumed one that a choice for unknown rows is made for."""
SUM = 4
"""Bytes of a sum in registers, at least."""
MOST_PARTS = 16
"""Most equal parts that a dimension is tried to be cut into."""


def choose_contraction_tiles(dims: KernelDims, shape: ContractionShape, target: TileTarget) -> Choice:
    """Tiles of a contraction: the cheapest of the block sizes that fit, by `cost.contraction_seconds`."""
    return rank_contraction_tiles(dims, shape, target, most=1)[0][1]


def rank_contraction_tiles(
    dims: KernelDims, shape: ContractionShape, target: TileTarget, most: int
) -> list[tuple[float, Choice]]:
    """The cheapest block sizes that fit, with their estimated seconds, the best first: `most` of them, at least one."""
    if target.call is not None:
        return _rank_calls(dims, shape, target, most)
    tensors = footprints(dims)
    ones = dict.fromkeys([d for d in dims.common if d not in (shape.m, shape.n)] + list(shape.window), 1)
    base = {d: extent(dims, d) for d in dims.extents} | ones
    blocks = [Block(*sizes) for sizes in product(*_block_candidates(dims, shape, target))]
    fitting = [b for b in blocks if contraction_fits(tensors, base | _sizes(shape, b), shape, target)]
    unknown = shape.m is not None and dims.extents[shape.m] is None
    costed = ((_seconds(shape, b, target, unknown), b) for b in fitting or [Block(1, 1, blocks[0].depth)])
    best = nsmallest(most, costed, key=lambda pair: pair[0])
    return [(seconds, _contraction_choice(dims, shape, base, block, target)) for seconds, block in best]


def _rank_calls(dims: KernelDims, shape: ContractionShape, target: TileTarget, most: int) -> list[tuple[float, Choice]]:
    """The same where a library does each tile: it cuts further by itself, so tiles are few, each of whole depth."""
    parts = range(1, 2 * target.units + 1)
    rows = {-(-shape.rows // n) for n in parts}
    columns = {min(-(-shape.columns // (n * target.lanes)) * target.lanes, shape.columns) for n in parts}
    blocks = [Block(m, n, shape.depth) for m in sorted(rows) for n in sorted(columns)]
    costed = ((contraction_seconds(shape, block, target).total, block) for block in blocks)
    best = nsmallest(most, costed, key=lambda pair: pair[0])
    base = {d: extent(dims, d) for d in dims.extents}
    return [(seconds, Choice({d: (base | _sizes(shape, b))[d] for d in dims.common})) for seconds, b in best]


def _seconds(shape: ContractionShape, block: Block, target: TileTarget, unknown: bool) -> float:
    """Estimated seconds of a block size. Rows that are known only at run time may be few: then what counts is the mean
    over a few numbers of them of the seconds for each row."""
    if not unknown:
        return contraction_seconds(shape, block, target).total
    samples = [replace(shape, rows=rows) for rows in (*FEWER_ROWS, shape.rows)]
    return shape.rows * fmean(
        contraction_seconds(one, replace(block, rows=min(block.rows, one.rows)), target).total / one.rows
        for one in samples
    )


def block_of(shape: ContractionShape, choice: Choice) -> Block:
    """The block that a choice of tiles makes of a contraction."""
    sizes = choice.sizes | dict(choice.stages)
    roles = ((shape.m, shape.rows), (shape.n, shape.columns), (shape.k, shape.depth), (shape.extra, shape.extra_extent))
    return Block(*(1 if d is None else sizes.get(d, whole) for d, whole in roles))


def with_held(choice: Choice, shape: ContractionShape, target: TileTarget) -> Choice:
    """The choice, with what a step of it reads again and again."""
    if not target.caches or shape.window or target.call is not None:
        return choice
    return replace(choice, held=held_bytes(shape, block_of(shape, choice), target))


def _block_candidates(dims: KernelDims, shape: ContractionShape, target: TileTarget) -> tuple[list[int], ...]:
    """Sizes to try for rows, columns, depth and the extra dimension."""
    most = ROWS_UNKNOWN if shape.m is not None and dims.extents[shape.m] is None else 512
    rows = _candidates(shape.rows, _unit_extent(target, 0), most)
    columns = _candidates(shape.columns, _least_columns(shape, target), 2048)
    least, most_depth = (64, 8192) if target.caches else (8, 1024)
    depths = _candidates(shape.depth, max(_unit_extent(target, 2), least), most_depth)
    if target.caches:
        shares = {part for part in _even_parts(shape.rows, 1, most) if shape.rows // part % target.units == 0}
        rows = sorted({*rows, *shares, *_even_parts(shape.rows, target.block.rows, most)})
        columns = sorted({*columns, *_even_parts(shape.columns, target.panel_columns, 2048)})
    return rows, columns, depths, _candidates(shape.extra_extent, 1, 16)


def _least_columns(shape: ContractionShape, target: TileTarget) -> int:
    """Columns of the narrowest tile: a whole panel where several rows read it, since a part of one leaves most of each
    row that prefetchers bring to other tiles."""
    least = max(_unit_extent(target, 1), target.lanes)
    walks_panels = target.caches and shape.rows * shape.extra_extent >= FEW_ROWS
    return max(least, target.panel_columns) if walks_panels else least


def _even_parts(whole: int, step: int, most: int) -> set[int]:
    """Sizes that cut `whole` into a few parts of equal size, where these are multiples of `step`."""
    return {whole // n for n in range(2, MOST_PARTS + 1) if whole % (n * step) == 0 and whole // n <= most}


def _sizes(shape: ContractionShape, block: Block) -> dict[int, int]:
    """The block's extents by kernel dimension."""
    roles = ((shape.m, block.rows), (shape.n, block.columns), (shape.k, block.depth), (shape.extra, block.extra))
    return {dim: size for dim, size in roles if dim is not None}


def contraction_fits(
    tensors: list[Footprint], sizes: dict[int, int], shape: ContractionShape, target: TileTarget
) -> bool:
    """Whether one step's tiles fit: operands in the memory they stream through, accumulators in registers."""
    total = sum(t.bytes(sizes) for t in tensors)
    accumulator = max((t.bytes(sizes) for t in tensors if t.made), default=0)
    if target.copies:
        return total <= target.near
    if target.registers is not None and target.holds_tiles_in_registers:
        # One memory per unit, filled by the unit itself: accumulators live in registers, and operands, too, unless an
        # operation on whole tiles reads them where they are. Sums of narrow elements are kept in 32 bits.
        room = target.registers // (2 if target.tile else 4)
        sums = max((t.bytes(sizes) // t.element * max(t.element, SUM) for t in tensors if t.made), default=0)
        return total - accumulator <= target.near // 2 and sums <= room
    block = Block(*(1 if d is None else sizes[d] for d in (shape.m, shape.n, shape.k)))
    return (total <= target.far or not shape.window) and panel_bytes(shape, block, target) <= target.far // 2


def _unit_extent(target: TileTarget, position: int) -> int:
    return target.tile[position] if len(target.tile) > position else 1


def _candidates(whole: int, least: int, most: int) -> list[int]:
    """Powers of two times `least`, up to `most`; the whole extent where that is not larger than `most`."""
    found = {whole} if whole <= most else set()
    size = least
    while size < whole and size <= most:
        found.add(size)
        size *= 2
    return sorted(found or {min(whole, least)})


def _contraction_choice(
    dims: KernelDims, shape: ContractionShape, base: dict[int, int], block: Block, target: TileTarget
) -> Choice:
    sizes = base | _sizes(shape, block)
    stages = [(d, 1) for d in shape.window if extent(dims, d) > 1]
    if shape.k is not None and block.depth < extent(dims, shape.k):
        stages.append((shape.k, block.depth))
    return with_held(Choice({d: sizes[d] for d in dims.common}, tuple(stages)), shape, target)
