"""`extends`: a child description laid over its parent.

Maps merge deep. Lists whose items have a `name` merge by name, new ones last. Everything else, and
everything tagged `!replace`, is replaced. A number given as a value map is replaced as a whole, so that a
new number never keeps the origin of the old one; so is `source`.
"""

from __future__ import annotations

from dataclasses import replace

from stratagem.hwmodels.nodes import Node
from stratagem.hwmodels.trust import KINDS

NUMBER_KEYS = frozenset({"value", *KINDS})


def merge(parent: Node, child: Node, key: str = "") -> Node:
    """The child over the parent. Places and origins stay those of whoever wrote each value."""
    if child.replaces or key == "source":
        return child
    if isinstance(parent.value, dict) and isinstance(child.value, dict):
        if NUMBER_KEYS & child.value.keys():
            return child
        merged = dict(parent.value)
        for name, below in child.value.items():
            merged[name] = merge(merged[name], below, name) if name in merged else below
        return replace(child, value=merged, replaces=parent.replaces)
    if named_items(parent) and named_items(child):
        return replace(child, value=merge_named(parent, child), replaces=parent.replaces)
    return child


def named_items(node: Node) -> bool:
    """Whether a node is a list of maps that all have a `name`."""
    return isinstance(node.value, list) and all(item.child("name") is not None for item in node.value)


def merge_named(parent: Node, child: Node) -> list[Node]:
    """Two lists of named items, by name, in the parent's order."""
    assert isinstance(parent.value, list)
    assert isinstance(child.value, list)
    merged = {name_of(item): item for item in parent.value}
    for item in child.value:
        name = name_of(item)
        merged[name] = merge(merged[name], item) if name in merged else item
    return list(merged.values())


def name_of(item: Node) -> str:
    """The `name` of a list item."""
    name = item.child("name")
    return str(name.value) if name is not None else ""
