"""Other tiles that a kernel could have: what a tuner tries, and what a cost model ranks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from stratagem.compiler.schedule.contraction_tiles import rank_contraction_tiles
from stratagem.compiler.schedule.footprint import extent, footprints
from stratagem.compiler.schedule.tile_kernel import choose
from stratagem.compiler.schedule.tiles import Choice, rows_fit
from stratagem.compiler.schedule.untiled import Untiled


def alternatives(untiled: Untiled, most: int) -> list[Choice]:
    """The compiler's own choice, then up to `most` others that fit as well, the most promising first."""
    own = choose(untiled)
    if (shape := untiled.shape) is not None:
        others = [one for _, one in rank_contraction_tiles(untiled.dims, shape, untiled.target, most + 1)]
    else:
        others = list(_neighbours(untiled, own))
    return [own, *[one for one in others if one != own][:most]]


def _neighbours(untiled: Untiled, own: Choice) -> Iterator[Choice]:
    """Rows cut otherwise: one size halved or doubled, then two of them against each other."""
    factors = [(d, f) for d in untiled.dims.common for f in (0.5, 2.0, 0.25, 4.0)]
    changes = [{d: f} for d, f in factors] + [{d: f, e: 1 / f} for d, f in factors for e, _ in factors[::4] if d != e]
    seen = {tuple(own.sizes.values())}
    for change in changes:
        sizes = {d: _scaled(n, change.get(d, 1.0), extent(untiled.dims, d)) for d, n in own.sizes.items()}
        if tuple(sizes.values()) in seen or not _fits(untiled, sizes):
            continue
        seen.add(tuple(sizes.values()))
        yield replace(own, sizes=sizes)


def _scaled(size: int, factor: float, whole: int) -> int:
    return min(max(int(size * factor), 1), whole)


def _fits(untiled: Untiled, sizes: dict[int, int]) -> bool:
    dims = untiled.dims
    whole = {d: extent(dims, d) for d in dims.extents} | sizes
    return rows_fit(footprints(dims), whole, dims.common, untiled.target)
