"""An If replaced by one of its branches: because its condition is known, or under an assertion that it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stratagem.compiler.frontends.onnx.conditions import condition_text
from stratagem.compiler.frontends.onnx.graph import ASSERT, Graph, attributes, copied, describe, node, replace_inputs
from stratagem.runtime.errors import ModelError


def resolve_conditions(graph: Graph) -> None:
    """Replaces each If whose condition is a constant by the branch taken, and each assertion that is known to hold
    by the values it passes on.

    Raises ModelError for an assertion that is known to fail.
    """
    out: list[Any] = []
    for one in graph.nodes:
        condition = graph.constant(one.input[0]) if one.op_type in ("If", ASSERT) else None
        if condition is None:
            out.append(one)
            continue
        value = bool(condition.reshape(-1)[0])
        out.extend(_passed(one, value) if one.op_type == ASSERT else _taken(graph, one, value))
    graph.nodes = out


def take_branch(graph: Graph, one: Any, value: bool) -> None:
    """Replaces an If by the branch for `value`, and has the program check that its condition has this value."""
    nodes, results = _inlined(graph, one, value)
    kept = [(theirs, ours) for theirs, ours in zip(results, one.output, strict=True) if ours]
    message = (
        f"{describe(one)}: this program was compiled for inputs with which {condition_text(graph, one, value)}; "
        "the rest of the model does not fit the other branch"
    )
    outputs = [ours for _, ours in kept]
    inputs = [one.input[0], *(theirs for theirs, _ in kept)]
    nodes.append(node(ASSERT, inputs, outputs, one.name or outputs[0], expects=int(value), message=message))
    at = next(i for i, other in enumerate(graph.nodes) if other is one)
    graph.nodes[at : at + 1] = nodes


def _passed(one: Any, value: bool) -> Sequence[Any]:
    given = attributes(one)
    if value != bool(given["expects"]):
        raise ModelError(f"{given['message']}, and the condition is never so")
    return [node("Identity", [i], [o], one.name) for i, o in zip(one.input[1:], one.output, strict=True)]


def _taken(graph: Graph, one: Any, value: bool) -> Sequence[Any]:
    nodes, results = _inlined(graph, one, value)
    passed = [(theirs, ours) for theirs, ours in zip(results, one.output, strict=True) if ours]
    return [*nodes, *(node("Identity", [theirs], [ours], one.name) for theirs, ours in passed)]


def _inlined(graph: Graph, one: Any, value: bool) -> tuple[list[Any], list[str]]:
    """A branch's nodes under names new to the graph, and the values that are its results."""
    body = attributes(one)["then_branch" if value else "else_branch"]
    defined = [o for n in body.node for o in n.output if o]
    names = {o: graph.new_name(f"{one.name}/{o}") for o in defined}
    nodes = []
    for inner in body.node:
        copy = copied(inner)
        replace_inputs(copy, names)
        for i, output in enumerate(copy.output):
            copy.output[i] = names.get(output, output)
        nodes.append(copy)
    return nodes, [names.get(output.name, output.name) for output in body.output]
