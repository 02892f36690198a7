"""Tile sizes follow the numbers of the hardware description, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stratagem.compiler.ir import parse_module
from stratagem.compiler.schedule.contraction import contraction_shape
from stratagem.compiler.schedule.contraction_tiles import choose_contraction_tiles
from stratagem.compiler.schedule.dims import KernelDims, analyse
from stratagem.compiler.schedule.footprint import footprints, room, units
from stratagem.compiler.schedule.machine import TileTarget, tile_target
from stratagem.compiler.schedule.pieces import insertion_tiles, side_tiles
from stratagem.compiler.schedule.structured import is_generic
from stratagem.compiler.schedule.tiles import Choice, choose_row_tiles
from stratagem.hwmodels import Device, load_device

MATMUL = """
func.func @f(%a: tensor<{m}x{k}xf32>, %b: tensor<{k}x{n}xf32>, %c: tensor<{m}x{n}xf32>) -> tensor<{m}x{n}xf32> {{
  %0 = linalg.generic {{indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>,
      affine_map<(m, n, k) -> (m, n)>], iterator_types = ["parallel", "parallel", "reduction"]}}
    ins(%a, %b : tensor<{m}x{k}xf32>, tensor<{k}x{n}xf32>) outs(%c : tensor<{m}x{n}xf32>) {{
  ^bb0(%x: f32, %y: f32, %z: f32):
    %p = arith.mulf %x, %y : f32
    %s = arith.addf %z, %p : f32
    linalg.yield %s : f32
  }} -> tensor<{m}x{n}xf32>
  return %0 : tensor<{m}x{n}xf32>
}}"""

ROWS = """
func.func @f(%a: tensor<{m}x{n}xf32>, %c: tensor<{m}x{n}xf32>) -> tensor<{m}x{n}xf32> {{
  %0 = linalg.generic {{indexing_maps = [affine_map<(m, n) -> (m, n)>, affine_map<(m, n) -> (m, n)>],
      iterator_types = ["parallel", "parallel"]}}
    ins(%a : tensor<{m}x{n}xf32>) outs(%c : tensor<{m}x{n}xf32>) {{
  ^bb0(%x: f32, %z: f32):
    %s = arith.addf %x, %x : f32
    linalg.yield %s : f32
  }} -> tensor<{m}x{n}xf32>
  return %0 : tensor<{m}x{n}xf32>
}}"""


AGAIN = """
func.func @f(%a: tensor<{m}x{n}xf32>, %b: tensor<{m}xf32>, %c: tensor<{m}x{n}xf32>) -> tensor<{m}x{n}xf32> {{
  %0 = linalg.generic {{indexing_maps = [affine_map<(m, n) -> (m, n)>, affine_map<(m, n) -> (m)>],
      iterator_types = ["parallel", "reduction"]}}
    ins(%a : tensor<{m}x{n}xf32>) outs(%b : tensor<{m}xf32>) {{
  ^bb0(%x: f32, %z: f32):
    %s = arith.addf %x, %z : f32
    linalg.yield %s : f32
  }} -> tensor<{m}xf32>
  %1 = linalg.generic {{indexing_maps = [affine_map<(m, n) -> (m, n)>, affine_map<(m, n) -> (m)>,
      affine_map<(m, n) -> (m, n)>], iterator_types = ["parallel", "parallel"]}}
    ins(%a, %0 : tensor<{m}x{n}xf32>, tensor<{m}xf32>) outs(%c : tensor<{m}x{n}xf32>) {{
  ^bb0(%x: f32, %y: f32, %z: f32):
    %s = arith.subf %x, %y : f32
    linalg.yield %s : f32
  }} -> tensor<{m}x{n}xf32>
  return %1 : tensor<{m}x{n}xf32>
}}"""


def dims_of(text: str) -> tuple[list[object], KernelDims]:
    module = parse_module(text)
    keep.append(module)
    block = module.body.operations[0].regions[0].blocks[0]
    ops = [view.operation for view in block.operations if is_generic(view.operation)]
    return ops, analyse(ops)


keep: list[object] = []
"""Modules must outlive the ops taken from them."""


def resized(device: Device, **sizes: int) -> Device:
    return replace(device, levels=tuple(replace(v, size=sizes.get(v.name, v.size)) for v in device.levels))


@pytest.mark.parametrize(("dtype", "group"), [("bf16", 2), ("i8", 4)])
def test_dot_products_are_wide_as_their_sums_and_deep_as_a_group(dtype: str, group: int) -> None:
    """As many columns as f32 has, at a multiple of its rate; a sum waits as long as others, not a group longer."""
    device = load_device("epyc-zen4")
    dots, plain = tile_target(device, "matmul", dtype), tile_target(device, "matmul", "f32")
    assert dots.tile == (1, 16, group) and dots.lanes == 16
    assert dots.rate == group * plain.rate
    slow = tuple(replace(u, latency=4e-9) if u.name == "dot" else u for u in device.units)
    per_cycle = dots.rate / 2 / (16 * group) / dots.units
    assert tile_target(replace(device, units=slow), "matmul", dtype).waiting == pytest.approx(4e-9 * per_cycle)


def matmul_choice(
    device: Device, m: int = 1024, n: int = 1024, k: int = 1024, dtype: str = "f32"
) -> tuple[Choice, KernelDims, TileTarget]:
    ops, dims = dims_of(MATMUL.format(m=m, n=n, k=k).replace("f32", dtype))
    target = tile_target(device, "matmul", dtype)
    return choose_contraction_tiles(dims, contraction_shape(ops[0], dims), target), dims, target


def bytes_of(choice: Choice, dims: KernelDims) -> int:
    """Bytes that a step of a tile needs at the same time."""
    if choice.held is not None:
        return choice.held
    sizes = {d: extent or 1 for d, extent in dims.extents.items()} | choice.sizes | dict(choice.stages)
    return sum(f.bytes(sizes) for f in footprints(dims))


def test_what_lies_before_a_constant_offset_is_held_too() -> None:
    text = """func.func @k(%x: tensor<19x7xf32>, %e: tensor<5x7xf32>) -> tensor<5x7xf32> {
      %r = linalg.generic {indexing_maps = [affine_map<(a, b) -> (3 * a + 6, b)>, affine_map<(a, b) -> (a, b)>],
          iterator_types = ["parallel", "parallel"]} ins(%x : tensor<19x7xf32>) outs(%e : tensor<5x7xf32>) {
      ^bb0(%v: f32, %o: f32):
        linalg.yield %v : f32
      } -> tensor<5x7xf32>
      return %r : tensor<5x7xf32>
    }"""
    _, dims = dims_of(text)
    read, made = (f.bytes({dims.common[0]: 2, dims.common[1]: 7}) for f in footprints(dims))
    assert (read, made) == (4 * 7 * (6 + 3 + 1), 4 * 7 * 2)  # rows 0 to 9, of which two are read


@pytest.mark.parametrize("name", ["generic-avx512", "generic-avx2", "upmem-rank"])
def test_a_step_of_a_matmul_fits(name: str) -> None:
    choice, dims, target = matmul_choice(load_device(name))
    assert bytes_of(choice, dims) <= (target.near if target.copies else target.far)


@pytest.mark.parametrize("dtype", ["f32", "f16", "bf16"])
@pytest.mark.parametrize("size", [1024, 4096, 8192])
def test_accumulators_fit_the_registers_of_units_that_compute_there(size: int, dtype: str) -> None:
    """Sums have 32 bits, whatever is multiplied."""
    choice, dims, target = matmul_choice(load_device("h100"), size, size, size, dtype)
    m, n = (choice.sizes[d] for d in dims.common)
    assert target.registers is not None
    assert 4 * m * n <= target.registers // 2


def test_a_smaller_cache_gives_smaller_tiles() -> None:
    device = load_device("generic-avx512")
    large, dims, _ = matmul_choice(device, 4096, 4096, 4096)
    small, other, _ = matmul_choice(resized(device, l2=2**16, l1=2**14), 4096, 4096, 4096)
    assert bytes_of(small, other) < bytes_of(large, dims)
    assert bytes_of(small, other) <= 2**16


def test_columns_are_whole_vectors() -> None:
    device = load_device("generic-avx512")
    choice, dims, target = matmul_choice(device, 100, 1000, 64)
    assert choice.sizes[dims.common[1]] % target.lanes == 0 or choice.sizes[dims.common[1]] == 1000


def test_every_unit_gets_work() -> None:
    device = load_device("h100")
    choice, dims, _ = matmul_choice(device, 2048, 2048, 64)
    tiles = 1
    for d in dims.common:
        tiles *= -(-2048 // choice.sizes[d])
    assert tiles >= 0.9 * units(device)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 4096, 4096), (4096, 1, 4096), (7, 13, 17)])
def test_any_shape_has_tiles(shape: tuple[int, int, int]) -> None:
    for name in ("generic-avx512", "h100", "upmem-rank"):
        choice, dims, _ = matmul_choice(load_device(name), *shape)
        assert all(size >= 1 for size in choice.sizes.values())
        assert set(choice.sizes) == set(dims.common)


@pytest.mark.parametrize("name", ["generic-avx2", "generic-avx512"])
def test_few_of_an_unknown_number_of_rows_reach_all_units(name: str) -> None:
    device = load_device(name)
    (op, *_), dims = dims_of(MATMUL.format(m="?", n=1024, k=1024))
    target = tile_target(device, "matmul", "f32")
    shape = contraction_shape(op, dims)
    choice = choose_contraction_tiles(dims, shape, target)
    assert shape.m is not None and shape.n is not None
    tiles = -(-32 // choice.sizes[shape.m]) * -(-1024 // choice.sizes[shape.n])
    assert tiles >= units(device) > 1


def test_rows_fit_and_reach_all_units() -> None:
    device = load_device("upmem-rank")
    _, dims = dims_of(ROWS.format(m=4096, n=64))
    target = tile_target(device, "add", "f32")
    choice = choose_row_tiles(dims, target)
    assert bytes_of(choice, dims) <= target.near
    assert (4096 // choice.sizes[dims.common[0]]) >= 64


def test_rows_that_are_walked_again_fit_the_nearest_cache() -> None:
    """Rows of 4 KiB, read twice and written; one operation takes what the second level holds."""
    device = load_device("generic-avx512")

    def rows(text: str, columns: int, l1: int) -> int:
        _, dims = dims_of(text.format(m=8192, n=columns))
        choice = choose_row_tiles(dims, tile_target(resized(device, l1=l1 * 1024), "add", "f32"))
        return choice.sizes[dims.common[0]]

    assert rows(AGAIN, 1024, 32) == 2
    assert rows(AGAIN, 1024, 128) == 8
    assert rows(ROWS, 1024, 32) == rows(ROWS, 1024, 128) > 8
    # No row of 32 KiB fits the first level: as many as the second one holds.
    assert rows(AGAIN, 8192, 32) > 1


@pytest.mark.parametrize(("rows", "shared"), [(1, False), (128, False), (129, True), (4096, True)])
def test_one_processor_does_what_is_too_little_to_share(rows: int, shared: bool) -> None:
    """512 elements for each of 32 lanes: rows of 128."""
    _, dims = dims_of(ROWS.format(m=rows, n=128))
    target = tile_target(load_device("generic-avx512"), "add", "f32")
    assert target.width == 32
    choice = choose_row_tiles(dims, target)
    assert (choice.sizes != {d: dims.extents[d] for d in dims.common}) == shared


def test_threads_that_are_enough_share_the_scratchpad() -> None:
    device = load_device("upmem-rank")
    wram, threads = device.level("wram"), device.level("tasklet")
    assert wram.size is not None and threads.threads_for_peak
    assert room(device, "wram") == wram.size // threads.threads_for_peak


def test_pieces_keep_their_rows_whole_while_they_fit() -> None:
    target = tile_target(load_device("generic-avx512"), "copy", "f32")
    assert insertion_tiles([4096, 64], 4, target)[1] == 64
    assert insertion_tiles([1, 1], 4, target) == [1, 1]


def test_a_side_of_a_frame_is_cut_only_where_it_does_not_fit() -> None:
    target = tile_target(load_device("generic-avx512"), "copy", "f32")
    assert side_tiles([1, 58, 144], 4, target) == [1, 58, 144] and insertion_tiles([1, 58, 144], 4, target)[1] < 58
    assert side_tiles([1, 58, 144], 4, replace(target, far=2 * 4 * 144 * 5)) == [1, 4, 144]
