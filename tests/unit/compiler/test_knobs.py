"""Environment variables: typed, scoped, and documented."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from stratagem.compiler import knobs
from stratagem.runtime.errors import UsageError

DOCUMENT = Path(__file__).parents[3] / "docs/knobs.md"


def test_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATAGEM_DEBUG", "3")
    monkeypatch.setenv("STRATAGEM_DUMP", "somewhere")
    assert (knobs.current().debug, knobs.current().dump) == (3, "somewhere")


def test_a_number_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATAGEM_DEBUG", "loud")
    with pytest.raises(UsageError, match="STRATAGEM_DEBUG='loud' is not a whole number"):
        knobs.current()


def test_an_unknown_way_to_verify_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATAGEM_VERIFY", "fully")
    with pytest.raises(UsageError, match="one of fast, full, off"):
        knobs.current()


def test_scopes_nest_and_restore() -> None:
    before = knobs.current()
    with knobs.scope(debug=1):
        with knobs.scope(verify="off"):
            assert (knobs.current().debug, knobs.current().verify) == (1, "off")
        assert knobs.current().verify == before.verify
    assert knobs.current() == before


@pytest.mark.parametrize("field", fields(knobs.Knobs), ids=lambda f: f.name)
def test_every_knob_is_documented(field: Any) -> None:
    assert f"`STRATAGEM_{field.name.upper()}`" in DOCUMENT.read_text()


def test_reuse_is_on_or_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRATAGEM_REUSE", "maybe")
    with pytest.raises(UsageError, match="STRATAGEM_REUSE='maybe' is not known"):
        knobs.current()
