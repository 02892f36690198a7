"""The page around the data: nothing that data say can leave its place."""

from __future__ import annotations

import json

import pytest

from stratagem.report.shell import SCRIPTS, json_in_page, page
from tests.unit.report.reading import parts_of

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "\"'`&amp;",
    "{{script}} {{data}}",
    "\u2028\u2029",
    "]]>",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_stay_text(name: str) -> None:
    found = parts_of(page(name, {"kind": "program", "name": name}))
    plain = parts_of(page("plain", {"kind": "program", "name": "plain"}))
    assert json.loads(found.data)["name"] == name
    assert found.title == name
    assert found.tags == plain.tags and found.script == plain.script


def test_json_holds_no_markup() -> None:
    text = json_in_page({"a<b": "</script>&"})
    assert not set(text) & {"<", ">", "&"} and json.loads(text) == {"a<b": "</script>&"}


def test_numbers_that_json_cannot_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        page("x", {"kind": "program", "seconds": float("nan")})


def test_nothing_is_loaded() -> None:
    found = parts_of(page("x", {"kind": "program"}))
    assert not found.addresses, found.addresses
    assert "default-src 'none'" in found.policy


def test_all_scripts_are_in_the_page() -> None:
    from stratagem.report.shell import PARTS

    assert {path.stem for path in PARTS.glob("*.js")} == set(SCRIPTS)
    assert "{{" not in parts_of(page("x", {"kind": "program"})).script.replace("${{", "")
