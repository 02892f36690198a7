"""Register blocks follow from the number of registers, and copies of panels from where their rows lie."""

from __future__ import annotations

import pytest

from stratagem.compiler.schedule.register_block import (
    MOST_ROWS,
    SPARE_REGISTERS,
    is_scattered,
    loads,
    most_rows,
    register_block,
)


@pytest.mark.parametrize(("registers", "rows", "vectors"), [(8, 5, 1), (16, 6, 2), (32, 6, 4), (0, 1, 1)])
def test_a_block_loads_least(registers: int, rows: int, vectors: int) -> None:
    found = register_block(registers)
    assert (found.rows, found.vectors) == (rows, vectors)


@pytest.mark.parametrize("registers", range(4, 65))
def test_a_block_fits_and_no_other_width_loads_less(registers: int) -> None:
    found = register_block(registers)
    assert found.rows * found.vectors + found.vectors + SPARE_REGISTERS <= registers
    for vectors in (1, 2, 4):
        rows = most_rows(registers, vectors)
        assert rows <= MOST_ROWS
        assert rows <= 0 or loads(found.rows, found.vectors) <= loads(rows, vectors)


def test_rows_make_room_for_operands_and_outputs() -> None:
    assert most_rows(32, 2) == 12
    assert most_rows(32, 4, operands=3) == 4
    assert most_rows(32, 4, outputs=2) == 3
    assert most_rows(4, 4) <= 0


@pytest.mark.parametrize(
    ("stride", "depth", "scattered"),
    [(511, 4096, False), (512, 4096, True), (512, 256, False), (1024, 129, True), (1024, 128, False)],
)
def test_rows_are_scattered_where_they_leave_the_cache(stride: int, depth: int, scattered: bool) -> None:
    assert is_scattered(stride, depth, element=4, private=2**20) == scattered
