"""Time of a tile choice, by roofline: compute, memory and imbalance. Only used to rank choices."""

from __future__ import annotations

from dataclasses import dataclass

from stratagem.compiler.schedule.machine import TileTarget

STEP_SECONDS = 50e-9
"""Cost of handing out one tile or starting one staging step, on any device; only its order matters."""
REUSE = 8
"""How often an operand in a register is worth using again: each loaded row (column) serves that many columns (rows)."""


@dataclass(frozen=True)
class ContractionShape:
    """The roles of a contraction's dimensions: rows m, columns n, depth k (one dimension each, the largest
    of its
    role; None where there is none), `window` reduction dimensions that slide over the other operand, and how
    often
    all that is repeated (`batch`)."""

    m: int | None
    n: int | None
    k: int | None
    window: tuple[int, ...]
    rows: int
    columns: int
    depth: int
    batch: int
    taps: int
    element: int


def contraction_seconds(shape: ContractionShape, tile: tuple[int, int, int], target: TileTarget) -> float:
    """Seconds for the whole contraction when cut into tiles of (rows, columns, depth)."""
    mc, nc, kc = tile
    tiles = _ceil(shape.rows, mc) * _ceil(shape.columns, nc) * shape.batch
    rounds = _ceil(tiles, target.units)
    steps = _ceil(shape.depth, kc) * shape.taps
    compute = rounds * target.units * 2.0 * mc * _round_up(nc, target.lanes) * shape.depth * shape.taps / target.rate
    compute *= 1.0 + 1.0 / min(mc, REUSE) + 1.0 / min(_ceil(nc, target.lanes), REUSE)
    operands = tiles * steps * (mc + nc) * kc * shape.element
    results = tiles * mc * nc * shape.element
    shared = (operands + 2 * results) / target.outer_bandwidth
    accumulate = 0.0
    if target.far_level != target.near_level:
        accumulate = rounds * steps * 2 * mc * nc * shape.element / target.near_bandwidth
    accumulate += rounds * steps * (mc + kc) * target.copy_latency
    return max(compute, shared) + 0.2 * min(compute, shared) + accumulate + rounds * steps * STEP_SECONDS


def _ceil(value: int, step: int) -> int:
    return -(-value // step)


def _round_up(value: int, step: int) -> int:
    return _ceil(value, step) * step
