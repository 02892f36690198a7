"""A bounded run of the mutation harness: nearly every break that matters is noticed. `make mutation` runs it whole."""

from __future__ import annotations

from tests.mutation.__main__ import FLOOR, SEED, tasks_of
from tests.mutation.pool import results
from tests.mutation.report import last_line, score, survivors
from tests.mutation.worker import FalseAlarm, Mutant

MUTANTS = 150


def test_nearly_every_real_change_is_noticed() -> None:
    found = list(results(tasks_of(MUTANTS, SEED), jobs=2))
    mutants = [one for one in found if isinstance(one, Mutant)]
    assert not [one for one in found if isinstance(one, FalseAlarm)]
    assert score(mutants) >= FLOOR, f"{last_line(mutants)}\n{survivors(mutants)}"
    assert len(mutants) >= 0.9 * MUTANTS
    assert sum(bool(m.real) for m in mutants) > len(mutants) // 2
    assert {m.level for m in mutants} == {"tensor", "device", "system", "physical"}
