"""Rows of published measurements: how they are read, summed up, and how near the predictions are."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.validation.__main__ import Outcome, outcomes, summary, table
from benchmarks.validation.here import GROUP
from benchmarks.validation.predictors import PREDICTORS
from benchmarks.validation.rows import Row, RowError, read_rows, rows_of

TEXT = """\
group: made-up
predictor: double
defaults: {source: the tests, factor: 2}
rows:
  - {name: one, published: 4, value: 2}
  - {name: other, published: 10, value: 2, factor: 3, source: elsewhere}
"""


def double(facts: object) -> float:
    assert isinstance(facts, dict)
    return float(facts["value"] * facts["factor"])


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rows.yaml"
    path.write_text(text)
    return path


def test_rows_take_the_files_defaults(tmp_path: Path) -> None:
    written(tmp_path, TEXT)
    first, second = read_rows(tmp_path)
    assert (first.group, first.predictor, first.published, first.source) == ("made-up", "double", 4.0, "the tests")
    assert (second.facts["factor"], second.source) == (3, "elsewhere")
    found = outcomes([first, second], {"double": double})
    assert [outcome.error for outcome in found] == [0.0, pytest.approx(-0.4)]
    assert summary(found) == "validate-cost: 2 rows, made-up mean 20.0 % max 40.0 %"
    assert "| made-up | other | 10 | 6 | -40.0% | elsewhere |" in list(table(found))


def test_rows_that_the_description_comes_from_are_shown_but_not_counted(tmp_path: Path) -> None:
    calibrated = TEXT.replace("factor: 3,", "factor: 3, calibrated_from: the rate of a unit,")
    found = outcomes(read_rows(written(tmp_path, calibrated).parent), {"double": double})
    assert [outcome.row.calibrated_from for outcome in found] == ["", "the rate of a unit"]
    assert summary(found) == "validate-cost: 1 rows, made-up mean 0.0 % max 0.0 %, not counted: 1 calibrated"
    assert list(table(found))[2:] == [
        "| made-up | one | 4 | 4 | +0.0% | the tests |",
        "| made-up | other | 10 | 6 | -40.0% (calibrated) | elsewhere |",
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("group: made-up\n", "", "rows.yaml: 'group' is missing"),
        ("source: the tests, ", "", "row 1 does not give source"),
        ("published: 4", "published: none", "row 1: published is 'none'"),
        ("published: 10", "published: -1", "row 2: published is -1"),
    ],
)
def test_rows_that_are_not_complete(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TEXT
    with pytest.raises(RowError, match=message):
        list(rows_of(written(tmp_path, TEXT.replace(old, new))))


def test_a_predictor_that_is_not_there() -> None:
    row = Row("g", "n", "oracle", 1.0, "s", {})
    with pytest.raises(RowError, match="there is no predictor oracle"):
        outcomes([row])


def test_a_plan_that_cannot_run_is_no_prediction() -> None:
    row = next(row for row in read_rows() if row.predictor == "training-seconds")
    facts = {**row.facts, "plan": {**row.facts["plan"], "tensor": 7}}
    with pytest.raises(ValueError, match="7 tensor ranks do not divide"):
        PREDICTORS["training-seconds"](facts)


def test_published_training_runs_are_met() -> None:
    rows = [row for row in read_rows() if row.group == "cluster"]
    errors = [abs(outcome.error) for outcome in outcomes(rows)]
    assert len(errors) >= 24
    assert sum(errors) / len(errors) <= 0.10
    assert max(errors) <= 0.20


def test_errors_are_signed_and_relative_to_what_was_published() -> None:
    assert Outcome(Row("g", "n", "p", 4.0, "s", {}), 5.0).error == 0.25


def test_the_documentation_shows_what_the_command_prints() -> None:
    page = (Path(__file__).parents[3] / "docs" / "cost.md").read_text(encoding="utf-8")
    lines = page.partition("<!-- generated: make validate-cost -->\n")[2].splitlines()
    here = [line for line in lines if line.startswith(f"| {GROUP} |")]
    assert here, "rows that were measured are shown, too"
    found = outcomes(read_rows())
    told = summary([*found, *(shown(line) for line in here)])
    assert lines == [*table(found), *here, "", told]


def shown(line: str) -> Outcome:
    """A measured row as the page has it: another machine's times, so it is read and not repeated."""
    _, group, name, published, predicted, _, source, _ = (part.strip() for part in line.split("|"))
    return Outcome(Row(group, name, "program", float(published), source, {}), float(predicted))
