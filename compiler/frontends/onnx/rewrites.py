"""Graph rewrites, ONNX to ONNX, by operator. One function each; they return the nodes that replace a node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx

from stratagem.compiler.frontends.onnx.graph import Graph, attributes, node
from stratagem.compiler.frontends.onnx.pooling import pad_explicitly
from stratagem.compiler.frontends.onnx.rnn import unroll_recurrence

Rewrite = Callable[[Graph, Any], Sequence[Any] | None]


def rewrite_nodes(graph: Graph) -> bool:
    """Applies each node's rewrite once; returns whether anything changed."""
    out: list[Any] = []
    changed = False
    for one in graph.nodes:
        rule = REWRITES.get(one.op_type)
        new = rule(graph, one) if rule else None
        changed |= new is not None
        out.extend([one] if new is None else new)
    graph.nodes = out
    return changed


def _dropout(graph: Graph, one: Any) -> Sequence[Any] | None:
    """At inference Dropout passes its input; the mask is all true."""
    training = graph.constant(one.input[2]) if len(one.input) > 2 and one.input[2] else np.array(False)
    if training is None or training.any() or (len(one.output) > 1 and one.output[1]):
        return None
    return [node("Identity", [one.input[0]], [one.output[0]], one.name)]


def _cast(graph: Graph, one: Any) -> Sequence[Any] | None:
    kind = graph.type_of(one.input[0])
    if kind is None or kind.element != attributes(one)["to"]:
        return None
    return [node("Identity", [one.input[0]], [one.output[0]], one.name)]


def _cast_like(graph: Graph, one: Any) -> Sequence[Any] | None:
    """The second input only gives the type."""
    kind = graph.type_of(one.input[1])
    return None if kind is None else [node("Cast", [one.input[0]], [one.output[0]], one.name, to=kind.element)]


def _constant_of_shape(graph: Graph, one: Any) -> Sequence[Any] | None:
    """A value repeated: Expand of a scalar."""
    given = attributes(one).get("value")
    value = np.zeros(1, np.float32) if given is None else np.asarray(onnx.numpy_helper.to_array(given))
    scalar = graph.add_constant(f"{one.name}/value", value.reshape(()))
    return [node("Expand", [scalar, one.input[0]], [one.output[0]], one.name)]


REWRITES: dict[str, Rewrite] = {
    "Dropout": _dropout,
    "Cast": _cast,
    "CastLike": _cast_like,
    "ConstantOfShape": _constant_of_shape,
    "Conv": pad_explicitly,
    "MaxPool": pad_explicitly,
    "AveragePool": pad_explicitly,
    "LSTM": unroll_recurrence,
    "GRU": unroll_recurrence,
    "RNN": unroll_recurrence,
}
