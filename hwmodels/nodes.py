"""YAML text as a tree that remembers where every key and value was written.

Only the plain part of YAML is read: maps with text keys, lists, and scalars. Anchors, aliases, merge keys
and tags (except `!replace`) are refused, so a file cannot unfold into something larger than itself; size
and depth are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from stratagem.hwmodels.errors import NOWHERE, HardwareFileError, Place, Problem

MOST_BYTES = 200_000
MOST_NODES = 10_000
DEEPEST = 32

CORE_TAG = "tag:yaml.org,2002:"
CORE_TYPES = ("", "str", "int", "float", "bool", "null", "map", "seq", "timestamp", "merge", "value")

Scalar = str | int | float | bool | None

INTEGER = re.compile(r"[+-]?\d+")
FLOAT = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d{1,3})?")
WORDS: dict[str, Scalar] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True)
class Node:
    """A value with its place. `key_place` is where its key stands; `replaces` is set by `!replace`.

    `source` is the `source:` entry of the document that wrote it, so that inherited values keep their origin.
    """

    value: Scalar | dict[str, Node] | list[Node]
    place: Place
    key_place: Place = NOWHERE
    replaces: bool = False
    source: Node | None = None

    def at(self, path: tuple[str | int, ...]) -> Node:
        """The deepest node along `path` that exists."""
        node = self
        for step in path:
            below = node.child(step)
            if below is None:
                break
            node = below
        return node

    def child(self, step: str | int) -> Node | None:
        """One step down, or None."""
        if isinstance(self.value, dict):
            return self.value.get(str(step))
        if isinstance(self.value, list) and isinstance(step, int) and step < len(self.value):
            return self.value[step]
        return None

    def label(self, path: tuple[str | int, ...]) -> str:
        """A path as people read it, list items by their `name`: `levels.l2.size`."""
        parts, node = [], self
        for step in path:
            below = node.child(step)
            name = below.child("name") if below is not None and isinstance(step, int) else None
            parts.append(str(name.value) if name is not None else str(step))
            if below is None:
                break
            node = below
        return ".".join(parts)

    def plain(self) -> Any:
        """The tree as plain dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value

    def mapping(self) -> dict[str, Node]:
        """The children of a map; empty for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    def walk(self, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Node]]:
        """Every node with its path, parents first."""
        yield path, self
        if isinstance(self.value, dict):
            for key, child in self.value.items():
                yield from child.walk((*path, key))
        elif isinstance(self.value, list):
            for position, child in enumerate(self.value):
                yield from child.walk((*path, position))


def node_of(data: Any, place: Place = NOWHERE) -> Node:
    """Plain data as a tree, every node at the same place."""
    if isinstance(data, dict):
        return Node({str(key): node_of(value, place) for key, value in data.items()}, place)
    if isinstance(data, list | tuple):
        return Node([node_of(value, place) for value in data], place)
    return Node(data, place)


def read_documents(text: str, file: str) -> list[Node]:
    """All documents of a YAML text. HardwareFileError lists every problem of its form."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise HardwareFileError([Problem(Place(file), "", f"the file is larger than {MOST_BYTES} bytes")])
    if bracket_depth(text) > 2 * DEEPEST:  # the YAML parser itself takes long over these
        raise HardwareFileError([Problem(Place(file), "", f"nested deeper than {DEEPEST} levels")])
    reader = Reader(file)
    try:
        documents = [
            reader.node(raw, (), 0) for raw in YAML(typ="safe", pure=True).compose_all(text) if raw is not None
        ]
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)
        raise HardwareFileError([*reader.problems, Problem(place, "", f"not YAML: {error.problem}")]) from None
    except YAMLError as error:
        raise HardwareFileError([*reader.problems, Problem(Place(file), "", f"not YAML: {error}")]) from None
    except RecursionError:
        raise HardwareFileError([Problem(Place(file), "", f"nested deeper than {DEEPEST} levels")]) from None
    if reader.problems:
        raise HardwareFileError(reader.problems)
    if not documents:
        raise HardwareFileError([Problem(Place(file, 1), "", "the file is empty; it should start with 'hw: 1'")])
    return documents


def bracket_depth(text: str) -> int:
    """How deep brackets are nested, at most."""
    depth = deepest = 0
    for bracket in re.findall(r"[\[{\]}]", text):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


class Reader:
    """Turns the YAML library's nodes into ours, collecting problems."""

    def __init__(self, file: str) -> None:
        self.file, self.problems = file, list[Problem]()
        self.count = 0

    def place(self, raw: Any) -> Place:
        return Place(self.file, raw.start_mark.line + 1, raw.start_mark.column + 1)

    def refuse(self, raw: Any, path: tuple[str, ...], message: str, hint: str = "") -> None:
        self.problems.append(Problem(self.place(raw), ".".join(path), message, hint))

    def node(self, raw: Any, path: tuple[str, ...], depth: int) -> Node:
        """One node and everything below it."""
        place = self.place(raw)
        self.count += 1
        if depth > DEEPEST or self.count > MOST_NODES or raw.anchor:
            self.refuse(raw, path, self.excess(depth, raw))
            return Node(None, place)
        tag = str(raw.tag or "")
        if tag != "!replace" and tag.removeprefix(CORE_TAG) not in CORE_TYPES:
            self.refuse(raw, path, f"the tag {tag} is not read", "only !replace is")
        kind = type(raw).__name__
        if kind == "MappingNode":
            return Node(self.mapping(raw, path, depth), place, replaces=tag == "!replace")
        if kind == "SequenceNode":
            items = [self.node(item, (*path, str(n)), depth + 1) for n, item in enumerate(raw.value)]
            return Node(items, place, replaces=tag == "!replace")
        return Node(scalar(raw), place, replaces=tag == "!replace")

    def excess(self, depth: int, raw: Any) -> str:
        """Why a node is refused for its form."""
        if depth > DEEPEST:
            return f"nested deeper than {DEEPEST} levels"
        if self.count > MOST_NODES:
            return f"more than {MOST_NODES} values"
        return "anchors and aliases are not read; use 'extends' or 'params' to share values"

    def mapping(self, raw: Any, path: tuple[str, ...], depth: int) -> dict[str, Node]:
        """A map with distinct text keys."""
        found: dict[str, Node] = {}
        for key_raw, value_raw in raw.value:
            if type(key_raw).__name__ != "ScalarNode" or str(key_raw.value) == "<<":
                self.refuse(key_raw, path, "keys are plain names", "use 'extends' to share parts of a file")
                continue
            key = str(key_raw.value)
            if key in found:
                first = found[key].key_place
                self.refuse(key_raw, (*path, key), f"the key '{key}' stands twice; first on line {first.line}")
                continue
            below = self.node(value_raw, (*path, key), depth + 1)
            found[key] = replace(below, key_place=self.place(key_raw))
        return found


def scalar(raw: Any) -> Scalar:
    """The value of a scalar: quoted is text, otherwise integer, float, true/false/null, or text."""
    text = str(raw.value)
    if raw.style in ("'", '"', "|", ">"):
        return text
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    if INTEGER.fullmatch(text) and len(text) < 30:
        return int(text)
    if FLOAT.fullmatch(text):
        return float(text)
    return text
