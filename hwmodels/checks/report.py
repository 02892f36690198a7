"""How checks write problems: by key path, at the place the value was written."""

from __future__ import annotations

from collections.abc import Iterator

from stratagem.hwmodels.errors import Problem
from stratagem.hwmodels.nodes import Node


def problem(root: Node, path: tuple[str | int, ...], message: str, hint: str = "") -> Problem:
    """A problem at the deepest node along `path`."""
    return Problem(root.at(path).place, root.label(path), message, hint)


def source_is_named(root: Node) -> Iterator[Problem]:
    """Numbers from a document say from which one."""
    source = root.child("source")
    kind = source.child("kind") if source is not None else None
    if source is None or kind is None or kind.value not in ("datasheet", "paper"):
        return
    if source.child("id") is None:
        message = f"the numbers are from a {kind.value}, and it is not said from which"
        yield problem(root, ("source",), message, "add 'id'")
