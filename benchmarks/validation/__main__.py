"""Prints the table of predictions beside what was published, and a line that sums it up: `make validate-cost`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING

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
    """Markdown, a row each, groups in order."""
    yield "| group | row | published | predicted | error | source |"
    yield "|---|---|---|---|---|---|"
    for outcome in found:
        row = outcome.row
        numbers = f"{row.published:.4g} | {outcome.predicted:.4g} | {outcome.error:+.1%}"
        yield f"| {row.group} | {row.name} | {numbers} | {row.source} |"


def summary(found: Sequence[Outcome]) -> str:
    """`validate-cost: N rows, cluster mean Y % max Z %, ...`, a part for each group."""
    groups: dict[str, list[float]] = {}
    for outcome in found:
        groups.setdefault(outcome.row.group, []).append(abs(outcome.error))
    parts = [f"{name} mean {mean(errors):.1%} max {max(errors):.1%}" for name, errors in groups.items()]
    return f"validate-cost: {len(found)} rows, " + ", ".join(part.replace("%", " %") for part in parts)


def main() -> None:
    """Entry point; `--group` limits the rows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.validation", description=__doc__)
    parser.add_argument("--group", help="only rows of this group")
    chosen = parser.parse_args().group
    rows = [row for row in read_rows() if chosen in (None, row.group)]
    if not rows:
        raise SystemExit(f"there are no rows of group '{chosen}'")
    found = outcomes(rows)
    print("\n".join([*table(found), "", summary(found)]))


if __name__ == "__main__":
    main()
