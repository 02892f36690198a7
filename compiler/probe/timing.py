"""How fast loops run: rates of several threads together, and latencies."""

from __future__ import annotations

import contextlib
import mmap
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
LEAST = 0.005
"""Seconds that one try takes at least: short beside them is what starting threads costs."""


def best_rate(work: Sequence[Callable[[int], object]], each: float, seconds: float) -> float:
    """Work per second of threads that start together, each repeating one of `work`; the best of as many tries as fit.

    Args:
        work: per thread, a function of how often to do it; it must leave Python while it works.
        each: what one repetition does, in operations or bytes.
    """
    repeats = _enough(work[0])
    best, end = 0.0, time.perf_counter() + seconds
    while best == 0.0 or time.perf_counter() < end:
        best = max(best, len(work) * repeats * each / _together(work, repeats))
    return best


def _enough(one: Callable[[int], object]) -> int:
    """Repetitions that take LEAST seconds."""
    repeats = 1
    while True:
        started = time.perf_counter()
        one(repeats)
        taken = time.perf_counter() - started
        if taken >= LEAST:
            return repeats
        repeats = max(2 * repeats, int(1.2 * repeats * LEAST / max(taken, 1e-7)))


def _together(work: Sequence[Callable[[int], object]], repeats: int) -> float:
    """Seconds of the slowest thread."""
    taken, gate = [0.0] * len(work), threading.Barrier(len(work))

    def run(i: int) -> None:
        gate.wait()
        started = time.perf_counter()
        work[i](repeats)
        taken[i] = time.perf_counter() - started

    threads = [threading.Thread(target=run, args=(i,)) for i in range(1, len(work))]
    for thread in threads:
        thread.start()
    run(0)
    for thread in threads:
        thread.join()
    return max(taken)


def memory(size: int, dtype: Any) -> Array:
    """`size` bytes from the start of a page, on large pages where the system gives them: caches are measured, not the
    translation of addresses."""
    block = mmap.mmap(-1, max(size, mmap.PAGESIZE), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a kernel without them
            block.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(block, dtype, count=size // np.dtype(dtype).itemsize)


def ring(size: int, line: int) -> tuple[Array, int]:
    """Memory of `size` bytes in which every line holds the address of another, all in one random cycle; and its start.

    No prefetcher foresees where it goes (McVoy and Staelin, "lmbench", USENIX 1996).
    """
    count = max(size // line, 2)
    block = memory(count * line, np.uint64)
    order = np.random.default_rng(0).permutation(count).astype(np.uint64)
    base = block.ctypes.data
    block[order * np.uint64(line // 8)] = np.uint64(base) + np.roll(order, -1) * np.uint64(line)
    return block, base + int(order[0]) * line
