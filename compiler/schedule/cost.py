"""Time of a tile choice: compute, memory, and what waits for them; it ranks choices and tells what a kernel costs."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

from stratagem.compiler.schedule.machine import TileTarget
from stratagem.compiler.schedule.register_block import FEW_ROWS, PACK_ROWS, WIDE_VECTORS, is_scattered, loads

STEP_SECONDS = 50e-9
"""Cost of handing out one tile or starting one staging step, on any device; only its order matters."""
OVERLAP = 0.2
"""Share of the shorter of computing and moving data that is not hidden behind the longer."""
TAP_SECONDS = 10e-9
"""Cost of turning to another tap of a window, which needs no new tile."""
EXPOSED = 0.05
"""Share of a stream from the next cache that computing does not hide."""
REUSE = 8
"""How often an operand in a register is used again at most: a loaded row serves that many columns, and so on."""


@dataclass(frozen=True)
class ContractionShape:
    """The roles of a contraction's dimensions, one dimension per role, None where there is none, and their extents.

    Rows m, columns n (innermost in the result), depth k. `window`: reduction dimensions that slide over one operand,
    the picture. `extra`: a second dimension of the picture's side (image rows beside image columns); `extra_rows` tells
    whether that side is the rows, `extra_extent` is 1 without one. `batch`: how often all that is repeated; `taps`:
    reduction steps beside the depth; `element`: bytes of an operand's element; `stride`: elements between neighbours
    along the depth in the columns' operand.
    """

    m: int | None
    n: int | None
    k: int | None
    window: tuple[int, ...]
    extra: int | None
    extra_rows: bool
    rows: int
    columns: int
    depth: int
    extra_extent: int
    batch: int
    taps: int
    element: int
    stride: int = 1


@dataclass(frozen=True)
class Block:
    """A tile of a contraction: extents of rows, columns, depth and of the extra dimension."""

    rows: int
    columns: int
    depth: int
    extra: int = 1


@dataclass(frozen=True)
class Seconds:
    """Of a kernel: what computing and what moving data take by themselves, and what is not hidden behind either."""

    compute: float
    memory: float
    wait: float

    @property
    def total(self) -> float:
        """Computing and moving overlap, though not wholly."""
        return max(self.compute, self.memory) + OVERLAP * min(self.compute, self.memory) + self.wait


def contraction_seconds(shape: ContractionShape, block: Block, target: TileTarget) -> Seconds:
    """The whole contraction when it is cut into blocks."""
    if target.call is not None:
        return _called_seconds(shape, block, target, target.call)
    tiles = _ceil(shape.rows, block.rows) * _ceil(shape.columns, block.columns) * shape.batch
    tiles *= _ceil(shape.extra_extent, block.extra)
    rounds = _ceil(tiles, target.units)
    steps = _ceil(shape.depth, block.depth) * shape.taps
    area = block.rows * block.columns * block.extra
    compute = rounds * target.units * 2.0 * area * shape.depth * shape.taps / target.rate
    compute *= _round_up(block.columns, target.lanes) / block.columns
    compute *= _slowed(block, target)
    loaded = tiles * _side_elements(shape, block, target) * _ceil(shape.depth, block.depth) * block.depth
    shared = (loaded + 2 * tiles * area) * shape.element / target.outer_bandwidth
    again = rounds * steps * (block.rows + block.depth) * target.copy_latency
    if target.caches:
        again += rounds * steps * _waiting_seconds(shape, block, target)
    staged = _ceil(shape.depth, block.depth)
    handed = rounds * staged * (STEP_SECONDS + (shape.taps - 1) * TAP_SECONDS)
    return Seconds(compute, shared, again + handed)


def _called_seconds(shape: ContractionShape, block: Block, target: TileTarget, call: float) -> Seconds:
    """The same when a library does each block: it reads both operands once, and what its calls reach is in the rate."""
    tiles = _ceil(shape.rows, block.rows) * _ceil(shape.columns, block.columns)
    rounds, area = _ceil(tiles, target.units), block.rows * block.columns
    compute = rounds * target.units * 2.0 * area * shape.depth / target.rate
    moved = tiles * ((block.rows + block.columns) * shape.depth + 2 * area) * shape.element
    return Seconds(compute, moved / target.outer_bandwidth, rounds * (STEP_SECONDS + call))


def contraction_traffic(shape: ContractionShape, block: Block, target: TileTarget) -> tuple[float, float, float]:
    """Bytes that registers load from the nearest memory, that it loads from the unit's outermost one, and that this
    loads from what all units share."""
    tiles = _ceil(shape.rows, block.rows) * _ceil(shape.columns, block.columns) * shape.batch
    tiles *= _ceil(shape.extra_extent, block.extra)
    points = float(shape.rows * shape.columns * shape.extra_extent * shape.batch * shape.depth * shape.taps)
    rows, columns = min(block.rows * block.extra, REUSE), min(block.columns, target.panel_columns)
    shared = tiles * _side_elements(shape, block, target) * _ceil(shape.depth, block.depth) * block.depth
    again = 1.0 if panel_bytes(shape, block, target) <= target.near else _ceil(block.rows, target.block.rows)
    near = points * (1 / rows + 1 / columns)
    return near * shape.element, min(shared * again, near) * shape.element, shared * shape.element


def _slowed(block: Block, target: TileTarget) -> float:
    """How much longer computing takes than multiply-adds at the full rate: a register block is slow where its operands
    come slower than they are used, or where it has too few sums to hide the time that each multiply-add takes."""
    vectors = _ceil(block.columns, target.lanes)
    if not target.caches:
        return 1.0 + 1.0 / min(block.rows, REUSE) + 1.0 / min(vectors, REUSE)
    rows = block.rows * block.extra
    vectors = min(vectors, WIDE_VECTORS if rows < FEW_ROWS else target.block.vectors)
    rows = min(rows, target.rows_beside(vectors))
    return max(1.0, loads(rows, vectors) / target.loads, target.waiting / (rows * vectors))


def panel_bytes(shape: ContractionShape, block: Block, target: TileTarget) -> int:
    """Bytes of the columns that a register block reads: all rows of the tile read them, one block after the other.

    Nothing is read again where there are few rows.
    """
    if shape.rows * shape.extra_extent < FEW_ROWS:
        return 0
    return min(target.panel_columns, block.columns) * block.depth * shape.element


def held_bytes(shape: ContractionShape, block: Block, target: TileTarget) -> int:
    """Bytes that one step of a tile reads again and again: a panel, and the rows if they fit beside it."""
    panel = panel_bytes(shape, block, target)
    rows = block.rows * block.depth * shape.element
    return panel + rows if panel + rows <= target.far else panel


def _waiting_seconds(shape: ContractionShape, block: Block, target: TileTarget) -> float:
    """Seconds that one step of a tile waits for the unit's outer private cache.

    A step that is not the last of a reduction leaves its sums there, and each register block of the next step waits for
    them before it starts and after it ends. Columns are copied to panels once per step, and stream past the rows where
    a panel does not fit the inner cache.
    """
    area = block.rows * block.columns * block.extra
    seconds = 0.0
    if block.depth < shape.depth:
        blocks = _ceil(block.rows * block.extra, target.block.rows) * _ceil(block.columns, target.panel_columns)
        stays = area * shape.element <= target.far // 2
        bandwidth = target.far_bandwidth if stays else target.outer_bandwidth / target.units
        seconds += 2 * area * shape.element / bandwidth + 2 * blocks * target.far_latency
    if not shape.window and is_scattered(shape.stride, shape.depth, shape.element, target.far):
        seconds += _strided_seconds(shape, block, target)
    if shape.rows < FEW_ROWS and shape.stride == 1 and shape.depth > 1 and not shape.window:
        # Lanes lie along the depth, and each sum is added up across them.
        multiply_add = target.waiting * 2 * target.lanes * target.units / target.rate
        seconds += area * log2(max(target.lanes, 2)) * multiply_add
    if panel_bytes(shape, block, target) > target.near:
        streamed = block.columns * block.depth * _ceil(block.rows, target.block.rows) * shape.element
        seconds += EXPOSED * streamed / target.far_bandwidth
    return seconds


def _strided_seconds(shape: ContractionShape, block: Block, target: TileTarget) -> float:
    """Seconds that one step of a tile waits because the rows of its columns lie far apart.

    Many rows read a copy, which is made once. Fewer read them in place, where lines fall into few sets of the nearest
    cache and no prefetcher follows: each register block waits for every line.
    """
    columns = block.columns * block.depth * shape.element
    if block.rows >= PACK_ROWS:
        return columns * (target.units / target.outer_bandwidth + 1 / target.far_bandwidth)
    if block.rows < FEW_ROWS:
        return 0.0
    return _ceil(block.rows, target.block.rows) * columns / target.granule * target.far_latency


def _side_elements(shape: ContractionShape, block: Block, target: TileTarget) -> int:
    """Elements that a tile reads of both operands per unit of depth. A picture is read once, then again from nearby for
    each tap; other operands are other elements for each tap. Rows that do not stay in the private cache are read for
    every panel of columns."""
    rows, columns = block.rows, block.columns
    if shape.extra_rows:
        rows *= block.extra
    else:
        columns *= block.extra
    if not shape.window:
        panel = panel_bytes(shape, block, target)
        if target.caches and held_bytes(shape, block, target) == panel:
            rows *= _ceil(columns, target.panel_columns)
        return (rows + columns) * shape.taps
    return rows + columns * shape.taps if shape.extra_rows else rows * shape.taps + columns


def _ceil(value: int, step: int) -> int:
    return -(-value // step)


def _round_up(value: int, step: int) -> int:
    return _ceil(value, step) * step
