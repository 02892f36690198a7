"""Chooses tile sizes of kernels of rows: a pure function of a kernel's dimensions and the device's numbers.

Nothing here knows a product: a device with another cache, vector width, tile shape or number of units gets
other tiles.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from stratagem.compiler.schedule.dims import KernelDims
from stratagem.compiler.schedule.footprint import Footprint, extent, footprints
from stratagem.compiler.schedule.machine import TileTarget
from stratagem.compiler.schedule.structured import is_contraction
from stratagem.hwmodels import Device

TILES_PER_UNIT = 4
"""Tiles wanted per unit, so that units that finish early find more work."""
REGISTER_SHARE = 8
"""Units that keep tiles in registers run several tiles at a time: each gets this part."""
LEAST_WORK = 32
"""Elements per lane below which a tile costs more to hand out than to compute."""
LEAST_SHARED = 512
"""Elements per lane of a whole kernel below which one unit alone is done before another has seen that there is work,
where units are processors of their own."""


@dataclass(frozen=True)
class Choice:
    """Tile size per tiled dimension, and the staging steps of reduction dimensions, outermost first.

    `held`: bytes of a step that are read again and again, where that is not all of it.
    """

    sizes: dict[int, int]
    stages: tuple[tuple[int, int], ...] = ()
    held: int | None = None


def choose_row_tiles(dims: KernelDims, target: TileTarget, repeated: Collection[int] = ()) -> Choice:
    """Tiles of kernels without contraction: as many rows as fit, the innermost dimension first.

    Starts with one element of every tiled dimension and doubles them from the innermost outwards while the
    tile fits and enough tiles remain for all units. Where several operations walk a tile one after the other,
    it should fit the memory nearest to the unit; else the largest that the unit has to itself. Dimensions in
    `repeated` (batch and heads around contractions) stay at one: nothing is shared along them.
    """
    tensors = footprints(dims)
    order = [d for d in reversed(dims.common) if d not in repeated]
    sizes = {d: (1 if d in dims.common else extent(dims, d)) for d in dims.extents}
    total = 1
    for d in dims.common:
        total *= extent(dims, d)
    work = _elements(dims, sizes)
    if target.caches and total * work <= LEAST_SHARED * target.width:
        return Choice({d: extent(dims, d) for d in dims.common}, _streamed(dims, tensors, sizes, target))
    least = max(-(-LEAST_WORK * target.width // max(work, 1)), 1)
    limit = max(total // (target.units * TILES_PER_UNIT), least)
    near = walked_again(dims) and rows_fit_near(tensors, sizes, dims.common, target)
    stages = _streamed(dims, tensors, sizes, target)
    for position, d in enumerate(order):
        _grow(
            sizes,
            d,
            extent(dims, d),
            lambda: (
                rows_fit(tensors, sizes, dims.common, target)
                and (not near or _taken(sizes, order) <= least or rows_fit_near(tensors, sizes, dims.common, target))
            ),
            _rows_left(dims, sizes, order, limit),
        )
        aligned = target.lanes if position == 0 and not _has_inner(dims, sizes) else 1
        sizes[d] = _align(sizes[d], extent(dims, d), aligned)
        if sizes[d] < extent(dims, d):
            break
    return Choice({d: sizes[d] for d in dims.common}, stages)


def _streamed(
    dims: KernelDims, tensors: list[Footprint], sizes: dict[int, int], target: TileTarget
) -> tuple[tuple[int, int], ...]:
    """Staging steps for the whole dimensions when even one row does not fit; the steps replace their
    sizes."""
    stages = []
    while not rows_fit(tensors, sizes, dims.common, target):
        whole = [d for d in sizes if d not in dims.common and sizes[d] > target.lanes]
        if not whole:
            break
        longest = max(whole, key=lambda d: sizes[d])
        while sizes[longest] > target.lanes and not rows_fit(tensors, sizes, dims.common, target):
            sizes[longest] = 1 << ((sizes[longest] - 1).bit_length() - 1)
        stages.append((longest, sizes[longest]))
    return tuple(stages)


def outer_sizes(dims: KernelDims, choice: Choice, device: Device) -> list[dict[int, int]]:
    """Tile sizes of the tiers around the innermost one: its tiles, dealt out evenly to the units of each
    tier."""
    sizes, found = dict(choice.sizes), []
    for group in reversed(device.groups()[:-1]):
        sizes = _dealt(dims, sizes, group.count)
        found.append(sizes)
    return found[::-1]


def _dealt(dims: KernelDims, sizes: dict[int, int], count: int) -> dict[int, int]:
    """Multiples of `sizes` that leave about `count` tiles: the dimension with most tiles is split first."""
    tiles = {d: -(-extent(dims, d) // size) for d, size in sizes.items()}
    parts = dict.fromkeys(sizes, 1)
    while count > 1:
        d = max(tiles, key=lambda d: tiles[d] / parts[d])
        total = 1
        for n in parts.values():
            total *= n
        if tiles[d] <= parts[d] or total * 2 > count:
            break
        parts[d] *= 2
    return {d: size * -(-tiles[d] // parts[d]) for d, size in sizes.items()}


def _elements(dims: KernelDims, sizes: dict[int, int]) -> int:
    return max((f.bytes(sizes) // f.element for f in footprints(dims)), default=1)


def _has_inner(dims: KernelDims, sizes: dict[int, int]) -> bool:
    """Whether something inside the tiled dimensions stays whole."""
    return any(size > 1 for d, size in sizes.items() if d not in dims.common)


def walked_again(dims: KernelDims) -> bool:
    """Whether a tile is walked by several operations, none of them a contraction, which chooses its own blocks."""
    cut = {d for d, size in dims.extents.items() if size != 1}
    whole = [op for op, loops in dims.loops.items() if cut <= set(loops.dims)]
    return len(whole) > 1 and not any(is_contraction(op) for op in dims.loops)


def _taken(sizes: dict[int, int], order: list[int]) -> int:
    """Rows of a tile."""
    taken = 1
    for d in order:
        taken *= sizes[d]
    return taken


def _rows_left(dims: KernelDims, sizes: dict[int, int], order: list[int], limit: int) -> int:
    return max(limit // _taken(sizes, order), 1)


def _grow(sizes: dict[int, int], dim: int, whole: int, fits: object, most: int) -> None:
    """Doubles `sizes[dim]` up to `most` (or takes all of it) while the tile fits."""
    assert callable(fits)
    if whole <= most:
        sizes[dim] = whole
        if fits():
            return
        sizes[dim] = 1
    while sizes[dim] * 2 <= min(whole, most):
        sizes[dim] *= 2
        if not fits():
            sizes[dim] //= 2
            return


def _align(size: int, whole: int, step: int) -> int:
    """`size`, or a multiple of `step` near it; all of the dimension when it is not larger."""
    if size >= whole or step <= 1:
        return min(size, whole)
    return min(max(size // step, 1) * step, whole)


def rows_fit(tensors: list[Footprint], sizes: dict[int, int], tiled: list[int], target: TileTarget) -> bool:
    """Whether a tile of rows fits. Tensors that every tile reads whole may take half of the memory, not more: what is
    larger streams through."""
    moving, shared = moving_and_shared(tensors, sizes, tiled)
    if target.copies:
        return moving + shared <= target.near
    if target.registers is not None and target.holds_tiles_in_registers:
        made = sum(t.bytes(sizes) for t in tensors if t.made)
        return made <= target.registers // REGISTER_SHARE
    return moving <= target.far - min(shared, target.far // 2)


def rows_fit_near(tensors: list[Footprint], sizes: dict[int, int], tiled: list[int], target: TileTarget) -> bool:
    """The same for the memory nearest to the unit."""
    moving, shared = moving_and_shared(tensors, sizes, tiled)
    return moving <= target.near - min(shared, target.near // 2)


def moving_and_shared(tensors: list[Footprint], sizes: dict[int, int], tiled: list[int]) -> tuple[int, int]:
    """Bytes of a tile's own parts of tensors, and of tensors that every tile reads whole."""
    moving = sum(t.bytes(sizes) for t in tensors if t.dims() & set(tiled))
    return moving, sum(t.bytes(sizes) for t in tensors if not t.dims() & set(tiled))
