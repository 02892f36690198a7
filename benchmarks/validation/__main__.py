"""Prints the table of predictions beside what was published, and a line that sums it up: `make validate-cost`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import TYPE_CHECKING

from benchmarks.validation.here import GROUP, measured_rows
from benchmarks.validation.predictors import PREDICTORS
from benchmarks.validation.rows import Row, RowError, read_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.validation.predictors import Predictor


@dataclass(frozen=True)
class Outcome:
    """A row and what was predicted for it."""

    row: Row
    predicted: float

    @property
    def error(self) -> float:
        """Signed, relative to what was published."""
        return self.predicted / self.row.published - 1


def outcomes(rows: Sequence[Row], predictors: Mapping[str, Predictor] = PREDICTORS) -> list[Outcome]:
    """Predicts every row; raises RowError for a predictor that is not there."""
    unknown = sorted({row.predictor for row in rows} - set(predictors))
    if unknown:
        raise RowError(f"there is no predictor {', '.join(unknown)}; there are {', '.join(predictors)}")
    return [Outcome(row, predictors[row.predictor](row.facts)) for row in rows]


def table(found: Sequence[Outcome]) -> Iterator[str]:
    """Markdown, a row each, groups in order; rows that the hardware description comes from are marked."""
    yield "| group | row | published | predicted | error | source |"
    yield "|---|---|---|---|---|---|"
    for outcome in found:
        row = outcome.row
        mark = " (calibrated)" if row.calibrated_from else ""
        numbers = f"{row.published:.4g} | {outcome.predicted:.4g} | {outcome.error:+.1%}{mark}"
        yield f"| {row.group} | {row.name} | {numbers} | {row.source} |"


def summary(found: Sequence[Outcome]) -> str:
    """`validate-cost: N rows, cpu median X %, cluster mean Y % max Z %, ...`, and how many rows do not count."""
    counted = [outcome for outcome in found if not outcome.row.calibrated_from]
    groups: dict[str, list[float]] = {}
    for outcome in counted:
        groups.setdefault(outcome.row.group, []).append(abs(outcome.error))
    here_first = sorted(groups.items(), key=lambda group: group[0] != GROUP)
    parts = [f"{name} {_told(name, errors)}" for name, errors in here_first]
    if len(counted) < len(found):
        parts.append(f"not counted: {len(found) - len(counted)} calibrated")
    return f"validate-cost: {len(counted)} rows, " + ", ".join(part.replace("%", " %") for part in parts)


def _told(group: str, errors: list[float]) -> str:
    if group == GROUP:  # a machine that others use has outliers
        return f"median {median(errors):.1%}"
    return f"mean {mean(errors):.1%} max {max(errors):.1%}"


def main() -> None:
    """Entry point; `--group` limits the rows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.validation", description=__doc__)
    parser.add_argument("--group", help="only rows of this group; 'cpu' are those measured here")
    parser.add_argument("--rows", default="", metavar="NAMES", help="of those measured here, only these")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each row that is measured here")
    options = parser.parse_args()
    chosen = options.group
    rows = [row for row in read_rows() if chosen in (None, row.group)]
    if not rows and chosen != GROUP:
        raise SystemExit(f"there are no rows of group '{chosen}'")
    found = outcomes(rows)
    if chosen in (None, GROUP):
        names = options.rows.split(",") if options.rows else []
        found += [Outcome(row, predicted) for row, predicted in measured_rows(names, options.seconds)]
    print("\n".join([*table(found), "", summary(found)]))


if __name__ == "__main__":
    main()
