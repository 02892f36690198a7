"""Breaks programs after every pass at every level and counts how many breaks the checks notice.

    python -m tests.mutation [--mutants N] [--seed N] [--jobs N] [--subject TEXT] [--survivors FOLDER]

Ends with status 1 when fewer than 99 % of the mutants that matter are noticed. `docs/verification.md` explains it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from tests.mutation.pool import results
from tests.mutation.report import last_line, score, survivors, table, totals, write_survivors
from tests.mutation.subjects import SUBJECTS
from tests.mutation.worker import FalseAlarm, Mutant, Refused, Task, passes_of

FLOOR = 99.0
SEED = 3


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    tasks = tasks_of(options.mutants, options.seed, options.subject)
    if not tasks:
        sys.exit(f"no subject's name contains '{options.subject}'; subjects: {', '.join(s.name for s in SUBJECTS)}")
    print(f"seed {options.seed}, {len(tasks)} programs after a pass")
    mutants: list[Mutant] = []
    refused: list[Refused] = []
    alarms: list[FalseAlarm] = []
    with Progress(
        *Progress.get_default_columns(), MofNCompleteColumn(), TimeRemainingColumn(), disable=not sys.stderr.isatty()
    ) as bar:
        line = bar.add_task("mutants", total=sum(task.count for task in tasks))
        for found in results(tasks, options.jobs):
            if isinstance(found, Mutant):
                mutants.append(found)
                bar.update(line, advance=1)
            elif isinstance(found, FalseAlarm):
                alarms.append(found)
            else:
                refused.append(found)
    mutants.sort(key=lambda m: (m.kind, m.subject, m.level, m.one, m.what))
    print(survivors(mutants))
    print(f"{table(mutants)}\n\n{totals(mutants, len(refused))}")
    for alarm in alarms:
        print(f"false alarm: {alarm.what}")
    if options.survivors:
        print(f"{write_survivors(mutants, options.survivors)} survivors written to {options.survivors}")
    print(last_line(mutants))
    return int(bool(alarms) or score(mutants) < FLOOR)


def tasks_of(mutants: int, seed: int, subject: str = "") -> list[Task]:
    """About `mutants` mutants, spread evenly over the passes of the subjects whose name contains `subject`."""
    counted = [(i, passes_of(s)) for i, s in enumerate(SUBJECTS) if subject in s.name]
    total = sum(count for _, count in counted)
    places = [(i, number) for i, count in counted for number in range(count)]
    shares = [mutants * (k + 1) // total - mutants * k // total for k in range(len(places))]
    return [Task(i, number, share, seed) for (i, number), share in zip(places, shares, strict=True) if share]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m tests.mutation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mutants", type=int, default=2600, metavar="N", help="about how many")
    parser.add_argument("--seed", type=int, default=SEED, metavar="N", help="which edits")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="worker processes")
    parser.add_argument("--subject", default="", metavar="TEXT", help="only programs whose name contains TEXT")
    parser.add_argument("--survivors", type=Path, metavar="FOLDER", help="write each survivor to a file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
