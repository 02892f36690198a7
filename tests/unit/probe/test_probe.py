"""Measuring this machine: loops do what they say, and the file that results lies over the description."""

from __future__ import annotations

import ctypes

import ml_dtypes
import numpy as np
import pytest

from stratagem.compiler.backends.cpu.loops.dot import dot_of
from stratagem.compiler.backends.cpu.target import CpuTarget
from stratagem.compiler.probe.loops import CHAINS, STREAMS, load_loops
from stratagem.compiler.probe.measure import working_set
from stratagem.compiler.probe.timing import best_rate, memory, ring
from stratagem.hwmodels import load_device


def test_multiply_adds_are_done_and_kept() -> None:
    library = load_loops(load_device("cpu"), {"f32": 4, "f64": 2})
    numbers = np.full(2, 0.5)
    library.multiply_add_f64(3, numbers.ctypes.data)
    one = 0.0
    for _ in range(3):
        one = one * 0.5 + 0.5
    assert numbers.tolist() == [CHAINS * one] * 2


@pytest.mark.parametrize(("dtype", "factor"), [("bf16", 0.5), ("i8", 3)])
def test_dot_products_are_done_and_kept(dtype: str, factor: float) -> None:
    device = load_device("cpu")
    dot, sums = dot_of(CpuTarget.of(device), dtype), CpuTarget.of(device).lanes("f32")
    if dot is None:
        pytest.skip(f"this processor has no dot products of {dtype}")
    kinds = {"bf16": (ml_dtypes.bfloat16, np.float32), "i8": (np.int8, np.int32)}
    numbers = np.full(sums * dot.group, factor, kinds[dtype][0])
    library = load_loops(device, {"f32": sums}, {dtype: dot})
    getattr(library, f"multiply_add_{dtype}")(3, numbers.ctypes.data)
    assert (numbers.view(kinds[dtype][1]) == CHAINS * 3 * dot.group * factor**2).all()


@pytest.mark.parametrize("turns, wanted", [(1, 1.0), (3, 1 + 2 + 3), (5, 1 + 2 + 3 + 1 + 2)])
def test_reads_start_again_where_the_data_end(turns: int, wanted: float) -> None:
    library, lanes = load_loops(load_device("cpu"), {"f32": 4}), 4
    data = np.zeros((3, STREAMS * lanes), np.float32)
    data[:, 0] = [1, 2, 3]  # one number in each block
    assert library.read_all(data.ctypes.data, data.nbytes, turns) == wanted


@pytest.mark.parametrize("lines", [2, 3, 64, 1009])
def test_a_ring_reaches_every_line_once(lines: int) -> None:
    library = load_loops(load_device("cpu"), {"f32": 4})
    block, start = ring(lines * 64, 64)
    seen, at = [], start
    for _ in range(lines):
        seen.append(at)
        at = library.chase(at, 1)
    assert at == start and len(set(seen)) == lines
    assert library.chase(start, lines) == start
    assert all(block.ctypes.data <= a < block.ctypes.data + block.nbytes for a in seen)


def test_memory_starts_at_a_page() -> None:
    block = memory(1000, np.float32)
    assert block.size == 250 and block.ctypes.data % 4096 == 0 and not block.any()


def test_a_rate_counts_all_threads() -> None:
    sleep = ctypes.CDLL(None).usleep
    work = [lambda repeats: sleep(1000 * repeats)] * 2
    assert 200 < best_rate(work, 1.0, 0.05) < 2010


def test_working_sets_lie_in_their_level_only() -> None:
    device = load_device("generic-avx2")  # 32 KiB and 512 KiB for each of four cores, 8 MiB for all
    sets = {level.name: working_set(device, level, 4, 8 << 20) for level in device.memories()}
    assert sets == {"l1": 4 * 16 << 10, "l2": 4 * 256 << 10, "l3": 4 << 20, "dram": 64 << 20}
