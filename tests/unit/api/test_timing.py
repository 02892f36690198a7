"""Interleaved timing, and the sums and words of `explain`."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from stratagem.api.explaining import Explanation, KernelFacts, Loop
from stratagem.api.timing import Contender, largest_difference, race, table
from stratagem.compiler.schedule.describe import KernelSummary


def sleeper(name: str, seconds: float, log: list[str]) -> Contender:
    def call() -> list[Any]:
        log.append(name)
        time.sleep(seconds)
        return [np.zeros(2)]

    return Contender(name, call, 0.25)


def test_contenders_take_turns_and_times_are_theirs() -> None:
    log: list[str] = []
    slow, fast = race([sleeper("slow", 0.02, log), sleeper("fast", 0.002, log)], 0.1)
    changes = sum(a != b for a, b in pairwise(log))
    assert changes >= 4, "each has two turns at least"
    assert 0.02 <= slow.minimum <= slow.median and 0.002 <= fast.minimum <= fast.median < 0.02
    assert len(fast.calls) > len(slow.calls) >= 2
    # The first call and the first of every turn do not count.
    assert len(slow.calls) + len(fast.calls) < len(log)


def test_a_slow_contender_still_has_two_turns() -> None:
    log: list[str] = []
    (only,) = race([sleeper("slow", 0.05, log)], 0.01)
    assert len(only.calls) == 2 and len(log) == 5
    assert only.results[0].shape == (2,) and only.prepared == 0.25


def test_the_table_is_relative_to_the_first() -> None:
    log: list[str] = []
    shown = table(race([sleeper("ours", 0.004, log), sleeper("theirs", 0.016, log)], 0.05)).splitlines()
    assert shown[1].split()[0] == "ours" and shown[1].endswith("1.00")
    assert float(shown[2].split()[-1]) > 1


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (np.array([1.0, 2.0]), np.array([1.0, 2.5]), 0.5),
        (np.array([1], np.int32), np.array([-2], np.int64), 3.0),
        (np.zeros((0, 3)), np.zeros((0, 3)), 0.0),
        (np.zeros(2), np.zeros(3), float("inf")),
    ],
)
def test_largest_difference(ours: Any, theirs: Any, expected: float) -> None:
    assert largest_difference([ours], [theirs]) == expected


def kernel(name: str, calls: int, operations: int | None, reason: str = "") -> KernelFacts:
    summary = KernelSummary(name, "engine", "matrix", "matmul", calls, (), operations, 100, {"pad": 2048}, reason)
    return KernelFacts(summary, "device", (Loop("core", (None, 7), (4, 7)),), ("engine/matrix", "host/fma"))


def explanation(*kernels: KernelFacts) -> Explanation:
    timings = (("device", "tile-kernels", 0.5),)
    return Explanation("engine", "code", 2, "system", kernels, 4000, 640, timings, 1.25, "3 obligations: 3 tested")


def test_totals_count_calls() -> None:
    found = explanation(kernel("a", 3, 1000), kernel("b", 1, 500)).totals()
    assert found == {"kernels": 2, "calls": 4, "operations": 3500, "bytes": 400}


def test_a_total_with_an_unknown_part_is_unknown() -> None:
    assert explanation(kernel("a", 3, 1000), kernel("b", 1, None)).totals()["operations"] is None


def test_text_says_everything() -> None:
    shown = explanation(kernel("a", 3, 1_500_000), kernel("b", 1, None, "no unit of engine does erf on f32")).to_text()
    for part in (
        "compiled for engine, 2 ranks, until code, in 1.25 s",
        "a: matmul on engine/matrix of device, 3 calls",
        "core 4x7 of ?x7",
        "1.5 Mop, 100 B",
        "2.05 kB in pad",
        "could run on host/fma",
        "because      no unit of engine does erf on f32",
        "2 kernels, 4 calls, 400 B",
        "parameters 4 kB, arena 640 B",
        "device/tile-kernels                    500.0 ms",
        "checks and code                        750.0 ms",
        "assurance  3 obligations: 3 tested",
    ):
        assert part in shown, shown
