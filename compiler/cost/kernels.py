"""Seconds of single kernels on a device: products by tile quantisation and roofline, the rest by streams."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache

from stratagem.compiler.cost.device import DeviceModel

ACCUMULATOR = 4
"""Bytes of one sum while it grows: f32, or i32."""
SPLITS = (1, 2, 4, 8)
"""Parts that the depth of a product may be cut into, to give work to idle places."""


@dataclass(frozen=True)
class Spent:
    """Seconds of a kernel by what it is bound by; their sum is its time.

    `memory` is what streams take beyond computing; `wait` is starting and filling.
    """

    compute: float = 0.0
    memory: float = 0.0
    wait: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return self.compute + self.memory + self.wait

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.compute + other.compute, self.memory + other.memory, self.wait + other.wait)

    def times(self, count: float) -> Spent:
        """`count` kernels one after the other."""
        return Spent(self.compute * count, self.memory * count, self.wait * count)


NOTHING = Spent()


@cache
def blocks(tile: tuple[int, int, int], place_bytes: float) -> tuple[tuple[int, int], ...]:
    """Rows and columns of blocks that one place may compute at a time: the unit's tile times powers of two, as long as
    the sums fill at most half of the place's memory, and neither side is more than four times the other."""
    sides = [[step << power for power in range(12)] for step in tile[:2]]
    most = place_bytes / 2 / ACCUMULATOR
    found = [(m, n) for m in sides[0] for n in sides[1] if m * n <= most and m <= 4 * n and n <= 4 * m]
    return tuple(found) or ((tile[0], tile[1]),)


@dataclass
class Kernels:
    """Times of kernels on one device, each found once.

    Method: a product is cut into blocks; each place computes `ceil(blocks / places)` of them, rounded up to whole
    tiles, while their operands stream in from the nearest shared memory, after the first of them has come and before
    the block is written; all of it is bounded below by main memory (Williams, Waterman, Patterson, "Roofline", CACM
    2009; tile and wave quantisation as in NVIDIA's "Matrix Multiplication Background User's Guide").
    """

    device: DeviceModel
    found: dict[tuple[int, int, int, int, float], Spent] = field(default_factory=dict, repr=False)

    def product(self, batch: int, rows: int, columns: int, depth: int, on_chip: float = 0.0) -> Spent:
        """`batch` products of [rows, depth] and [depth, columns]; `on_chip` elements of each never reach main memory,
        because kernels around it are fused with it."""
        key = (batch, rows, columns, depth, on_chip)
        spent = self.found.get(key)
        if spent is None:
            spent = self.found[key] = self._product(*key)
        return spent

    def _product(self, batch: int, rows: int, columns: int, depth: int, on_chip: float) -> Spent:
        device = self.device
        if 0 in (batch, rows, columns, depth):
            return NOTHING
        compute = self._blocks(batch, rows, columns, depth)
        moved = batch * (rows * depth + depth * columns + rows * columns - on_chip) * device.element
        memory = max(0.0, moved / device.memory - compute)
        return Spent(compute, memory, device.launch + device.latency)

    def _blocks(self, batch: int, rows: int, columns: int, depth: int) -> float:
        device = self.device
        best = math.inf
        for m, n in blocks(device.tile, device.place_bytes):
            tiles = batch * -(-rows // m) * -(-columns // n)
            sides = (min(m, rows), min(n, columns))
            feed = (sum(sides) - device.shared * max(sides)) * device.element / device.near
            wide = sides[0] * sides[1]
            for parts in SPLITS:
                steps = -(-depth // (parts * device.tile[2])) * device.tile[2]
                if parts > 1 and (steps < min(m, n) or tiles >= device.places):
                    break
                rounds = -(-tiles * parts // device.places)
                fill = device.latency + wide * device.element / device.near
                seconds = rounds * (fill + steps * max(2.0 * m * n / device.matmul, feed))
                if parts > 1:  # partial sums are written and read again
                    seconds += 2.0 * parts * batch * rows * columns * ACCUMULATOR / device.memory
                best = min(best, seconds)
        return best

    def stream(self, moved: float, simple: float = 0.0, special: float = 0.0) -> Spent:
        """Elementwise work: bytes moved, additions and the like, exponentials and the like."""
        device = self.device
        if moved <= 0:
            return NOTHING
        compute = simple / device.simple + special / device.special
        return Spent(compute, max(0.0, moved / device.memory - compute), device.launch + device.latency)
