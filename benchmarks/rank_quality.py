"""How well the cost model ranks tiles: random choices for ten kernels, measured here, against what it estimates.

    python -m benchmarks.rank_quality [--schedules 28] [--threads N] [--seed N] [--json FILE]

For each operator of `make bench` the kernel that takes longest is taken alone; tiles are drawn from all that fit. A
choice and the compiler's own are timed in turns, and a time is the median ratio to the own one, so that a change of the
machine's speed meets both. Spearman's coefficient compares the order of estimates with that of times.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.rows import CASES, Case
from stratagem.api.compiling import load_target
from stratagem.api.loading import load_model
from stratagem.compiler import knobs
from stratagem.compiler.driver import StageRunner
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.pipeline import PIPELINE
from stratagem.compiler.schedule.contraction_tiles import rank_contraction_tiles
from stratagem.compiler.schedule.estimate import estimate
from stratagem.compiler.schedule.footprint import extent, footprints
from stratagem.compiler.schedule.tiles import Choice, rows_fit
from stratagem.compiler.schedule.untiled import Untiled
from stratagem.compiler.tuning.search import Candidate, candidates, prepare, time_ratio

ALL = 1 << 20
TOP, NEAR = 5, 1.1


@dataclass(frozen=True)
class Row:
    """One kernel: estimated seconds and measured times (as ratios to `own`, the seconds of the compiler's choice)."""

    name: str
    tiles: list[str]
    estimated: list[float]
    measured: list[float]
    own: float

    @property
    def spearman(self) -> float:
        return spearman(self.estimated, self.measured)

    @property
    def width(self) -> float:
        """How many times longer the slowest takes than the fastest."""
        return max(self.measured) / min(self.measured)

    @property
    def best_of_top(self) -> float:
        """The best time among the choices that are estimated best, by the best of all."""
        order = sorted(range(len(self.estimated)), key=lambda i: self.estimated[i])[:TOP]
        return min(self.measured[i] for i in order) / min(self.measured)


def ranks(values: Sequence[float]) -> list[float]:
    """Places in ascending order, from 1; equal values share the mean of theirs."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    found = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for i in order[start:end]:
            found[i] = (start + end + 1) / 2
        start = end
    return found


def spearman(left: Sequence[float], right: Sequence[float]) -> float:
    """Spearman's rank correlation: Pearson's of the ranks; 0 where one side is all equal."""
    a, b = ranks(left), ranks(right)
    if len(set(a)) == 1 or len(set(b)) == 1:
        return 0.0
    return statistics.correlation(a, b)


def slowest_kernel(case: Case, machine: Any) -> Candidate:
    """The kernel of an operator that takes longest, before tiling."""
    module, inputs = case.build()
    program = load_model(module, inputs)
    stages = dict(PIPELINE)
    device = stages["device"][: stages["device"].index("tune-kernels")]
    StageRunner(PassContext(machine)).run(program, (("tensor", stages["tensor"]), ("device", device)))
    found = candidates(program.module, machine, knobs.current().threads)
    for one in found:
        prepare(one)
    return max(found, key=lambda one: one.seconds)


def schedules(untiled: Untiled) -> Iterator[Choice]:
    """All tiles that fit."""
    if (shape := untiled.shape) is not None:
        yield from (choice for _, choice in rank_contraction_tiles(untiled.dims, shape, untiled.target, ALL))
        return
    dims = untiled.dims
    sides = [sorted({min(1 << n, extent(dims, d)) for n in range(16)}) for d in dims.common]
    for sizes in map(list, product(*sides)):
        tiles = dict(zip(dims.common, sizes, strict=True))
        whole = {d: extent(dims, d) for d in dims.extents} | tiles
        if rows_fit(footprints(dims), whole, dims.common, untiled.target):
            yield Choice(tiles)


def measure(case: Case, machine: Any, count: int, seed: int) -> Row:
    """Draws `count` schedules of the case's slowest kernel, estimates and times them."""
    one = slowest_kernel(case, machine)
    with one.lone.untiled() as untiled:
        assert untiled is not None, "candidates() gives kernels that can be tiled"
        every = list(schedules(untiled))
        drawn = Random(seed).sample(every, min(count, len(every)))
        estimated = [estimate(untiled, choice).total for choice in drawn]
    return Row(
        case.name, [str(c) for c in drawn], estimated, [time_ratio(one, choice) for choice in drawn], one.seconds
    )


def all_together(rows: Sequence[Row]) -> float:
    """Spearman's coefficient over the schedules of all kernels, by their seconds."""
    estimated = [seconds for row in rows for seconds in row.estimated]
    return spearman(estimated, [ratio * row.own for row in rows for ratio in row.measured])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedules", type=int, default=28, metavar="N", help="of each kernel")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="0: one for each processor")
    parser.add_argument("--rows", default="", metavar="NAMES", help="some operators only")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    machine = load_target("cpu")
    names = options.rows.split(",") if options.rows else []
    cases = [case for case in CASES if case.kind == "kernels" and (not names or case.name in names)]
    rows = []
    with knobs.scope(threads=options.threads, verify="off"):
        for case in cases:
            rows.append(measure(case, machine, options.schedules, options.seed))
            row = rows[-1]
            print(
                f"{row.name:10s} {len(row.measured):3d} schedules, slowest {row.width:6.2f} x the fastest, "
                f"Spearman {row.spearman:5.2f}, best of top {TOP}: {row.best_of_top:.2f} x the fastest",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    found, total = [row.spearman for row in rows], sum(len(row.measured) for row in rows)
    near = sum(row.best_of_top <= NEAR for row in rows)
    print(
        f"rank-quality: {total} schedules of {len(rows)} kernels, Spearman {all_together(rows):.2f} all together, "
        f"of one kernel median {statistics.median(found):.2f} min {min(found):.2f}, "
        f"top {TOP} within 10 % of the fastest in {near} of {len(rows)}"
    )


if __name__ == "__main__":
    main()
