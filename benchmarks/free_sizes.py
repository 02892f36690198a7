"""What a free size costs: one artifact that serves all sizes beside one for each, called by turns.

    python -m benchmarks.free_sizes [SWEEP ...] [--threads N] [--seconds 0.3]

Sweeps are those of `benchmarks.scale`; the sizes are few, odd ones among them. A ratio is the time of the size's own
artifact by that of the one for all: 0.9 means that the free size costs a tenth.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import geometric_mean, median

from benchmarks.scale import Sweep, median_seconds, open_sweep, sweeps

SIZES = (2, 7, 31, 64, 128, 300, 512, 1024)
ROUNDS = 5
USUAL = ("gemm-m", "batch", "sequence", "columns")


def ratios(sweep: Sweep, sizes: Sequence[int], threads: int, seconds: float) -> list[float]:
    """For each size the median over rounds of its own artifact's seconds by the seconds of the one for all sizes."""
    found = []
    with tempfile.TemporaryDirectory(prefix="stratagem-sizes-") as folder:
        paths = [Path(folder) / name for name in ("free.sgm", "fixed.sgm")]
        free = open_sweep(sweep, *sweep.make(sizes[-1]), threads, False, paths[0])
        for size in sizes:
            module, inputs = sweep.make(size)
            fixed = open_sweep(sweep, module, inputs, threads, True, paths[1])
            calls = [partial(one.runner.run, one.signature.bind([x.numpy() for x in inputs])) for one in (fixed, free)]
            turns = [[median_seconds(call, seconds / ROUNDS) for call in calls] for _ in range(ROUNDS)]
            found.append(median(own / one for own, one in turns))
            own, one = (median(column) for column in zip(*turns, strict=True))
            print(f"{sweep.name:10s}{size:8d}{own * 1e3:12.4f}{one * 1e3:12.4f}{found[-1]:8.2f}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = {sweep.name: sweep for sweep in sweeps()}
    parser.add_argument("sweeps", nargs="*", metavar="SWEEP", help=f"of {', '.join(known)}; default {', '.join(USUAL)}")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of each artifact")
    parser.add_argument("--seconds", type=float, default=0.3, help="how long each size is timed with each artifact")
    options = parser.parse_args()
    if unknown := set(options.sweeps) - set(known):
        parser.error(f"no sweep is called {', '.join(sorted(unknown))}; there is {', '.join(known)}")
    print(f"{'sweep':10s}{'size':>8s}{'own ms':>12s}{'for all ms':>12s}{'ratio':>8s}")
    chosen = [known[name] for name in options.sweeps or USUAL]
    found = [r for sweep in chosen for r in ratios(sweep, SIZES, options.threads, options.seconds)]
    print(f"free sizes: geomean {geometric_mean(found):.2f} min {min(found):.2f} of {len(found)}")


if __name__ == "__main__":
    main()
