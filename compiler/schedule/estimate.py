"""Seconds of a kernel with given tiles, by the model that chooses them."""

from __future__ import annotations

from math import prod

from stratagem.compiler.schedule import kernel
from stratagem.compiler.schedule.contraction_tiles import block_of
from stratagem.compiler.schedule.cost import contraction_seconds, rows_seconds
from stratagem.compiler.schedule.footprint import extent, footprints
from stratagem.compiler.schedule.structured import body_ops
from stratagem.compiler.schedule.tile_kernel import Untiled
from stratagem.compiler.schedule.tiles import Choice, moving_and_shared, walked_again
from stratagem.compiler.schedule.work import FREE


def estimate_seconds(untiled: Untiled, choice: Choice) -> float:
    """Seconds of one call; free sizes count as those that tiles are chosen for."""
    if (shape := untiled.shape) is not None:
        return contraction_seconds(shape, block_of(shape, choice), untiled.target)
    dims, target = untiled.dims, untiled.target
    sizes = {d: extent(dims, d) for d in dims.extents} | choice.sizes | dict(choice.stages)
    moving, shared = moving_and_shared(footprints(dims), sizes, dims.common)
    walks = len(kernel.generics(untiled.ops)) if walked_again(dims) else 1
    tiles = prod(-(-extent(dims, d) // size) for d, size in choice.sizes.items())
    return rows_seconds(tiles, _operations(untiled, sizes), moving, shared, walks, target)


def _operations(untiled: Untiled, sizes: dict[int, int]) -> float:
    """Operations of one tile, with the innermost loop of each op filled up to whole vectors."""
    total = 0.0
    for op in kernel.generics(untiled.ops):
        loops = untiled.dims.loops[op]
        extents = [sizes[d] for d in loops.dims]
        each = sum(1 for inner in body_ops(op) if inner.name not in FREE)
        filled = -(-extents[-1] // untiled.target.lanes) * untiled.target.lanes
        total += each * prod(extents[:-1]) * filled
    return total
