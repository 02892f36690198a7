"""Compiles random programs for many targets and compares every level and the code with the reference.

    python -m tests.fuzz --seconds 600 [--targets cpu,gpu,upmem,made-up,ranks] [--seed N] [--output FOLDER]
    python -m tests.fuzz --replay FILE.mlir

Ends with status 1 when a program failed. A failing program is made small and written to FOLDER, with the hardware; the
log names the seed of every program.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random

from rich.progress import Progress, TextColumn

from tests.fuzz.case import Case, case_of
from tests.fuzz.judge import FAILED, Outcome
from tests.fuzz.programs import draw_program
from tests.fuzz.report import Tally
from tests.fuzz.shrink import shrink
from tests.fuzz.systems import KINDS, draw_target
from tests.fuzz.worker import Worker

WEIGHTS = {"cpu": 5, "made-up": 4, "gpu": 2, "upmem": 2, "ranks": 3}
"""How often a target is drawn: kernels for GPU and UPMEM are interpreted, which takes longer."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    worker = Worker(options.timeout)
    try:
        return _replay(options, worker) if options.replay else _fuzz(options, worker)
    finally:
        worker.stop()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=600, metavar="N", help="how long programs are drawn")
    parser.add_argument("--programs", type=int, default=0, metavar="N", help="stop after so many programs")
    parser.add_argument("--seed", type=int, default=None, metavar="N", help="of the first program; else from the clock")
    parser.add_argument("--targets", default=",".join(KINDS), metavar="KINDS", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--timeout", type=float, default=120, metavar="SECONDS", help="for one program")
    parser.add_argument("--shrink", type=float, default=120, metavar="SECONDS", help="for making one failure small")
    parser.add_argument(
        "--output", type=Path, default=Path("stratagem-fuzz"), metavar="FOLDER", help="for reproducers and the log"
    )
    parser.add_argument("--replay", type=Path, metavar="FILE", help="judge one reproducer again")
    return parser


def _replay(options: argparse.Namespace, worker: Worker) -> int:
    outcome = worker.judge(Case.load(options.replay))
    print(f"{outcome.status}: {outcome.kind}\n{outcome.detail}" if outcome.kind else outcome.status)
    return int(outcome.status == FAILED)


def _fuzz(options: argparse.Namespace, worker: Worker) -> int:
    kinds = options.targets.split(",")
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        sys.exit(f"there is no kind of target '{unknown[0]}'; kinds: {', '.join(KINDS)}")
    first = int(time.time()) if options.seed is None else options.seed
    tally = Tally()
    options.output.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + options.seconds
    columns = (TextColumn("{task.fields[done]} programs, {task.fields[bad]} failures, {task.fields[left]:.0f} s left"),)
    with (
        (options.output / f"log-{first}.jsonl").open("w") as log,
        Progress(*columns, disable=not sys.stderr.isatty()) as bar,
    ):
        task = bar.add_task("programs", done=0, bad=0, left=options.seconds)
        while time.monotonic() < end and (not options.programs or tally.programs < options.programs):
            seed = first + tally.programs
            kind, outcome = _one(seed, kinds, worker, options)
            tally.add(kind, outcome)
            record = {
                "seed": seed,
                "target": kind,
                "status": outcome.status,
                "kind": outcome.kind,
                "detail": outcome.detail,
            }
            print(json.dumps(record), file=log, flush=True)
            bar.update(task, done=tally.programs, bad=tally.failures, left=max(0.0, end - time.monotonic()))
    print(f"first seed {first}, log {options.output / f'log-{first}.jsonl'}")
    print("\n".join(tally.lines()))
    return int(tally.failures > 0)


def _one(seed: int, kinds: Sequence[str], worker: Worker, options: argparse.Namespace) -> tuple[str, Outcome]:
    """Draws, judges and, if it fails, shrinks the program of a seed."""
    rng = Random(seed)
    kind = rng.choices(kinds, [WEIGHTS[k] for k in kinds])[0]
    program, target = draw_program(seed), draw_target(kind, rng)
    outcome = worker.judge(case_of(program, target))
    if outcome.status == FAILED:
        small, how = shrink(program, target, outcome, worker.judge, options.shrink)
        path = options.output / f"seed-{seed}.mlir"
        small.save(path)
        print(
            f"seed {seed} on {kind}: {how.kind}\n  {how.detail}\n  replay with: python -m tests.fuzz --replay {path}",
            flush=True,
        )
    return kind, outcome


if __name__ == "__main__":
    sys.exit(main())
