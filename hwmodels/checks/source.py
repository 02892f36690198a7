"""Sources: numbers that were read somewhere say where and when, and how well they were looked at."""

from __future__ import annotations

from collections.abc import Iterator

from stratagem.hwmodels.checks.report import problem
from stratagem.hwmodels.errors import Problem
from stratagem.hwmodels.nodes import Node


def source_problems(root: Node) -> Iterator[Problem]:
    """Every problem of where the numbers come from."""
    yield from source_is_named(root)
    yield from datasheets_are_dated(root)
    yield from status_fits(root)


def source_is_named(root: Node) -> Iterator[Problem]:
    """Numbers from a document say from which one."""
    source = root.child("source")
    kind = source.child("kind") if source is not None else None
    if source is None or kind is None or kind.value not in ("datasheet", "paper"):
        return
    if source.child("id") is None:
        message = f"the numbers are from a {kind.value}, and it is not said from which"
        yield problem(root, ("source",), message, "add 'id'")


def datasheets_are_dated(root: Node) -> Iterator[Problem]:
    """Data sheets change in place, so each one that is named has the date it was read."""
    for path, node in root.walk():
        if path[:1] == ("target",) or "emit" in path or "retrieved" in node.mapping() or "id" not in node.mapping():
            continue
        kind = node.child("kind")
        is_value = "datasheet" in node.mapping() and "measured" not in node.mapping()
        if is_value or (kind is not None and kind.value == "datasheet"):
            message = "the numbers are from a datasheet, and it is not said when it was read"
            yield problem(root, path, message, "add 'retrieved: YYYY-MM-DD'")


def status_fits(root: Node) -> Iterator[Problem]:
    """A review has a date; a placeholder does not claim a document for its numbers."""
    entry = {key: node.value for key, node in (root.child("source") or root).mapping().items()}
    if root.child("source") is None:
        return
    if entry.get("status") == "reviewed" and "reviewed" not in entry:
        yield problem(root, ("source", "status"), "it is not said when the numbers were reviewed", "add 'reviewed'")
    if "reviewed" in entry and entry.get("status") != "reviewed":
        yield problem(root, ("source", "reviewed"), "there is a date of a review, and no 'status: reviewed'")
    if entry.get("status") == "placeholder" and entry.get("kind") not in ("assumed", "projected"):
        message = f"a placeholder's numbers are not its own, so their kind is not '{entry.get('kind')}'"
        yield problem(root, ("source", "kind"), message, "write 'kind: assumed'")
