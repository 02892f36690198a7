"""Finds a small program that fails like a given one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from tests.fuzz.case import Case, case_of
from tests.fuzz.description import Description
from tests.fuzz.edits import EDITS
from tests.fuzz.judge import FAILED, Outcome

Judge = Callable[[Case], Outcome]


def shrink(program: Description, target: str, failure: Outcome, judge: Judge, seconds: float) -> tuple[Case, Outcome]:
    """The smallest case found that fails with `failure.kind`, and how it fails.

    Greedy: the first edit that keeps the failure is taken, until none does or `seconds` have passed.
    """
    search = _Search(failure, judge, time.monotonic() + seconds)
    best = (program, target)
    if target != "cpu" and search.fails(program, "cpu"):
        best = (program, "cpu")
    while True:
        smaller = next((c for c in _candidates(best[0]) if search.fails(c, best[1])), None)
        if smaller is None:
            return case_of(*best), search.outcome
        best = (smaller, best[1])


def _candidates(program: Description) -> Iterator[Description]:
    for edit in EDITS:
        yield from edit(program)


class _Search:
    """What was tried, and how the last accepted case failed."""

    def __init__(self, failure: Outcome, judge: Judge, end: float) -> None:
        self.outcome = failure
        self._judge, self._end = judge, end
        self._tried: set[tuple[str, str]] = set()

    def fails(self, program: Description, target: str) -> bool:
        if time.monotonic() > self._end:
            return False
        case = case_of(program, target)
        key = (case.text, f"{target}{case.runs}{case.ranges}")
        if key in self._tried:
            return False
        self._tried.add(key)
        outcome = self._judge(case)
        if outcome.status != FAILED or outcome.kind != self.outcome.kind:
            return False
        self.outcome = outcome
        return True
