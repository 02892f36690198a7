"""The table of a run, whole or in part, and its last line."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.conformance.__main__ import main
from tests.conformance.outcome import Outcome, Verdict
from tests.conformance.suites import jax_models
from tests.conformance.table import kind_of, last_line, share, table

NAMES = jax_models.names()


def outcomes(*verdicts: Verdict) -> list[Outcome]:
    return [Outcome("jax-models", name, v, "because 5") for name, v in zip(NAMES, verdicts, strict=False)]


def test_a_part_says_that_it_is_one() -> None:
    found = outcomes(Verdict.PASSED, Verdict.REFUSED, Verdict.EXCLUDED)
    assert f"| JAX models | 2 (a sample of {len(NAMES)}) | 1 | 1 | 0 | 0 | 50.0% | 1 |" in table(found)
    assert share(found, "jax-models") == 0.5
    assert last_line(found) == "conformance: 2 cases, 1 passed, 1 refused, 0 wrong, 0 crashed"


def test_a_whole_suite_says_its_size() -> None:
    found = outcomes(*[Verdict.PASSED] * len(NAMES))
    assert f"| JAX models | {len(NAMES)} | {len(NAMES)} | 0 |" in table(found)


def test_reasons_count_together() -> None:
    assert kind_of("input 'x' of tensor<3x5xf32> at %12: 7") == kind_of("input 'x' of tensor<4xf64> at %3: 81")


def test_logs_are_told_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a case in two logs, the later outcome counts; what is wrong ends with status 1."""
    for number, verdict in enumerate([Verdict.WRONG, Verdict.PASSED]):
        lines = [json.dumps({**asdict(o), "verdict": o.verdict.value}) for o in outcomes(verdict)]
        (tmp_path / f"{number}.jsonl").write_text("\n".join(lines))
    first, second = (str(tmp_path / f"{n}.jsonl") for n in (0, 1))
    assert main(["--tell", first]) == 1
    assert main(["--tell", first, second]) == 0
    assert capsys.readouterr().out.rstrip().endswith("conformance: 1 cases, 1 passed, 0 refused, 0 wrong, 0 crashed")
