"""The sums and words of `explain`."""

from __future__ import annotations

from stratagem.api.explaining import Explanation, KernelFacts, Loop
from stratagem.compiler.schedule.describe import KernelSummary


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
