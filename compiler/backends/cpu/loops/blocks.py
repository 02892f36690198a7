"""Cutting a loop into register blocks: full ones, then smaller ones for the rest."""

from __future__ import annotations

from collections.abc import Iterator

from stratagem.compiler.backends.cpu.build import Size, add, round_down, sub


def row_blocks(size: Size, height: int) -> Iterator[tuple[Size, Size, int]]:
    """(begin, end, height of each block in it): ranges that together cover `size` rows.

    A known size is cut evenly where that wastes no row; an unknown one ends in blocks of a third and of one row.
    """
    if isinstance(size, int):
        yield from _known(size, height)
        return
    begin: Size = 0
    for step in sorted({height, max(1, height // 3), 1}, reverse=True):
        end = add(begin, round_down(sub(size, begin), step))
        yield begin, end, step
        begin = end


def _known(size: int, height: int) -> Iterator[tuple[int, int, int]]:
    even = next((h for h in range(height, height // 2, -1) if size % h == 0), None)
    step = even or min(height, size)
    full = size // step * step
    if full:
        yield 0, full, step
    if size > full:
        yield full, size, size - full
