"""torch.cond as a choice between two values: both branches are pure, so both may be computed."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx

from stratagem.compiler.frontends.torch_graph import call

aten = torch.ops.aten


def select_branches(graph: fx.Graph) -> None:
    """Replaces each `cond(predicate, then, else, operands)` by both branches inline and a `where` per result.

    The importer has no form for cond. Costs the work of the branch not taken; branches whose results
    differ in shape stay, and are refused later.
    """
    for node in list(graph.nodes):
        if node.op == "call_function" and node.target is torch.ops.higher_order.cond:
            _inline(node)


def _inline(node: fx.Node) -> None:
    predicate, then_branch, else_branch, operands = node.args
    if not isinstance(predicate, fx.Node) or not isinstance(predicate.meta["val"], torch.Tensor):
        return
    with node.graph.inserting_before(node):
        taken = _copy(node.graph, then_branch, operands)
        other = _copy(node.graph, else_branch, operands)
        chosen = [call(node, aten.where.self, predicate, a, b) for a, b in zip(taken, other, strict=True)]
    for user in list(node.users):
        if user.target is operator.getitem:
            user.replace_all_uses_with(chosen[user.args[1]])
            node.graph.erase_node(user)
    node.graph.erase_node(node)
    for branch in (then_branch, else_branch):
        if not branch.users:
            node.graph.erase_node(branch)


def _copy(graph: fx.Graph, branch: fx.Node, operands: Any) -> list[Any]:
    """Copies a branch's body to the insertion point; returns its results in the outer graph."""
    body = getattr(graph.owning_module, branch.target).graph
    values: dict[fx.Node, Any] = {}
    inputs = iter(operands)
    for inner in body.nodes:
        if inner.op == "placeholder":
            values[inner] = next(inputs)
        elif inner.op == "output":
            return [values[result] for result in inner.args[0]]
        else:
            values[inner] = graph.node_copy(inner, lambda n: values[n])
    return []
