"""Small helpers to edit exported graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import fx

_KEPT_META = ("stack_trace", "nn_module_stack")


def call(like: fx.Node, target: Any, *args: Any) -> fx.Node:
    """A new call at the graph's insertion point, with its fake value and the source location of `like`."""
    node: fx.Node = like.graph.call_function(target, args)
    node.meta = {key: value for key, value in like.meta.items() if key in _KEPT_META}
    node.meta["val"] = target(*fx.map_arg(args, lambda n: n.meta["val"]))
    return node


def apply_to_calls(graph: fx.Graph, edit: Callable[[fx.Node], None]) -> None:
    """Applies an edit to each call in the graph; the edit may replace or erase the node it is given."""
    for node in list(graph.nodes):
        if node.op == "call_function":
            edit(node)
