"""The C++ runtime by itself: phases on the pool, memory, ranks in one process."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stratagem.runtime.mpi import DTYPES
from tests.run.cpu.harness import Array, runtime

PHASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
F32, SUM, MAX, MIN = 0, 0, 1, 2


def functions() -> Any:
    library = runtime().functions
    library.sg_alloc.restype = ctypes.c_void_p
    library.sg_alloc.argtypes = [ctypes.c_size_t]
    library.sg_free.argtypes = [ctypes.c_void_p]
    library.sg_held_bytes.restype = ctypes.c_size_t
    library.sg_trim.restype = ctypes.c_size_t
    library.sg_scratch_alloc.restype = ctypes.c_void_p
    library.sg_scratch_alloc.argtypes = [ctypes.c_size_t]
    library.sg_scratch_mark.restype = ctypes.c_int64
    library.sg_scratch_release.argtypes = [ctypes.c_int64]
    return library


def run_units(units: int, phase: Callable[[int, int], None]) -> None:
    callback = PHASE(lambda _, begin, end: phase(begin, end))
    functions().sg_parallel_for(ctypes.c_int64(units), callback, None)


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("units", [0, 1, 2, 77, 1000])
def test_every_unit_runs_once(threads: int, units: int) -> None:
    counts = np.zeros(units, np.int64)

    def phase(begin: int, end: int) -> None:
        counts[begin:end] += 1

    functions().sg_set_threads(threads)
    try:
        for _ in range(20):
            run_units(units, phase)
        assert functions().sg_get_threads() == threads
    finally:
        functions().sg_set_threads(0)
    assert (counts == 20).all()


def test_phases_inside_phases_run_in_place() -> None:
    counts = np.zeros((6, 5), np.int64)

    def outer(begin: int, end: int) -> None:
        for i in range(begin, end):

            def inner(low: int, high: int, i: int = i) -> None:
                counts[i, low:high] += 1

            run_units(5, inner)

    run_units(6, outer)
    assert (counts == 1).all()


def test_freed_blocks_come_back_without_new_memory() -> None:
    library = functions()
    sizes = [1, 63, 64, 65, 1000, 4096, 4097, 10**6]
    blocks = [library.sg_alloc(size) for size in sizes]
    assert all(block % 64 == 0 for block in blocks)
    assert len(set(blocks)) == len(blocks)
    for block, size in zip(blocks, sizes, strict=True):
        ctypes.memset(block, 1, size)
        library.sg_free(block)
    held = library.sg_held_bytes()
    again = [library.sg_alloc(size) for size in sizes]
    assert library.sg_held_bytes() == held
    for block in again:
        library.sg_free(block)
    assert library.sg_trim() > 0
    assert library.sg_held_bytes() < held


def test_scratch_is_a_stack() -> None:
    library = functions()
    start = library.sg_scratch_mark()
    first = library.sg_scratch_alloc(100)
    inner = library.sg_scratch_mark()
    second = library.sg_scratch_alloc(3 * 2**20)
    ctypes.memset(second, 7, 3 * 2**20)
    library.sg_scratch_release(inner)
    assert library.sg_scratch_alloc(3 * 2**20) == second
    library.sg_scratch_release(start)
    assert library.sg_scratch_alloc(100) == first
    library.sg_scratch_release(start)


def on_ranks(size: int, work: Callable[[Any, int], None]) -> None:
    """Runs work(library, rank) on one thread per rank; raises what a rank raised."""
    library = functions()
    group = library.sg_local_group_create(ctypes.c_int64(size))
    problems: list[BaseException] = []

    def run(rank: int) -> None:
        context = library.sg_context_create()
        library.sg_context_use(context)
        try:
            assert library.sg_local_group_join(group, 0, rank) == 0
            work(library, rank)
        except BaseException as error:
            problems.append(error)
            library.sg_local_group_abort(group)
        finally:
            library.sg_context_use(None)
            library.sg_context_destroy(context)

    ranks = [threading.Thread(target=run, args=(r,)) for r in range(size)]
    for one in ranks:
        one.start()
    for one in ranks:
        one.join(20)
    library.sg_local_group_destroy(group)
    if problems:
        raise problems[0]


def pointer(array: Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_collectives_agree_with_numpy(size: int) -> None:
    parts = np.random.default_rng(size).standard_normal((size, size * 3)).astype(np.float32)
    summed = parts[0].copy()
    for part in parts[1:]:
        summed += part

    def work(library: Any, rank: int) -> None:
        count, none = ctypes.c_int64(size * 3), ctypes.c_int64(0)
        out = np.zeros(size * 3, np.float32)
        library.sg_all_reduce(none, pointer(parts[rank]), pointer(out), count, F32, SUM)
        assert (out == summed).all()
        library.sg_all_reduce(none, pointer(parts[rank]), pointer(out), count, F32, MAX)
        assert (out == parts.max(0)).all()
        piece = np.zeros(3, np.float32)
        library.sg_reduce_scatter(none, pointer(parts[rank]), pointer(piece), ctypes.c_int64(3), F32, SUM)
        assert (piece == summed[rank * 3 : rank * 3 + 3]).all()
        whole = np.zeros_like(parts)
        library.sg_all_gather(none, pointer(parts[rank]), pointer(whole), count, F32)
        assert (whole == parts).all()
        library.sg_all_to_all(none, pointer(parts[rank]), pointer(out), ctypes.c_int64(3), F32)
        assert (out.reshape(size, 3) == parts[:, rank * 3 : rank * 3 + 3]).all()
        data = parts[rank].copy()
        library.sg_broadcast(none, pointer(data), count, F32, ctypes.c_int64(size - 1))
        assert (data == parts[size - 1]).all()
        library.sg_barrier(none)

    on_ranks(size, work)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64, np.int8])
def test_reductions_of_every_type(dtype: Any) -> None:
    number, smallest = DTYPES.index(dtype), -7 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).min
    parts = np.array([[smallest, 1, 5], [smallest, -3, 5]], dtype)

    def work(library: Any, rank: int) -> None:
        count, none = ctypes.c_int64(3), ctypes.c_int64(0)
        for reduction, wanted in ((SUM, parts.sum(0, dtype=dtype)), (MAX, parts.max(0)), (MIN, parts.min(0))):
            out = np.zeros(3, dtype)
            library.sg_all_reduce(none, pointer(parts[rank]), pointer(out), count, number, reduction)
            assert not library.sg_error() and (out == wanted).all()  # sums of integers wrap around

    on_ranks(2, work)


def test_messages_keep_order_and_tags() -> None:
    def work(library: Any, rank: int) -> None:
        zero, size = ctypes.c_int64(0), ctypes.c_int64(4)
        if rank == 0:
            for value, tag in ((1, 5), (2, 5), (3, 6)):
                data = np.array([value], np.int32)
                library.sg_send(zero, pointer(data), size, ctypes.c_int64(1), ctypes.c_int64(tag))
            return
        data = np.zeros(1, np.int32)
        for value, tag in ((3, 6), (1, 5), (2, 5)):
            library.sg_recv(zero, pointer(data), size, ctypes.c_int64(0), ctypes.c_int64(tag))
            assert data[0] == value

    on_ranks(2, work)


def test_a_rank_that_gives_up_wakes_the_others() -> None:
    def work(library: Any, rank: int) -> None:
        if rank == 0:
            raise ValueError("rank 0 gives up")
        library.sg_barrier(ctypes.c_int64(0))
        assert b"barrier failed in group 0" in library.sg_error()

    with pytest.raises(ValueError, match="rank 0 gives up"):
        on_ranks(3, work)


def test_unequal_counts_are_an_error_on_every_rank() -> None:
    def work(library: Any, rank: int) -> None:
        data = np.zeros(8, np.float32)
        library.sg_all_reduce(ctypes.c_int64(0), pointer(data), pointer(data), ctypes.c_int64(4 + rank), F32, SUM)
        assert b"all_reduce failed in group 0 with status 4" in library.sg_error()

    on_ranks(2, work)


def test_a_group_without_communicator_is_named() -> None:
    def work(library: Any, rank: int) -> None:
        library.sg_barrier(ctypes.c_int64(3))
        assert b"communicates in group 3" in library.sg_error()

    on_ranks(1, work)
