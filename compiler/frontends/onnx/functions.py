"""Operators that ONNX itself defines by others: replaced by their definition where no lowering exists."""

from __future__ import annotations

from typing import Any

import onnx
import onnx.inliner

from stratagem.compiler.frontends.onnx.build import replace_nodes
from stratagem.compiler.frontends.onnx.graph import Graph, to_model

WRONG_IN_THE_WHEEL = frozenset({"NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss", "CenterCropPad"})
"""Operators whose lowering in the wheel gives wrong values for some attributes: always replaced."""


def has_definition(kind: str, opset: int) -> bool:
    """Whether ONNX gives a body for this operator."""
    try:
        schema = onnx.defs.get_schema(kind, max_inclusive_version=opset)
    except onnx.defs.SchemaError:
        return False
    return bool(schema.has_function or schema.has_context_dependent_function)


def operators(graph: Graph) -> set[str]:
    """The operators of a graph and of the bodies in it."""
    return _operators(graph.nodes)


def _operators(nodes: Any) -> set[str]:
    found = {n.op_type for n in nodes}
    for attribute in (a for n in nodes for a in n.attribute if a.HasField("g")):
        found |= _operators(attribute.g.node)
    return found


def expand_operators(graph: Graph, kinds: set[str]) -> bool:
    """Replaces every node of these kinds by its definition, bodies included; returns whether anything
    changed.
    """
    before = operators(graph)
    model = to_model(graph)
    model.graph.value_info.extend(_types(graph, model))
    try:
        expanded = onnx.inliner.inline_selected_functions(
            model, [("", kind) for kind in sorted(kinds)], inline_schema_functions=True
        )
    except Exception:  # the inliner raises its own types; the operator is then refused by name
        return False
    replace_nodes(graph, expanded.graph)
    return operators(graph) != before


def _types(graph: Graph, model: Any) -> list[Any]:
    """Types of all values, which some definitions depend on."""
    stated = {v.name for v in [*model.graph.value_info, *model.graph.input, *model.graph.output]}
    known = {t.name for t in model.graph.initializer}
    return [
        onnx.helper.make_value_info(name, kind.proto())
        for name, kind in graph.types.items()
        if name not in stated and name not in known
    ]
