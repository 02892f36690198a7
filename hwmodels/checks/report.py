"""How checks write problems: by key path, at the place the value was written."""

from __future__ import annotations

from stratagem.hwmodels.errors import Problem
from stratagem.hwmodels.nodes import Node


def problem(root: Node, path: tuple[str | int, ...], message: str, hint: str = "") -> Problem:
    """A problem at the deepest node along `path`."""
    return Problem(root.at(path).place, root.label(path), message, hint)
