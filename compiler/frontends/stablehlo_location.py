"""The user's file and line behind an operation."""

from __future__ import annotations

import re
from typing import Any

_FILE = re.compile(r'"([^"]+)":(\d+)')


def source_line(op: Any) -> str | None:
    """`file:line`, None when the operation's location has none."""
    return line_in(str(op.location))


def line_in(text: str) -> str | None:
    """The first `file:line` in a location's text: the innermost one."""
    file = _FILE.search(text)
    return f"{file[1]}:{file[2]}" if file else None
