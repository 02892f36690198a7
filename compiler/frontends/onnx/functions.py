"""Operators that ONNX itself defines by others: replaced by their definition where no lowering exists.

onnx's own inliner does this too, but fails on nodes that leave out optional inputs.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any

import onnx

from stratagem.compiler.frontends.onnx.build import take_nodes
from stratagem.compiler.frontends.onnx.definition_of import definition_of, schema_of
from stratagem.compiler.frontends.onnx.graph import Graph

WRONG_IN_THE_WHEEL = frozenset(
    {"NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss", "CenterCropPad", "GroupNormalization"}
)
"""Operators whose lowering in the wheel gives wrong values for some attributes: always replaced."""


def operators(graph: Graph) -> set[str]:
    """The operators of a graph and of the bodies in it."""
    return _operators(graph.nodes)


def _operators(nodes: Any) -> set[str]:
    found = {n.op_type for n in nodes}
    for body in (b for n in nodes for b in _bodies(n)):
        found |= _operators(body.node)
    return found


def _bodies(one: Any) -> list[Any]:
    return [a.g for a in one.attribute if a.HasField("g")]


def foreign_operators(graph: Graph) -> set[str]:
    """The operators of other sets than ONNX's own in a graph: they are taken because they have definitions."""
    return {one.op_type for one in graph.nodes if one.domain}


def expand_operators(graph: Graph, kinds: AbstractSet[str]) -> bool:
    """Replaces nodes of these kinds by their definitions, bodies included; returns whether anything changed."""
    before = operators(graph)
    take_nodes(graph, _expanded(graph, graph, list(graph.nodes), kinds))
    return operators(graph) != before


def _expanded(graph: Graph, scope: Graph, nodes: list[Any], kinds: AbstractSet[str]) -> list[Any]:
    """The nodes with definitions in place; `scope` knows the types of what they read."""
    out: list[Any] = []
    for one in nodes:
        definition = definition_of(scope, one) if one.op_type in kinds else None
        if definition is not None:
            out.extend(_Inlining(graph, one, definition).nodes())
            continue
        for attribute in one.attribute:
            if attribute.HasField("g"):
                inner = graph.bodies.get(f"{next(o for o in one.output if o)}:{attribute.name}", scope)
                replaced = _expanded(graph, inner, list(attribute.g.node), kinds)
                del attribute.g.node[:]
                attribute.g.node.extend(replaced)
        out.append(one)
    return out


def _defined(nodes: Any) -> set[str]:
    """All names that nodes and the bodies in them give to values."""
    found = {o for one in nodes for o in one.output if o}
    for body in (b for one in nodes for b in _bodies(one)):
        found |= _defined(body.node) | {v.name for v in [*body.input, *body.initializer]}
    return found


class _Inlining:
    """One definition put in a node's place: formal names become the node's, inner ones new names."""

    def __init__(self, graph: Graph, one: Any, definition: Any) -> None:
        self.graph, self.one, self.definition = graph, one, definition
        schema = schema_of(graph, one)
        self.attributes = {k: v.default_value for k, v in schema.attributes.items() if v.default_value.name}
        self.attributes.update({a.name: a for a in one.attribute})
        actual_in = list(one.input) + [""] * (len(definition.input) - len(one.input))
        actual_out = list(one.output) + [""] * (len(definition.output) - len(one.output))
        self.names = dict(zip(definition.input, actual_in, strict=False))
        self.names.update({f: a for f, a in zip(definition.output, actual_out, strict=False) if a})
        self.own = _defined(definition.node)

    def nodes(self) -> list[Any]:
        return [self._copy(inner) for inner in self.definition.node]

    def _renamed(self, name: str) -> str:
        if name not in self.own and name not in self.names:
            return str(name)  # left out, or a value around the node that a graph among its attributes reads
        if name not in self.names:
            self.names[name] = self.graph.new_name(f"{self.one.name}/{name}")
        return str(self.names[name])

    def _copy(self, inner: Any) -> Any:
        copy = onnx.NodeProto(op_type=inner.op_type, domain=inner.domain, name=self.one.name)
        copy.input.extend(self._renamed(i) for i in inner.input)
        copy.output.extend(self._renamed(o) for o in inner.output)
        for attribute in inner.attribute:
            bound = self._bound(attribute)
            if bound is not None:
                copy.attribute.append(bound)
        return copy

    def _bound(self, attribute: Any) -> Any | None:
        """The attribute with references to the node's attributes filled in; None when there is no value."""
        bound = onnx.AttributeProto()
        if attribute.ref_attr_name:
            value = self.attributes.get(attribute.ref_attr_name)
            if value is None:
                return None
            bound.CopyFrom(value)
            bound.name = attribute.name
            return bound
        bound.CopyFrom(attribute)
        if bound.HasField("g"):
            self._rename_body(bound.g)
        return bound

    def _rename_body(self, body: Any) -> None:
        nodes = [self._copy(inner) for inner in body.node]
        del body.node[:]
        body.node.extend(nodes)
        for value in [*body.input, *body.output, *body.initializer]:
            value.name = self._renamed(value.name)
