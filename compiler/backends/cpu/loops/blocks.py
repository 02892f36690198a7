"""Cutting a loop into register blocks."""

from __future__ import annotations

from collections.abc import Iterator

from stratagem.compiler.backends.cpu.build import Size, add, round_down, sub


def row_blocks(size: Size, height: int) -> Iterator[tuple[Size, Size, int]]:
    """(begin, end, height of each block in it): ranges that together cover `size` rows.

    A known size is cut evenly; an unknown one ends in blocks of a third and of one row.
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
    """As few blocks as cover `size`, their heights one apart at most."""
    if not size:
        return
    count = -(-size // height)
    low, taller = divmod(size, count)
    middle = taller * (low + 1)
    if taller:
        yield 0, middle, low + 1
    yield middle, size, low
