"""Breaks the program after one pass in several ways and says of each mutant whether it is real and who notices it."""

from __future__ import annotations

import difflib
import random
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import cycle
from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import new_context, parse_module, to_text
from stratagem.compiler.program import Program
from stratagem.runtime.errors import PassError
from tests.mutation.judge import Court
from tests.mutation.mutations import KINDS, edits_of
from tests.mutation.subjects import SUBJECTS, Snapshot, Subject, snapshots

TRIES = 8
"""Edits tried for each mutant that is wanted: many are no valid IR."""


@dataclass(frozen=True)
class Task:
    """`count` mutants of the program of a subject after its `number`-th pass."""

    subject: int
    number: int
    count: int
    seed: int


@dataclass(frozen=True)
class Mutant:
    """One mutant that is valid IR. `real`: what shows it, empty for an equivalent one. `killer`: who notices it."""

    subject: str
    level: str
    one: str
    kind: str
    what: str
    real: str
    killer: str
    diff: str = ""

    @property
    def survives(self) -> bool:
        return bool(self.real) and not self.killer


@dataclass(frozen=True)
class Refused:
    """An edit that MLIR's verifier refuses: no mutant."""

    kind: str


@dataclass(frozen=True)
class FalseAlarm:
    """A check that refutes a program that nobody has broken."""

    what: str


Found = Mutant | Refused | FalseAlarm


@lru_cache(maxsize=2)
def _snapshots(number: int) -> list[Snapshot]:
    return snapshots(SUBJECTS[number])


def passes_of(subject: Subject) -> int:
    """After how many passes a subject's program is broken."""
    return len(snapshots(subject))


def work(task: Task, begin: int = 0) -> Iterator[Found]:
    """What each edit gives, in an order that the seed decides, from the `begin`-th on; as many mutants as the task asks
    for in all."""
    snapshot = _snapshots(task.subject)[task.number]
    court, context = Court(snapshot), new_context()
    for name in court.false_alarms if not begin else ():
        yield FalseAlarm(f"{name} of {snapshot.subject.name} after {snapshot.one}")
    for number, (kind, edit) in enumerate(_chosen(snapshot, task, context)):
        if number >= begin:
            yield _judged(court, kind, edit, context)


def _judged(court: Court, kind: str, edit: int, context: Any) -> Found:
    snapshot = court.snapshot
    broken = _broken(snapshot, kind, edit, context)
    if broken is None:
        return Refused(kind)
    what, breaks, program = broken
    real = breaks or court.difference(program)
    killer = court.killer(program)
    mutant = Mutant(snapshot.subject.name, snapshot.level, snapshot.one, kind, what, real, killer)
    return replace(mutant, diff=_diff(snapshot, program)) if mutant.survives else mutant


def serve(connection: Any) -> None:
    """A worker process: takes tasks, sends what it finds, and None behind the last of each. A task ends early when its
    `count` of mutants is reached."""
    warnings.simplefilter("ignore")  # mutants overflow and divide by zero
    while True:
        task, begin, missing = connection.recv()
        for found in work(task, begin):
            connection.send(found)
            missing -= isinstance(found, Mutant)
            if missing <= 0:
                break
        connection.send(None)


def _chosen(snapshot: Snapshot, task: Task, context: Any) -> Iterator[tuple[str, int]]:
    """Kinds in turn, each edit at most once, in an order that the seed decides."""
    rng = random.Random(f"{task.seed} {snapshot.subject.name} {snapshot.level} {snapshot.one}")
    program = snapshot.program(context)
    left = {kind: list(range(len(edits_of(kind, program)))) for kind in KINDS}
    for numbers in left.values():
        rng.shuffle(numbers)
    kinds = list(KINDS)
    rng.shuffle(kinds)
    tried = 0
    for kind in cycle(kinds):
        if tried >= TRIES * task.count or not any(left.values()):
            return
        if left[kind]:
            tried += 1
            yield kind, left[kind].pop()


def _broken(snapshot: Snapshot, kind: str, number: int, context: Any) -> tuple[str, str, Program] | None:
    """The edit's description, the rule it breaks by construction, and the mutant read anew from its text; None where it
    is no valid IR."""
    program = snapshot.program(context)
    edit = edits_of(kind, program)[number]
    try:
        with program.module.context, ir.Location.unknown():
            edit.apply()
        program.module.operation.verify()
        return edit.what, edit.breaks, Program(parse_module(to_text(program.module), context), program.parameters)
    except (ir.MLIRError, PassError, ValueError):
        return None


def _diff(snapshot: Snapshot, program: Program) -> str:
    text = to_text(program.module, locations=False)
    return "\n".join(difflib.unified_diff(snapshot.text.splitlines(), text.splitlines(), "program", "mutant", n=2))
