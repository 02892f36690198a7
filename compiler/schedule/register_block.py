"""Blocks of sums that stay in registers while a reduction runs: their shape, and when their operands are copied first.

The cost model and the code of processors with vector registers agree here. That a block should be as wide as registers
allow goes back to Goto and van de Geijn (2008, "Anatomy of High-Performance Matrix Multiplication").
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

MOST_ROWS = 12
"""Rows of a block: enough independent sums to hide the latency of a multiply-add twice over."""
MOST_VECTORS = 4
"""Vectors side by side in a block, a power of two: most matrices are a multiple of that wide."""
WIDE_VECTORS = 8
"""The same where there are few rows."""
SPARE_REGISTERS = 2
"""Registers beside sums and the vectors of one step."""
FEW_ROWS = 4
"""Below this many rows a block is limited by memory: wide rows and no copies, or lanes along the reduction."""
PACK_ROWS = 24
"""Rows that read a panel before copying it has paid for itself, by measurement."""
PACK_STRIDE = 512
"""Elements between the rows of a panel from which on they share cache sets and no prefetcher follows them."""
BROADCAST = 0.5
"""Time to load one element into all lanes, by that of a vector."""


@dataclass(frozen=True)
class RegisterBlock:
    """Rows of a block, and vectors side by side in each."""

    rows: int
    vectors: int


@cache
def register_block(registers: int) -> RegisterBlock:
    """The block that loads least for each multiply-add, among those that `registers` vector registers hold."""
    widths = [1 << n for n in range(MOST_VECTORS.bit_length())]
    blocks = [RegisterBlock(rows, v) for v in widths if (rows := most_rows(registers, v)) > 0]
    return min(blocks, key=lambda b: loads(b.rows, b.vectors), default=RegisterBlock(1, 1))


def most_rows(registers: int, vectors: int, operands: int = 1, outputs: int = 1) -> int:
    """Rows of sums that fit beside `vectors` vectors of each of `operands` operands; 0 where not even one does."""
    return min(MOST_ROWS, (registers - SPARE_REGISTERS - vectors * operands) // (vectors * outputs))


def is_scattered(stride: int, depth: int, element: int, private: int) -> bool:
    """Whether reading panels of `depth` rows in place costs more cache sets and page entries than copying them: the
    rows lie far apart, and together they span more than half of a unit's own cache of `private` bytes."""
    return stride >= PACK_STRIDE and stride * depth * element > private // 2


def loads(rows: int, vectors: int) -> float:
    """Vectors loaded for each multiply-add of a block: its vectors, and one element for each of its rows."""
    return (vectors + BROADCAST * rows) / (rows * vectors)
