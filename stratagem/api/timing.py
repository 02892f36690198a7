"""Fair timing of several ways to do the same: interleaved rounds in one process, median and minimum."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

BLOCK_SECONDS = 0.1
"""How long one contender runs before the next one has its turn."""


@dataclass
class Contender:
    """One way to run a model: `call` does it once and returns the results; `prepared` is what making it took, in s."""

    name: str
    call: Callable[[], Sequence[Array]]
    prepared: float


@dataclass
class Timing:
    """Seconds of one contender: its first call, and all calls that counted."""

    name: str
    prepared: float
    first: float
    results: list[Array]
    calls: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.calls)

    @property
    def minimum(self) -> float:
        return min(self.calls)

    def to_json(self) -> dict[str, Any]:
        """All times in seconds."""
        return {
            "name": self.name,
            "prepared": self.prepared,
            "first": self.first,
            "median": self.median,
            "minimum": self.minimum,
            "calls": len(self.calls),
        }


def race(contenders: Sequence[Contender], seconds: float) -> list[Timing]:
    """Times every contender for about `seconds`, in turns, each at least twice.

    A turn starts with a call that does not count, which brings back this contender's caches and threads.
    """
    timings = [_first(c) for c in contenders]
    end = time.perf_counter() + seconds * len(contenders)
    rounds = 0
    while rounds < 2 or time.perf_counter() < end:
        for contender, timing in zip(contenders, timings, strict=True):
            _turn(contender, timing, min(BLOCK_SECONDS, seconds / 2))
        rounds += 1
    return timings


def _first(contender: Contender) -> Timing:
    started = time.perf_counter()
    results = contender.call()
    first = time.perf_counter() - started
    return Timing(contender.name, contender.prepared, first, [np.asarray(r) for r in results])


def _turn(contender: Contender, timing: Timing, seconds: float) -> None:
    contender.call()
    end = time.perf_counter() + seconds
    while True:
        started = time.perf_counter()
        contender.call()
        stopped = time.perf_counter()
        timing.calls.append(stopped - started)
        if stopped >= end:
            return


def largest_difference(ours: Sequence[Array], theirs: Sequence[Array]) -> float:
    """The largest absolute difference of any element, infinite where shapes differ."""
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        if a.shape != b.shape:
            return float("inf")
        if a.size:
            worst = max(worst, float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max()))
    return worst


def table(timings: Sequence[Timing]) -> str:
    """One row per contender; `relative` is its median over the first one's, so above 1 the first is faster."""
    rows = [f"{'':14s}{'prepare':>10s}{'first':>12s}{'median':>12s}{'minimum':>12s}{'relative':>10s}"]
    for t in timings:
        times = "".join(f"{s * 1e3:9.3f} ms" for s in (t.first, t.median, t.minimum))
        rows.append(f"{t.name:14s}{t.prepared:8.2f} s{times}{t.median / timings[0].median:10.2f}")
    return "\n".join(rows)
