"""The mutation harness counts what it should: a blind check leaves survivors, a crash is noticed by nobody."""

from __future__ import annotations

import os
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.mutation.__main__ import tasks_of
from tests.mutation.edits import edits_of
from tests.mutation.judge import Court
from tests.mutation.mutations import KINDS
from tests.mutation.pool import _received, _Worker
from tests.mutation.report import last_line, score, survivors, table, write_survivors
from tests.mutation.subjects import SUBJECTS, snapshots
from tests.mutation.worker import FalseAlarm, Mutant, Task, work

REDUCTION = next(number for number, s in enumerate(SUBJECTS) if s.name == "reduction")
MUTANTS = [
    Mutant("a", "tensor", "p", "constant", "1 becomes 2", "result 'y' differs", "proof: bounds"),
    Mutant("a", "tensor", "p", "constant", "1 becomes 3", "result 'y' differs", "", "-1\n+3"),
    Mutant("a", "device", "p", "constant", "1 becomes 1.0", "", ""),
    Mutant("a", "device", "p", "branch", "never", "", "proof: bounds"),
]


def test_equivalent_mutants_do_not_count() -> None:
    assert score(MUTANTS) == 50.0
    assert last_line(MUTANTS) == "mutation: 4 mutants, 2 real, 1 killed, score 50.0 %"
    assert score(MUTANTS[2:]) == 0.0


def test_a_row_names_who_noticed() -> None:
    rows = [line.split() for line in table(MUTANTS).splitlines()]
    assert ["constant", "tensor", "2", "0", "1", "proof:", "bounds", "1"] in rows
    assert ["constant", "device", "1", "1", "0"] in rows


def test_survivors_are_shown_and_written(tmp_path: Path) -> None:
    assert survivors(MUTANTS).startswith("survives: a, level tensor, after p: 1 becomes 3 (constant)")
    assert write_survivors(MUTANTS, tmp_path) == 1
    assert (tmp_path / "000-tensor-p.diff").read_text().endswith("-1\n+3\n")


def test_without_checks_every_real_mutant_survives(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task(REDUCTION, 2, 6, seed=1)
    noticed = [one for one, _ in zip(work(task), range(12), strict=False) if isinstance(one, Mutant)]
    monkeypatch.setattr(Court, "killer", lambda court, mutant: "")
    missed = [one for one, _ in zip(work(task), range(12), strict=False) if isinstance(one, Mutant)]
    assert [m.what for m in noticed] == [m.what for m in missed]
    assert [m.real for m in noticed] == [m.real for m in missed] and any(m.real for m in missed)
    assert score(noticed) == 100.0 and score(missed) == 0.0
    assert all(m.diff for m in missed if m.real)


def test_a_check_that_refutes_an_unbroken_program_is_an_alarm_and_no_witness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Court, "_refuted", lambda court, mutant: "always")
    found = [one for one, _ in zip(work(Task(REDUCTION, 2, 6, seed=1)), range(12), strict=False)]
    assert FalseAlarm("checks of reduction after form-kernels") in found
    assert not any(isinstance(one, Mutant) and one.killer == "always" for one in found)


def test_a_process_that_ends_is_noticed_by_nobody() -> None:
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=os._exit, args=(3,))
    process.start()
    there.close()
    worker = _Worker(process, here, task=Task(REDUCTION, 0, 1, seed=1), missing=1)
    found = _received(worker)
    assert isinstance(found, Mutant) and found.survives and found.real == "the process ended with code 3"
    assert worker.ended and worker.missing == 0


def test_mutants_are_spread_over_all_passes() -> None:
    tasks = tasks_of(100, 1, "reduction")
    assert sum(task.count for task in tasks) == 100
    assert {task.number for task in tasks} == set(range(len(snapshots(SUBJECTS[REDUCTION]))))
    assert tasks_of(100, 1, "no such program") == []


def test_edits_are_the_same_each_time_and_of_every_kind() -> None:
    seen = set()
    for name in ("two ranks, mlp", "near memory, matmul", "same sizes", "recurrence", "branches", "mlp, free batch"):
        (subject,) = (s for s in SUBJECTS if s.name == name)
        for snapshot in snapshots(subject):
            first, second = snapshot.program(), snapshot.program()
            for kind in KINDS:
                edits = [edit.what for edit in edits_of(kind, first)]
                assert edits == [edit.what for edit in edits_of(kind, second)]
                seen.update([kind] if edits else [])
    assert set(KINDS) - seen <= {"copy dropped", "order of dimensions", "shape"}
