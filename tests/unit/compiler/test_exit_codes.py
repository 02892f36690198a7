"""The table of exit codes in `docs/knobs.md` names every code that an error of ours has."""

from __future__ import annotations

import re
from pathlib import Path

import stratagem.runtime.bindings  # noqa: F401  # holds an error of its own
from stratagem.runtime.errors import StratagemError

TABLE = (Path(__file__).parents[3] / "docs/knobs.md").read_text().partition("## Exit codes")[2]


def codes(kind: type[StratagemError]) -> set[int]:
    return {kind.exit_code}.union(*(codes(below) for below in kind.__subclasses__()))


def test_every_code_is_in_the_table() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", TABLE, re.MULTILINE)}
    raised = set().union(*(codes(kind) for kind in StratagemError.__subclasses__()))
    assert raised == listed - {0, 130}
