"""How time grows with sizes: rates over M, N, K, batch, sequence, columns and threads, and where they fall.

    python -m benchmarks.scale [SWEEP ...] [--threads N] [--seconds 0.1] [--static] [--svg FILE] [--json FILE]

Sizes are powers of two, their neighbours, and halfway between. One artifact with a free size serves a sweep;
`--static` compiles each size for itself. A *cliff* is a rate more than 1.5 times below that of the next smaller size,
or 1.5 times off that of a neighbour almost as large. Small sizes are slow because a call costs something: no cliff.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.plot import log_log

CLIFF = 1.5
ALIKE = 1.2
"""Sizes closer than this do almost the same work."""


@dataclass(frozen=True)
class Sweep:
    """One operator over one size.

    Attributes:
        make: module and inputs for a size. free: per input, which dimensions are that size.
        work: operations, or bytes where `unit` is GB/s, for a size. largest: where it ends.
    """

    name: str
    about: str
    make: Callable[[int], tuple[Any, tuple[Any, ...]]]
    free: tuple[tuple[int, ...], ...]
    work: Callable[[int], float]
    unit: str = "GFLOP/s"
    largest: int = 1 << 13


@dataclass(frozen=True)
class Point:
    """Median seconds of a run at a size, and 1e9 operations or bytes per second."""

    size: int
    seconds: float
    rate: float


def sizes_up_to(largest: int, smallest: int = 16) -> list[int]:
    """Powers of two, one more and one less, and halfway to the next."""
    found: set[int] = set()
    power = smallest
    while power <= largest:
        found |= {power - 1, power, power + 1, power + power // 2}
        power *= 2
    return sorted(n for n in found if smallest <= n <= largest + 1)


def cliffs(points: Sequence[Point]) -> list[tuple[Point, Point, float]]:
    """Neighbours between which the rate falls, and by how much."""
    found = []
    for smaller, larger in pairwise(points):
        fall = smaller.rate / larger.rate
        if larger.size / smaller.size < ALIKE:
            fall = max(fall, 1 / fall)
        if fall > CLIFF:
            found.append((smaller, larger, fall))
    return found


def sweeps() -> list[Sweep]:
    """All but that over threads."""
    import torch
    from torch import nn

    from benchmarks.networks.operators import Attention, MatMul
    from benchmarks.rows import mlp

    def product(m: int, n: int, k: int) -> tuple[Any, tuple[Any, ...]]:
        return MatMul(), (torch.randn(m, k), torch.randn(k, n))

    def heads(n: int) -> tuple[Any, ...]:
        return tuple(torch.randn(1, 12, n, 64) for _ in range(3))

    square = 2.0 * 1024 * 1024
    return [
        Sweep("gemm", "n x n x n", lambda n: product(n, n, n), ((0, 1), (0, 1)), lambda n: 2.0 * n**3, largest=1 << 11),
        Sweep("gemm-m", "m x 1024 x 1024", lambda n: product(n, 1024, 1024), ((0,), ()), lambda n: square * n),
        Sweep("gemm-n", "1024 x n x 1024", lambda n: product(1024, n, 1024), ((), (1,)), lambda n: square * n),
        Sweep("gemm-k", "1024 x 1024 x k", lambda n: product(1024, 1024, n), ((1,), (0,)), lambda n: square * n),
        Sweep("batch", "n rows through 1024 -> 4096, GELU, -> 1024", lambda n: (mlp().eval(), (torch.randn(n, 1024),)),
              ((0,),), lambda n: 8 * square * n),
        Sweep("sequence", "attention, 12 heads of 64", lambda n: (Attention(), heads(n)), ((2,), (2,), (2,)),
              lambda n: 4.0 * 12 * 64 * n * n, largest=1 << 12),
        Sweep("columns", "softmax over rows of n, 1024 rows", lambda n: (nn.Softmax(-1), (torch.randn(1024, n),)),
              ((1,),), lambda n: 8.0 * 1024 * n, "GB/s"),
    ]  # fmt: skip


def measure(sweep: Sweep, sizes: Sequence[int], threads: int, seconds: float, static: bool) -> list[Point]:
    """One point for each size; the artifact is compiled once, unless `static`."""
    with tempfile.TemporaryDirectory(prefix="stratagem-scale-") as folder:
        session = None
        points = []
        for size in sizes:
            module, inputs = sweep.make(size)
            if session is None or static:
                session = open_sweep(sweep, module, inputs, threads, static, Path(folder) / "model.sgm")
            arrays = [x.numpy() for x in inputs]
            taken = median_seconds(partial(session.runner.run, arrays), seconds)
            points.append(Point(size, taken, sweep.work(size) / taken / 1e9))
            print(f"{sweep.name:10s}{size:8d}{taken * 1e3:12.4f} ms{points[-1].rate:10.1f} {sweep.unit}", flush=True)
    return points


def open_sweep(sweep: Sweep, module: Any, inputs: tuple[Any, ...], threads: int, static: bool, path: Path) -> Any:
    """A session of one operator, compiled for a free size or for that of the inputs."""
    import torch

    import stratagem
    from stratagem.api.session import open_session

    free = torch.export.Dim("n", min=2, max=1 << 20)
    shapes = None if static else tuple(dict.fromkeys(axes, free) for axes in sweep.free)
    return open_session(stratagem.compile(module, inputs, dynamic_shapes=shapes).save(path), threads=threads)


def median_seconds(call: Callable[[], Any], seconds: float) -> float:
    """Of as many calls as fit, three at least; one before them does not count."""
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def over_threads(sweep: Sweep, size: int, most: int, seconds: float) -> list[Point]:
    """The same size with 1 thread, 2, 4 and so on up to `most`."""
    counts = sorted({min(2**i, most) for i in range(most.bit_length() + 1)})
    return [
        Point(count, point.seconds, point.rate)
        for count in counts
        for point in measure(sweep, [size], count, seconds, static=True)
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and draws; see the module's docstring."""
    options = _arguments(arguments)
    series: dict[str, list[Point]] = {}
    for sweep in sweeps():
        if sweep.name in options.sweeps:
            sizes = sizes_up_to(min(sweep.largest, options.largest))
            series[sweep.name] = measure(sweep, sizes, options.threads, options.seconds, options.static)
    if "threads" in options.sweeps:
        series["threads"] = over_threads(sweeps()[0], 1024, options.threads, options.seconds)
    for name, points in series.items():
        found = [] if name == "threads" else cliffs(points)
        print(f"{name}: {len(found)} cliffs" if name != "threads" else speed_ups(points))
        for smaller, larger, fall in found:
            print(f"  {smaller.size} -> {larger.size}: {smaller.rate:.1f} -> {larger.rate:.1f}, {fall:.2f} times")
    if options.svg:
        drawn = {name: [(p.size, p.seconds) for p in points] for name, points in series.items()}
        options.svg.write_text(log_log(drawn, "size", "seconds"))
    if options.json:
        options.json.write_text(json.dumps({n: [asdict(p) for p in ps] for n, ps in series.items()}, indent=1) + "\n")


def speed_ups(points: Sequence[Point]) -> str:
    """How many times as fast as one thread more of them are."""
    return "threads: " + ", ".join(f"{p.size}: {points[0].seconds / p.seconds:.2f} times" for p in points)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [*(s.name for s in sweeps()), "threads"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sweeps", nargs="*", help=f"of {', '.join(names)}; default all")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seconds", type=float, default=0.1, help="for each size")
    parser.add_argument("--largest", type=int, default=1 << 13, help="largest size")
    parser.add_argument("--static", action="store_true", help="compile each size for itself")
    parser.add_argument("--svg", type=Path, help="draw time against size here, both logarithmic")
    parser.add_argument("--json", type=Path, help="write the points here")
    options = parser.parse_args(arguments)
    options.sweeps = options.sweeps or names
    if unknown := [name for name in options.sweeps if name not in names]:
        parser.error(f"there is no sweep {', '.join(unknown)}; there is {', '.join(names)}")
    return options


if __name__ == "__main__":
    main()
