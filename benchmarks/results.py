"""Measured results as kept in JSON: their rows, the lines that stand before a table, and the file they are kept in."""

from __future__ import annotations

import re
import statistics
from pathlib import Path
from typing import Any

from benchmarks.limits import bound_seconds, limits_lines
from stratagem.api.measure.figures import Row, row_from_json
from stratagem.api.measure.machine import header
from stratagem.api.measure.tables import times_table

FOLDER = Path(__file__).resolve().parent / "results"


def rows_in(results: dict[str, Any]) -> list[Row]:
    return [row_from_json(facts) for facts in results["rows"]]


def head_lines(results: dict[str, Any]) -> list[str]:
    """When, how, on which machine, with which versions and limits."""
    rows, settings = rows_in(results), results["settings"]
    busy = statistics.fmean(row.busy for row in rows) if rows else 0.0
    return [
        f"{results['date']}, {settings['seconds']:g} s each in {settings['rounds']} rounds",
        *header(results["machine"], list(results["peers"].values()), settings["threads"], busy),
        *limits_lines(results["limits"]),
    ]


def times_in(results: dict[str, Any], rows: list[Row]) -> list[list[str]]:
    """Cells of the table of times, with shares of this machine's limits."""
    return times_table(rows, list(results["peers"]), lambda row: bound_seconds(row, results["limits"]))


def file_of(results: dict[str, Any]) -> Path:
    """Where results are kept: one file for each date, processor and set of instructions."""
    machine = f"{results['machine']['processor']} {results['machine']['isa']}"
    return FOLDER / f"{results['date']}-{re.sub(r'[^a-z0-9]+', '-', machine.lower()).strip('-')}.json"
