"""docs/hardware.md: its table of keys is that of the schema, and its examples load."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stratagem.hwmodels import check_file
from stratagem.hwmodels.keys import key_tables

PAGE = (Path(__file__).parents[3] / "docs/hardware.md").read_text(encoding="utf-8")
EXAMPLES = [text for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.S) if text.startswith("hw: 1")]


def test_keys_are_those_of_the_schema() -> None:
    marker = "<!-- generated: stratagem.hwmodels.keys.key_tables -->\n"
    assert PAGE.partition(marker)[2] == key_tables() + "\n"


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_have_no_problems(text: str, tmp_path: Path) -> None:
    path = tmp_path / "example.yaml"
    path.write_text(text, encoding="utf-8")
    assert check_file(path) == []


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 6
