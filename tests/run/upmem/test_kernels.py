"""Hand-written kernels on the simulator against the reference interpreter, at sizes that divide nothing."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.upmem import kernels
from tests.unit.upmem.support import changed_device, check, random


@pytest.mark.parametrize(
    "n, unit, tile, piece, dtype",
    [
        (1, 1, 1, 1, "i32"),
        (1, 1, 1, 1, "i64"),
        (1009, 32, 8, 4, "i32"),
        (1009, 32, 8, 4, "f32"),
        (67, 33, 7, 3, "i32"),
        (67, 33, 7, 3, "i8"),
        (67, 33, 7, 3, "i64"),
        (65, 64, 64, 64, "f32"),
    ],
)
def test_vector_add(n: int, unit: int, tile: int, piece: int, dtype: str) -> None:
    op = "addf" if dtype.startswith("f") else "addi"
    text = kernels.vector_add(n, unit, tile, piece, dtype, op)
    check(text, [random((n,), dtype, 1), random((n,), dtype, 2)], random((n,), dtype, 3))


@pytest.mark.parametrize("n", [1, 9, 1009])
def test_an_operand_without_dimensions_takes_no_place_among_the_sizes(n: int) -> None:
    check(kernels.scale_free(32, 8), [random((n,), "i32", 1), np.array(3, np.int32)], random((n,), "i32"))


def test_more_tiles_than_units_take_several_rounds() -> None:
    n = 1009
    report = check(
        kernels.vector_add(n, 7, 7, 7), [random((n,), "i32", 1), random((n,), "i32", 2)], random((n,), "i32")
    )
    assert report.counts["launches"] == 3  # 145 tiles on 64 units


@pytest.mark.parametrize("dtype", ["i32", "f32"])
@pytest.mark.parametrize("m, k, unit, tile", [(1, 1, 1, 1), (13, 7, 4, 2), (97, 33, 8, 4), (64, 1031, 16, 2)])
def test_matvec(m: int, k: int, unit: int, tile: int, dtype: str) -> None:
    check(
        kernels.matvec(m, k, unit, tile, dtype),
        [random((m, k), dtype, 1), random((k,), dtype, 2)],
        random((m,), dtype, 3),
    )


@pytest.mark.parametrize("dtype", ["i32", "f32"])
@pytest.mark.parametrize(
    "m, n, k, unit, tile, depth",
    [
        (1, 1, 1, (1, 1), (1, 1), 1),
        (13, 17, 11, (8, 8), (4, 4), 8),
        (33, 31, 29, (16, 16), (5, 3), 7),
        (17, 33, 64, (16, 32), (8, 8), 16),
    ],
)
def test_matmul(m: int, n: int, k: int, unit: tuple[int, int], tile: tuple[int, int], depth: int, dtype: str) -> None:
    check(
        kernels.matmul(m, n, k, unit, tile, depth, dtype),
        [random((m, k), dtype, 1), random((k, n), dtype, 2)],
        random((m, n), dtype, 3),
    )


@pytest.mark.parametrize("dtype", ["i32", "f32"])
@pytest.mark.parametrize("n, unit, tasklets", [(1, 1, 1), (1009, 100, 5), (64, 64, 8), (5003, 128, 24)])
def test_reduction_over_tasklets_units_and_host(n: int, unit: int, tasklets: int, dtype: str) -> None:
    check(kernels.reduction(n, unit, tasklets, dtype), [random((n,), dtype, 1)], random((), dtype))


@pytest.mark.parametrize("m, n, unit, tile", [(7, 13, 2, 1), (33, 64, 8, 2), (1, 1, 1, 1)])
def test_softmax_rows(m: int, n: int, unit: int, tile: int) -> None:
    check(kernels.softmax(m, n, unit, tile), [5 * random((m, n), "f32", 1)], random((m, n), "f32"))


def test_wrapping_integers_are_exact() -> None:
    big = np.full(9, 2**31 - 5, np.int32)
    output = np.zeros(9, np.int32)
    check(kernels.vector_add(9, 4, 4, 4, op="muli"), [big, big], output)
    assert (output == 25).all()


def test_a_device_with_other_transfers_gives_the_same_result() -> None:
    other = changed_device("mram", granule=16, burst=64)
    check(
        kernels.matmul(33, 31, 29, (16, 16), (5, 3), 7),
        [random((33, 29), "i32", 1), random((29, 31), "i32", 2)],
        random((33, 31), "i32"),
        other,
    )


IN_PLACE = """
      %c = arith.constant 1 : i32
      %u = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
          outs(%t0 : tensor<9xi32>) {
      ^bb0(%x: i32):
        %y = arith.addi %x, %c : i32
        linalg.yield %y : i32
      } -> tensor<9xi32>
      %v = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>,
          affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
          ins(%u, %LAST : tensor<9xi32>, tensor<9xi32>) outs(%ot : tensor<9xi32>) {
"""


@pytest.mark.parametrize("last", ["t0", "u"])
def test_a_tile_is_overwritten_only_when_nobody_reads_it_afterwards(last: str) -> None:
    text = kernels.elementwise(9, ("i32",), "i32", "%y = arith.muli %x0, %x1 : i32")
    start, end = text.index("      %v = linalg.generic"), text.index("      ^bb0(%x0")
    text = text[:start] + IN_PLACE.replace("LAST", last) + text[end:].replace("%x0: i32,", "%x0: i32, %x1: i32,")
    a, output = random((9,), "i32", 1), np.zeros(9, np.int32)
    check(text, [a], output)
    assert (output == (a + 1) * (a if last == "t0" else a + 1)).all()


def test_outputs_written_in_part_keep_the_rest() -> None:
    """The tasklets write the first half of each part only; the rest must come back as it was sent."""
    text = kernels.vector_add(64, 32, 8, 8)
    text = text.replace("(%t) = (0) to (%n) step (8)", "(%t) = (0) to (%half) step (8)")
    text = text.replace(
        "    %ap = tensor", "    %half = affine.apply affine_map<(d0) -> (d0 floordiv 2)>(%n)\n    %ap = tensor"
    )
    a, b = random((64,), "i32", 1), random((64,), "i32", 2)
    before = random((64,), "i32", 3)
    output = before.copy()
    check(text, [a, b], output)
    first = np.arange(64) % 32 < 16
    assert (output == np.where(first, a + b, before)).all()
