"""What this machine can do at most: f32 multiply-adds per second, and bytes per second from every level of memory.

    python -m benchmarks.limits [--threads 1,2] [--seconds 0.3]

Measured by `limits.c`, compiled for this processor. A row's *bound* is the longer of its operations at the first and
its compulsory bytes at the second.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stratagem.api.measure.figures import Row
from stratagem.hwmodels.probe import read_facts
from stratagem.runtime.errors import ResourceError

BEYOND = 8
"""The largest working set, in main memory, is this many times the last cache."""


def measure_limits(threads: Sequence[int], seconds: float = 0.3) -> dict[str, Any]:
    """By number of threads (as text): `gflops`, and `read` and `triad` in GB/s by bytes of all threads together.

    Raises ResourceError without a C compiler.
    """
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise ResourceError("measuring this machine's limits needs a C compiler", hint="install gcc, or set CC")
    with tempfile.TemporaryDirectory(prefix="stratagem-limits-") as folder:
        program = Path(folder) / "limits"
        source = Path(__file__).with_suffix(".c")
        command = [compiler, "-O3", "-march=native", "-ffast-math", str(source), "-o", str(program), "-lpthread"]
        subprocess.run(command, check=True)
        return {str(n): _run(program, n, seconds) for n in threads}


def working_sets() -> list[int]:
    """Bytes for one thread: half of each cache, the last one whole and twice, then main memory."""
    caches = [c.size for c in read_facts().caches]
    last = max(caches, default=32 << 20)
    return [*(size // 2 for size in caches), last, 2 * last, BEYOND * last]


def _run(program: Path, threads: int, seconds: float) -> dict[str, Any]:
    shared = max((c.level for c in read_facts().caches), default=0)
    sizes = []
    for i, size in enumerate(working_sets()):
        private = i + 1 < shared  # caches but the last belong to one core
        sizes.append(size if private else size // threads)
    allowed = sorted(os.sched_getaffinity(0))[:threads]
    done = subprocess.run(
        [str(program), str(threads), str(seconds), *map(str, sizes)],
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )
    found: dict[str, Any] = {"read": {}, "triad": {}}
    for line in done.stdout.splitlines():
        what, working_set, figure = line.split()
        if what == "fma":
            found["gflops"] = float(figure)
        else:
            found[what][str(int(working_set) * threads)] = float(figure)
    return found


def bound_seconds(row: Row, limits: dict[str, Any]) -> float:
    """The least time for a row's work, of operations at the measured peak and bytes at `bandwidth`; NaN if unknown."""
    found = limits.get(str(row.threads))
    if found is None or row.work is None:
        return math.nan
    arithmetic = row.work.flops / (float(found["gflops"]) * 1e9)
    return max(arithmetic, row.work.moved / (bandwidth(found, row.work.moved) * 1e9))


def bandwidth(found: dict[str, Any], size: int) -> float:
    """GB/s for `size` bytes: the best reading over the largest measured set that is no larger, or over any beyond it.

    A bound must not promise too little: part of a set that is a bit larger than a cache still lies in it. A slower
    reading of a smaller set than another's was disturbed.
    """
    read = {int(n): float(figure) for n, figure in found["read"].items()}
    start = max((n for n in read if n <= size), default=min(read))
    return max(figure for n, figure in read.items() if n >= start)


def limits_lines(limits: dict[str, Any]) -> list[str]:
    """For a header: one line for each number of threads."""
    lines = []
    for threads, found in limits.items():
        levels = ", ".join(
            f"{int(n) // 1024} KiB {found['read'][n]:.0f}/{found['triad'][n]:.0f}" for n in found["read"]
        )
        lines.append(f"limits, {threads} threads: {found['gflops']:.0f} GFLOP/s f32; GB/s read/triad: {levels}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="1,2", help="numbers of threads, separated by commas")
    parser.add_argument("--seconds", type=float, default=0.3, help="for each figure")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    limits = measure_limits([int(n) for n in options.threads.split(",")], options.seconds)
    print(json.dumps(limits, indent=1) if options.json else "\n".join(limits_lines(limits)))


if __name__ == "__main__":
    main()
