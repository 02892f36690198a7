"""A tree of nodes through the schema: either a typed record, or every problem with its place in the file."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stratagem.hwmodels.errors import Problem
from stratagem.hwmodels.nearest import did_you_mean
from stratagem.hwmodels.nodes import Node
from stratagem.hwmodels.schema.base import UNKNOWN_KEYS, Record

R = TypeVar("R", bound=Record)


class Located(dict[str, Any]):
    """A plain map that remembers its node."""

    def __init__(self, items: dict[str, Any], node: Node, path: tuple[str | int, ...]) -> None:
        super().__init__(items)
        self.node, self.path = node, path


def located(node: Node, path: tuple[str | int, ...] = ()) -> Any:
    """The tree as plain data whose maps remember their nodes."""
    if isinstance(node.value, dict):
        items = {key: located(child, (*path, key)) for key, child in node.value.items()}
        return Located(items, node, path)
    if isinstance(node.value, list):
        return [located(child, (*path, position)) for position, child in enumerate(node.value)]
    return node.value


def validate(record: type[R], root: Node) -> tuple[R | None, list[Problem]]:
    """The record for a tree and all its problems. Unknown keys leave a record, so that it can be checked, too."""
    context: dict[str, Any] = {}
    result: R | None = None
    problems: list[Problem] = []
    try:
        result = record.model_validate(located(root), context=context)
    except ValidationError as error:
        problems = [problem_of(root, details) for details in error.errors(include_url=False)]
    for owner, data, unknown in context.get(UNKNOWN_KEYS, []):
        problems += [unknown_key(root, owner, data, key) for key in unknown]
    return result, problems


def unknown_key(root: Node, owner: type[Record], data: Located, key: str) -> Problem:
    """The problem of one key the schema does not have."""
    child = data.node.mapping()[key]
    path = root.label((*data.path, key))
    return Problem(child.key_place, path, f"unknown key '{key}'", owner.hint(key))


def problem_of(root: Node, details: ErrorDetails) -> Problem:
    """One validation error as a problem at its place."""
    path = tuple(step for step in details["loc"] if step != "[key]")
    node = root.at(path)
    is_key = "[key]" in details["loc"]
    place = node.key_place if is_key and node.key_place.line else node.place
    message, hint = message_of(details)
    return Problem(place, root.label(path), message, hint)


def message_of(details: ErrorDetails) -> tuple[str, str]:
    """What is wrong and what would be right, in the words of the file's author."""
    kind, given, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "missing":
        return f"the key '{details['loc'][-1]}' is missing", ""
    if kind == "literal_error":
        expected = str(context.get("expected", ""))
        names = [name.strip("'") for name in expected.replace(" or ", ", ").split(", ")]
        return f"{shown(given)} is not one of {', '.join(names)}", did_you_mean(str(given), names)
    fixed = {
        "int_type": f"expected a whole number, not {shown(given)}",
        "int_parsing": f"expected a whole number, not {shown(given)}",
        "int_from_float": f"expected a whole number, not {shown(given)}",
        "float_type": f"expected a number, not {shown(given)}",
        "float_parsing": f"expected a number, not {shown(given)}",
        "bool_type": f"expected true or false, not {shown(given)}",
        "bool_parsing": f"expected true or false, not {shown(given)}",
        "string_type": f"expected text, not {shown(given)}",
        "list_type": f"expected a list, not {shown(given)}",
        "dict_type": f"expected a map, not {shown(given)}",
        "too_short": "must not be empty",
    }
    if kind in fixed:
        return fixed[kind], ""
    bounds = {"greater_than_equal": "ge", "less_than_equal": "le", "greater_than": "gt"}
    if kind in bounds:
        words = {"ge": "at least", "le": "at most", "gt": "above"}[bounds[kind]]
        return f"must be {words} {context[bounds[kind]]}, not {shown(given)}", ""
    return details["msg"], ""


def shown(given: Any) -> str:
    """A value as the author wrote it, shortened."""
    if isinstance(given, dict):
        return "a map"
    if isinstance(given, list):
        return "a list"
    if isinstance(given, bool) or given is None:
        return {True: "true", False: "false", None: "nothing"}[given]
    text = f"'{given}'" if isinstance(given, str) else str(given)
    return text if len(text) <= 60 else text[:57] + "..."
