"""Runs suites that others wrote through the whole compiler and prints what passed, was refused, wrong or crashed.

    python -m tests.conformance [SUITE ...] [--every K] [--filter TEXT] [--jobs N] [--log FILE] [--write-docs]
    python -m tests.conformance --tell LOG ...

Ends with status 1 when a case is wrong or crashed, or a suite that ran whole passes less than its floor.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from tests.conformance.outcome import Outcome, Verdict
from tests.conformance.pool import Case, outcomes
from tests.conformance.suites import CHECKS, SUITES, suite
from tests.conformance.table import last_line, reasons, share, table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"
BEGIN, END = "<!-- begin of results -->", "<!-- end of results -->"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    warnings.simplefilter("ignore")  # the suites compute their data with overflows on purpose
    found = _read(options.tell) if options.tell else list(_run(_cases(options), options))
    text = f"{table(found)}\n\n{reasons(found)}"
    print(text)
    for outcome in found:
        if outcome.verdict in (Verdict.WRONG, Verdict.CRASHED):
            print(f"{outcome.verdict.value}: {outcome.suite} {outcome.case}: {outcome.reason}")
    short = _below_floor(found, options)
    for name in short:
        print(f"below the floor: {name} passes {share(found, name):.1%}, not {suite(name).FLOOR:.0%}")
    if options.write_docs:
        _write_page(text)
    print(last_line(found))
    return int(bool(short) or any(o.verdict in (Verdict.WRONG, Verdict.CRASHED) for o in found))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m tests.conformance", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}; all unless given")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="only every K-th case of each suite")
    parser.add_argument("--filter", default="", metavar="TEXT", help="only cases whose name contains TEXT")
    parser.add_argument("--cases", type=Path, metavar="FILE", help="only the cases named in FILE, one per line")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="worker processes")
    parser.add_argument("--timeout", type=float, default=120, metavar="SECONDS", help="for one case")
    parser.add_argument("--log", type=Path, metavar="FILE", help="write one JSON line per case")
    parser.add_argument("--tell", type=Path, nargs="+", metavar="LOG", help="run nothing: tell what these logs hold")
    parser.add_argument("--write-docs", action="store_true", help=f"put the table into docs/{PAGE.name}")
    return parser


def _cases(options: argparse.Namespace) -> list[Case]:
    unknown = [name for name in options.suites if name not in SUITES | CHECKS]
    if unknown:
        sys.exit(f"there is no suite '{unknown[0]}'; suites: {', '.join(SUITES)}")
    only = set(options.cases.read_text().split("\n")) if options.cases else None
    found = []
    for name in options.suites or SUITES:
        chosen = [case for case in suite(name).names() if options.filter in case and (only is None or case in only)]
        found += [(name, case) for case in chosen[:: options.every]]
    return found


def _run(cases: list[Case], options: argparse.Namespace) -> list[Outcome]:
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeRemainingColumn())
    found, log = [], options.log.open("w") if options.log else None
    with Progress(*columns, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("cases", total=len(cases))
        for outcome in outcomes(cases, options.jobs, options.timeout):
            found.append(outcome)
            bar.update(task, advance=1, description=outcome.suite)
            if log:
                print(json.dumps({**asdict(outcome), "verdict": outcome.verdict.value}), file=log, flush=True)
    order = {case: number for number, case in enumerate(cases)}
    return sorted(found, key=lambda o: order[o.suite, o.case])


def _read(logs: Sequence[Path]) -> list[Outcome]:
    """The outcomes of earlier runs; of a case that ran several times, the last one."""
    found: dict[Case, Outcome] = {}
    for line in (line for log in logs for line in log.read_text().splitlines()):
        entry = json.loads(line)
        one = Outcome(**{**entry, "verdict": Verdict(entry["verdict"])})
        found[one.suite, one.case] = one
    return list(found.values())


def _below_floor(found: list[Outcome], options: argparse.Namespace) -> list[str]:
    """Suites that ran whole and passed too little; a part says nothing about the share."""
    if options.filter or options.cases or options.every > 1 or options.tell:
        return []
    return [name for name in dict.fromkeys(o.suite for o in found) if share(found, name) < suite(name).FLOOR]


def _write_page(text: str) -> None:
    page = PAGE.read_text()
    head, tail = page.split(BEGIN)[0], page.split(END)[1]
    PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}")


if __name__ == "__main__":
    sys.exit(main())
