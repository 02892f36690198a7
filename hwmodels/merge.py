"""`extends`: a child description laid over its parent.

Maps merge deep. Lists whose items have a `name` merge by name, new ones last; `remove: true` takes one out.
Everything else, and everything tagged `!replace`, is replaced. A number given as a value map is replaced as a
whole, so that a new number never keeps the origin of the old one; so is `source`.
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
        before = merged.get(name)
        if before is None or is_removed(item):
            merged[name] = item
        elif is_removed(before):  # taken out and put in anew: nothing of the first one stays
            merged[name] = replace(item, replaces=True)
        else:
            merged[name] = merge(before, item)
    return list(merged.values())


def is_removed(item: Node) -> bool:
    """Whether a list item says that it takes its namesake out."""
    marker = item.child("remove")
    return marker is not None and marker.value is True


def without_removed(node: Node) -> Node:
    """The tree without the items that were taken out."""
    if isinstance(node.value, dict):
        return replace(node, value={key: without_removed(below) for key, below in node.value.items()})
    if isinstance(node.value, list):
        return replace(node, value=[without_removed(item) for item in node.value if not is_removed(item)])
    return node


def name_of(item: Node) -> str:
    """The `name` of a list item."""
    name = item.child("name")
    return str(name.value) if name is not None else ""
