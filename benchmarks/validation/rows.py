"""Reading of `rows/*.yaml`: what was published, where, and what describes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

FOLDER = Path(__file__).parent / "rows"
NEEDED = ("name", "published", "source")


class RowError(Exception):
    """A file of rows is not as it must be; the message names file and row."""


@dataclass(frozen=True)
class Row:
    """One published measurement.

    Attributes:
        group: rows that are summed up together. predictor: name of the function that predicts it. published: in the
        unit of the predictor. source: where it was read. facts: what the predictor needs, the file's defaults included.
        calibrated_from: what of the hardware description comes from the same measurement; empty where nothing does.
        Such a row is shown, but says nothing about the model, so it is not summed up.
    """

    group: str
    name: str
    predictor: str
    published: float
    source: str
    facts: Mapping[str, Any]
    calibrated_from: str = ""


def read_rows(folder: Path = FOLDER) -> list[Row]:
    """All rows of a folder, file by file; raises RowError with file and row."""
    return [row for path in sorted(folder.glob("*.yaml")) for row in rows_of(path)]


def rows_of(path: Path) -> Iterator[Row]:
    """The rows of one file: `group`, `predictor`, `defaults` that rows may override, and `rows`.

    A row whose measurement the hardware description rests on says so: `calibrated_from: "the rate of unit x"`.
    """
    document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    for key in ("group", "predictor", "rows"):
        if not isinstance(document, dict) or key not in document:
            raise RowError(f"{path.name}: '{key}' is missing")
    defaults = document.get("defaults", {})
    for number, entry in enumerate(document["rows"]):
        facts = {**defaults, **entry}
        missing = [key for key in NEEDED if not facts.get(key)]
        if missing:
            raise RowError(f"{path.name}: row {number + 1} does not give {', '.join(missing)}")
        published = facts["published"]
        if not isinstance(published, int | float) or published <= 0:
            raise RowError(f"{path.name}: row {number + 1}: published is {published!r}; a number above zero is needed")
        yield Row(
            str(document["group"]),
            str(facts["name"]),
            str(document["predictor"]),
            float(published),
            str(facts["source"]),
            facts,
            str(facts.get("calibrated_from", "")),
        )
