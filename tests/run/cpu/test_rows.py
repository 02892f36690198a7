"""Row work in several passes: fused sums, tiles in place, what is fetched ahead, extremes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from stratagem.compiler.backends.cpu.bufferize import bufferize_kernels
from stratagem.compiler.backends.cpu.compile import kernels_to_llvm
from stratagem.compiler.backends.cpu.loops.lower_linalg import lower_linalg
from stratagem.compiler.backends.cpu.reuse_tiles import reuse_tiles
from stratagem.compiler.backends.cpu.target import CpuTarget
from stratagem.compiler.ir import parse_module, walk
from stratagem.hwmodels import Device
from tests.run.cpu.harness import Array, Kernels, this_machine
from tests.run.cpu.kernels import structured

WIDE = CpuTarget(vector_bytes=64, registers=32)


def softmax(rows: int, columns: int, step: int, dtype: str = "f32", between: str = "", sum_of: str = "%e") -> str:
    """Softmax of rows in tiles of `step` (which divides `rows`), as the device level has it."""
    whole, tile, one = f"{rows}x{columns}x{dtype}", f"{step}x{columns}x{dtype}", f"{step}x{dtype}"
    id2, row = "affine_map<(i, j) -> (i, j)>", "affine_map<(i, j) -> (i)>"
    reduction = f'{{indexing_maps = [{id2}, {row}], iterator_types = ["parallel", "reduction"]}}'
    by_row = f'{{indexing_maps = [{id2}, {row}, {id2}], iterator_types = ["parallel", "parallel"]}}'
    return f"""
func.func private @softmax(%x: tensor<{whole}>, %y: tensor<{whole}> {{device.dest}}) -> tensor<{whole}> {{
  %zero = arith.constant 0.0 : {dtype}
  %least = arith.constant {"0xFF80" if dtype == "bf16" else "0xFF800000"} : {dtype}
  %r = scf.forall (%i) = (0) to ({rows}) step ({step}) shared_outs(%o = %y) -> (tensor<{whole}>) {{
    %t = tensor.extract_slice %x[%i, 0] [{step}, {columns}] [1, 1] : tensor<{whole}> to tensor<{tile}>
    %u = tensor.empty() : tensor<{one}>
    %m0 = linalg.fill ins(%least : {dtype}) outs(%u : tensor<{one}>) -> tensor<{one}>
    %m = linalg.generic {reduction} ins(%t : tensor<{tile}>) outs(%m0 : tensor<{one}>) {{
    ^bb0(%a: {dtype}, %b: {dtype}):
      %c = arith.maximumf %a, %b : {dtype}
      linalg.yield %c : {dtype}
    }} -> tensor<{one}>
    %w = tensor.empty() : tensor<{tile}>
    %e = linalg.generic {by_row} ins(%t, %m : tensor<{tile}>, tensor<{one}>) outs(%w : tensor<{tile}>) {{
    ^bb0(%a: {dtype}, %b: {dtype}, %z: {dtype}):
      %c = arith.subf %a, %b : {dtype}
      %d = math.exp %c : {dtype}
      linalg.yield %d : {dtype}
    }} -> tensor<{tile}>
    {between}
    %s0 = linalg.fill ins(%zero : {dtype}) outs(%u : tensor<{one}>) -> tensor<{one}>
    %s = linalg.generic {reduction} ins({sum_of} : tensor<{tile}>) outs(%s0 : tensor<{one}>) {{
    ^bb0(%a: {dtype}, %b: {dtype}):
      %c = arith.addf %a, %b : {dtype}
      linalg.yield %c : {dtype}
    }} -> tensor<{one}>
    %p = tensor.extract_slice %o[%i, 0] [{step}, {columns}] [1, 1] : tensor<{whole}> to tensor<{tile}>
    %q = linalg.generic {by_row} ins(%e, %s : tensor<{tile}>, tensor<{one}>) outs(%p : tensor<{tile}>) {{
    ^bb0(%a: {dtype}, %b: {dtype}, %z: {dtype}):
      %c = arith.divf %a, %b : {dtype}
      linalg.yield %c : {dtype}
    }} -> tensor<{tile}>
    scf.forall.in_parallel {{
      tensor.parallel_insert_slice %q into %o[%i, 0] [{step}, {columns}] [1, 1] : tensor<{tile}> into tensor<{whole}>
    }}
  }} {{device.tier = "core"}}
  return %r : tensor<{whole}>
}}"""


def exact_softmax(x: Array) -> Array:
    e = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def strategies(text: str) -> list[str]:
    module = parse_module(text)
    reuse_tiles(module)
    bufferize_kernels(module)
    return [plan.kind for _, plan in lower_linalg(module, WIDE)]


@pytest.mark.parametrize("vector_bytes", [16, 64])
@pytest.mark.parametrize(("rows", "columns", "step"), [(1, 1, 1), (6, 17, 2), (5, 64, 5), (4, 257, 1), (3, 15, 3)])
def test_softmax_of_odd_shapes(rows: int, columns: int, step: int, vector_bytes: int) -> None:
    kernels = Kernels(softmax(rows, columns, step), this_machine(vector_bytes))
    x = (np.random.default_rng(0).standard_normal((rows, columns)) * 20).astype(np.float32)
    got = kernels.guarded("softmax", x, np.full_like(x, np.nan))[0]
    assert np.allclose(got, exact_softmax(x), rtol=1e-5, atol=1e-7)


def test_a_sum_takes_in_the_exponentials_it_reads() -> None:
    # maxima, exponentials with their sums, quotients
    assert strategies(softmax(8, 64, 4)) == ["lanes", "lanes", "map"]
    # what is stored as bf16 is not what is in registers
    assert strategies(softmax(8, 64, 4, "bf16")) == ["lanes", "map", "lanes", "map"]


def test_a_sum_of_something_else_takes_in_nothing() -> None:
    assert strategies(softmax(8, 64, 4, sum_of="%t")) == ["lanes", "map", "lanes", "map"]


@pytest.mark.parametrize(("rows", "columns"), [(5, 37), (1, 16), (16, 1)])
def test_sums_of_columns_keep_every_exponential(rows: int, columns: int) -> None:
    """They run along the columns, not along what they sum, and so do not take in what they read."""
    tile, sums = f"{rows}x{columns}xf32", f"{columns}xf32"
    id2 = "affine_map<(i, j) -> (i, j)>"
    maps = f"[{id2}, affine_map<(i, j) -> (j)>]"
    text = f"""
func.func private @k(%x: tensor<{tile}>, %y: tensor<{tile}> {{device.dest}}) -> tensor<{tile}> {{
  %zero = arith.constant 0.0 : f32
  %w = tensor.empty() : tensor<{tile}>
  %e = linalg.generic {{indexing_maps = [{id2}, {id2}], iterator_types = ["parallel", "parallel"]}}
    ins(%x : tensor<{tile}>) outs(%w : tensor<{tile}>) {{
  ^bb0(%a: f32, %z: f32):
    %d = math.exp %a : f32
    linalg.yield %d : f32
  }} -> tensor<{tile}>
  %u = tensor.empty() : tensor<{sums}>
  %s0 = linalg.fill ins(%zero : f32) outs(%u : tensor<{sums}>) -> tensor<{sums}>
  %s = linalg.generic {{indexing_maps = {maps}, iterator_types = ["reduction", "parallel"]}}
    ins(%e : tensor<{tile}>) outs(%s0 : tensor<{sums}>) {{
  ^bb0(%a: f32, %b: f32):
    %c = arith.addf %a, %b : f32
    linalg.yield %c : f32
  }} -> tensor<{sums}>
  %q = linalg.generic {{indexing_maps = [{id2}, affine_map<(i, j) -> (j)>, {id2}],
      iterator_types = ["parallel", "parallel"]}}
    ins(%e, %s : tensor<{tile}>, tensor<{sums}>) outs(%y : tensor<{tile}>) {{
  ^bb0(%a: f32, %b: f32, %z: f32):
    %c = arith.divf %a, %b : f32
    linalg.yield %c : f32
  }} -> tensor<{tile}>
  return %q : tensor<{tile}>
}}"""
    x = np.random.default_rng(4).standard_normal((rows, columns)).astype(np.float32)
    got = Kernels(text).guarded("k", x, np.zeros_like(x))[0]
    exact = np.exp(x.astype(np.float64))
    assert np.allclose(got, exact / exact.sum(axis=0), rtol=1e-5)


def test_rows_of_bf16_sum_what_was_stored() -> None:
    import ml_dtypes

    x = np.random.default_rng(1).standard_normal((4, 33)).astype(ml_dtypes.bfloat16)
    got = Kernels(softmax(4, 33, 2, "bf16")).guarded("softmax", x, np.zeros_like(x))[0].astype(np.float64)
    assert np.allclose(got, exact_softmax(x.astype(np.float32)), rtol=2.0**-6)


def allocations(text: str, reuse: bool = True) -> list[str]:
    module = parse_module(text)
    if reuse:
        reuse_tiles(module)
    bufferize_kernels(module)
    return [str(op.results[0].type) for op in walk(module.operation) if op.name == "memref.alloc"]


def test_exponentials_are_made_where_the_result_is() -> None:
    text = softmax(8, 64, 4)
    assert "memref<4x64xf32>" in allocations(text, reuse=False)
    assert "memref<4x64xf32>" not in allocations(text)


def test_a_tile_that_is_read_later_is_not_written_over() -> None:
    """Here the sum is of what the quotients write over, so it must come first; it reads another tile."""
    negated = """%n = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
        iterator_types = ["parallel", "parallel"]} ins(%e : tensor<4x64xf32>) outs(%w : tensor<4x64xf32>) {
    ^bb0(%a: f32, %z: f32):
      %c = arith.addf %a, %a : f32
      linalg.yield %c : f32
    } -> tensor<4x64xf32>"""
    text = softmax(8, 64, 4, between=negated, sum_of="%n")
    assert allocations(text).count("memref<4x64xf32>") == 1  # twice the exponentials, which are read again
    x = np.random.default_rng(2).standard_normal((8, 64)).astype(np.float32)
    got = Kernels(text).guarded("softmax", x, np.zeros_like(x))[0]
    assert np.allclose(got, exact_softmax(x) / 2, rtol=1e-5)


def llvm_of(text: str, private_bytes: int, line_bytes: int = 64) -> str:
    target = CpuTarget(vector_bytes=64, registers=32, private_bytes=private_bytes, line_bytes=line_bytes)
    return kernels_to_llvm(parse_module(text), target)[0]


def test_the_next_tile_is_fetched_where_the_input_is_large() -> None:
    text = softmax(512, 1024, 4)  # 2 MiB
    assert "call void @llvm.prefetch" in llvm_of(text, private_bytes=2**20)
    assert "call void @llvm.prefetch" not in llvm_of(text, private_bytes=2**21)
    unread = text.replace("arith.subf %a, %b", "arith.addf %b, %b")  # nothing but the maxima reads the input
    assert "call void @llvm.prefetch" not in llvm_of(unread, private_bytes=2**20)


def negated(columns: int) -> str:
    body = "%n = arith.negf %x0 : f32\nlinalg.yield %n : f32"
    # Columns of the input stand still from row to row, so that rows are not walked as one.
    return structured([f"{columns}xf32"], f"8x{columns}xf32", ["(i,j)->(j)", "(i,j)->(i,j)"], "pp", body)


def test_results_that_displace_what_is_read_are_written_past_the_caches() -> None:
    """128 elements are read, 8 times as many are written: 4608 bytes."""
    large, small = (
        kernels_to_llvm(parse_module(negated(128)), replace(WIDE, cached_bytes=size))[0] for size in (4607, 4608)
    )
    assert re.search(r"store <16 x float> .*, align 64, !nontemporal", large)
    assert re.search(r"store <16 x float> .*, align 4\n", large)  # where the result starts elsewhere
    assert re.search(r"fence seq_cst\n  ret void", large)
    assert "!nontemporal" not in small and "fence" not in small
    # Rows of 131 elements start between vectors.
    assert "!nontemporal" not in kernels_to_llvm(parse_module(negated(131)), replace(WIDE, cached_bytes=0))[0]


def test_small_results_of_large_inputs_stay_in_the_caches() -> None:
    body = "%m = arith.addf %x0, %x1 : f32\n%n = arith.addf %m, %x2 : f32\nlinalg.yield %n : f32"
    two, three = (
        structured(["8x128xf32"] * count, "8x128xf32", ["(i,j)->(i,j)"] * (count + 1), "pp", text)
        for count, text in ((2, body.replace("%x2", "%x1")), (3, body))
    )
    target = replace(WIDE, cached_bytes=8192)
    assert "!nontemporal" in kernels_to_llvm(parse_module(two), target)[0]
    assert "!nontemporal" not in kernels_to_llvm(parse_module(three), target)[0]


def test_results_that_are_read_again_stay_in_the_caches() -> None:
    """Exponentials lie where the quotients go."""
    assert "!nontemporal" not in kernels_to_llvm(parse_module(softmax(64, 128, 4)), replace(WIDE, cached_bytes=0))[0]


@pytest.mark.parametrize("columns", [128, 131])
@pytest.mark.parametrize("shift", [0, 1, 16])
def test_streamed_results_start_anywhere(columns: int, shift: int) -> None:
    x = np.random.default_rng(5).standard_normal(columns).astype(np.float32)
    memory = np.zeros(8 * columns + 64, np.float32)
    start = -memory.ctypes.data // 4 % 16 + shift
    result = memory[start : start + 8 * columns].reshape(8, columns)
    Kernels(negated(columns), tiny_caches()).call("k", x, result)
    assert np.array_equal(result, np.broadcast_to(-x, result.shape))
    assert not memory[:start].any()
    assert not memory[start + result.size :].any()


def tiny_caches() -> Device:
    """This machine with caches that hold next to nothing."""
    device = this_machine(vector_bytes=32, registers=16)
    return replace(device, levels=tuple(replace(m, size=1024) if m.kind == "cache" else m for m in device.levels))


@pytest.mark.parametrize(("line", "fetches"), [(64, 4), (128, 2), (256, 1)])
def test_a_line_is_fetched_once(line: int, fetches: int) -> None:
    """Four vectors of 64 bytes a step, and none for a rest that there is not."""
    found = llvm_of(softmax(512, 1024, 4), private_bytes=2**20, line_bytes=line)
    assert found.count("call void @llvm.prefetch") == fetches


def test_numbers_of_the_caches_are_read_from_the_description() -> None:
    from stratagem.hwmodels import load_device

    large, small = (CpuTarget.of(load_device(name)) for name in ("generic-avx512", "generic-sse"))
    assert (large.private_bytes, small.private_bytes) == (2**20, 2**20) or large.private_bytes != small.private_bytes
    assert large.line_bytes == 64


@pytest.mark.parametrize("name", ["maximumf", "minimumf"])
@pytest.mark.parametrize("place", [0, 16, 40, 66])
def test_extremes_of_rows_keep_what_is_no_number(name: str, place: int) -> None:
    start = "0xFF800000" if name == "maximumf" else "0x7F800000"
    body = f"%q = arith.{name} %x0, %s : f32\nlinalg.yield %q : f32"
    kernels = Kernels(structured(["3x67xf32"], "3xf32", ["(i,j)->(i,j)", "(i,j)->(i)"], "pr", body, start))
    x = np.random.default_rng(3).standard_normal((3, 67)).astype(np.float32)
    x[1, place] = np.nan
    x[2] = np.where(x[2] > 0, np.float32(0), np.float32(-0.0))
    got = kernels.guarded("k", x, np.zeros(3, np.float32))[0]
    expected: Any = x.max(axis=1) if name == "maximumf" else x.min(axis=1)
    assert np.array_equal(got, expected, equal_nan=True)
