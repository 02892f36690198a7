"""From a ModelProto to a `Graph`: functions inlined, constants collected, operator set raised, types
inferred.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx.inliner
import onnx.shape_inference
import onnx.version_converter
from onnx import helper

from stratagem.compiler.frontends.constants import Array
from stratagem.compiler.frontends.onnx.graph import (
    Dim,
    Graph,
    TensorType,
    attributes,
    describe,
    free_names,
    replace_inputs,
    sort_nodes,
    to_model,
)
from stratagem.compiler.frontends.onnx.read import STANDARD_DOMAINS
from stratagem.compiler.frontends.onnx.validate import check_operators, check_values
from stratagem.compiler.frontends.onnx.weights import Weights, numpy_dtype
from stratagem.runtime.errors import ModelError, UnsupportedError, UsageError

OPSET = 21
"""Graphs of older operator sets are raised to this one; newer ones stay as they are."""


def build_graph(model: Any, weights: Weights, input_shapes: Mapping[str, Sequence[int | None]]) -> Graph:
    """The main graph with all constants, at operator set `OPSET` or newer, typed.

    Raises ModelError for broken graphs (cycles, missing values), UnsupportedError for what no later step
    could take.
    """
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    graph = _from_proto(model.graph, weights)
    graph.opset = max((o.version for o in model.opset_import if o.domain in STANDARD_DOMAINS), default=OPSET)
    sort_nodes(graph)
    graph.domains = {o.domain: o.version for o in model.opset_import if o.domain not in STANDARD_DOMAINS}
    check_operators(graph.nodes, graph.opset, graph.domains, weights.source)
    check_values(graph, weights.source)
    _fix_sizes(graph, input_shapes, weights.source)
    if graph.opset < 9 and "Scan" in {n.op_type for n in graph.nodes}:
        raise UnsupportedError(
            f"{weights.source}: Scan of operator set {graph.opset} works on batches, later ones do not",
            hint="export the model with operator set 9 or newer",
        )
    if graph.opset < OPSET:
        _raise_opset(graph, weights.source)
    return graph


def _from_proto(proto: Any, weights: Weights) -> Graph:
    if proto.sparse_initializer:
        name = proto.sparse_initializer[0].values.name
        raise UnsupportedError(f"{weights.source}: initializer '{name}' is a sparse tensor", hint="store it dense")
    constants = {t.name: weights.array(t) for t in proto.initializer}
    inputs = [v.name for v in proto.input if v.name not in constants]
    types = {v.name: k for v in proto.input if (k := TensorType.of(v.type)) is not None}
    stated = [*proto.value_info, *proto.output]
    declared = {v.name: k for v in stated if (k := TensorType.of(v.type)) is not None}
    for value in proto.output:  # declared sizes of outputs are often wrong; inference finds the true ones
        if value.name in declared:
            types.setdefault(value.name, TensorType(declared[value.name].element, None))
    for name in inputs:
        if name in types:
            types[name] = _named_sizes(name, types[name])
        if name not in types:
            raise UnsupportedError(f"{weights.source}: input '{name}' is not a tensor of known element type")
        numpy_dtype(types[name].element, f"{weights.source}: input '{name}'")
    graph = Graph(proto.name, [], inputs, [v.name for v in proto.output], constants, types, declared=declared)
    for one in proto.node:
        _add_node(graph, one, weights)
    graph.types = {k: v for k, v in types.items() if k not in graph.constants}
    return graph


def _named_sizes(name: str, kind: TensorType) -> TensorType:
    """Free sizes of an input without a name get one, so that later steps can tell what depends on them."""
    if kind.shape is None:
        return kind
    return TensorType(kind.element, tuple(f"{name}.{i}" if d is None else d for i, d in enumerate(kind.shape)))


def _fix_sizes(graph: Graph, shapes: Mapping[str, Sequence[int | None]], source: str) -> None:
    """Fixes sizes the user named; a size with a name is fixed wherever the inputs use the name."""
    names: dict[Dim, int] = {}
    for name, wanted in shapes.items():
        if name not in graph.inputs:
            raise UsageError(f"{source}: there is no input '{name}'", hint=f"inputs: {', '.join(graph.inputs)}")
        has = graph.shape_of(name)
        if has is None:
            kind = graph.types[name]
            graph.types[name] = _named_sizes(name, TensorType(kind.element, tuple(wanted)))
            continue
        fits = len(has) == len(wanted) and all(
            w is None or not isinstance(h, int) or h == w for h, w in zip(has, wanted, strict=True)
        )
        if not fits:
            raise UsageError(f"{source}: input '{name}' of shape {list(has)} cannot have the shape {list(wanted)}")
        for size, number in zip(has, wanted, strict=True):
            if isinstance(size, str) and number is not None and names.setdefault(size, number) != number:
                raise UsageError(f"{source}: size '{size}' is fixed to {names[size]} and to {number}")
    for name in graph.inputs:
        kind = graph.types[name]
        if kind.shape is not None:
            graph.types[name] = TensorType(kind.element, tuple(names.get(d, d) for d in kind.shape))


def _add_node(graph: Graph, one: Any, weights: Weights) -> None:
    if one.domain in STANDARD_DOMAINS:
        one.domain = ""
    if one.op_type == "Constant" and not one.domain:
        graph.constants[one.output[0]] = _constant_value(one, weights)
        return
    for attribute in one.attribute:
        for body in [attribute.g] if attribute.HasField("g") else attribute.graphs:
            _hoist_constants(graph, body, weights)
    graph.nodes.append(one)


def _hoist_constants(graph: Graph, body: Any, weights: Weights) -> None:
    """Moves a body's constants to the main graph, under new names where theirs are taken."""
    names = {}
    for tensor in body.initializer:
        names[tensor.name] = graph.add_constant(tensor.name, weights.array(tensor))
    del body.initializer[:]
    kept = []
    for one in body.node:
        if one.domain in STANDARD_DOMAINS:
            one.domain = ""
        if one.op_type == "Constant" and not one.domain:
            names[one.output[0]] = graph.add_constant(one.output[0], _constant_value(one, weights))
        else:
            kept.append(one)
    del body.node[:]
    body.node.extend(kept)
    _rename_in_body(body, names)
    for one in body.node:
        for attribute in one.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                _hoist_constants(graph, inner, weights)


def _rename_in_body(body: Any, names: dict[str, str]) -> None:
    for one in body.node:
        replace_inputs(one, names)
    for output in body.output:
        if output.name in names:
            alias = f"{output.name}/constant.sg"
            body.node.append(helper.make_node("Identity", [names[output.name]], [alias], name=alias))
            output.name = alias


def _constant_value(one: Any, weights: Weights) -> Array:
    values = attributes(one)
    for key, dtype in (("value_int", np.int64), ("value_ints", np.int64)):
        if key in values:
            return np.array(values[key], dtype)
    for key in ("value_float", "value_floats"):
        if key in values:
            return np.array(values[key], np.float32)
    if "value" not in values:
        kind = ", ".join(values) or "no value"
        raise UnsupportedError(f"{weights.source}: {describe(one)} holds {kind}", hint="supported: dense numbers")
    return weights.array(values["value"])


def _raise_opset(graph: Graph, source: str) -> None:
    """Brings the graph to operator set `OPSET` by onnx's own converter, without moving a weight."""
    try:
        converted = onnx.version_converter.convert_version(to_model(graph), OPSET)
    except Exception as error:  # the converter raises RuntimeError and its own types
        reason = " ".join(str(error).split())[:200]
        raise UnsupportedError(
            f"{source}: cannot be raised from operator set {graph.opset} to {OPSET}: {reason}",
            hint=f"export the model with operator set {OPSET}",
        ) from None
    replace_nodes(graph, converted.graph)
    graph.opset = OPSET


def replace_nodes(graph: Graph, proto: Any) -> None:
    """Takes over the nodes and new constants of a message made from `graph` by one of onnx's own tools."""
    names = {o: n.name for n in graph.nodes for o in n.output if o and n.name}
    for tensor in proto.initializer:
        if tensor.name not in graph.constants:
            graph.constants[tensor.name] = _inline(graph).array(tensor)
    take_nodes(graph, list(proto.node))
    for one in graph.nodes:
        if not one.name:  # the tools drop some names; the value a node computes identifies it
            one.name = next((names[o] for o in one.output if o in names), one.output[0])


def take_nodes(graph: Graph, nodes: list[Any]) -> None:
    """Makes these the graph's nodes; constants among them and in their bodies become the graph's constants."""
    graph.nodes = []
    for one in nodes:
        _add_node(graph, one, _inline(graph))
    sort_nodes(graph)


def _inline(graph: Graph) -> Weights:
    """A reader of tensors whose bytes are inside the message."""
    return Weights(np.zeros(0, np.uint8), None, graph.name)


def infer_types(graph: Graph) -> None:
    """Fills `graph.types` with what onnx's inference finds, shape arithmetic included.

    Raises ModelError where types do not fit together; in a graph that is not `strict` only where onnx cannot
    go on.
    """
    _forget_names(graph)
    model = to_model(graph)
    try:
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=graph.strict, data_prop=True)
    except Exception as error:
        raise ModelError(
            f"the shapes of graph '{graph.name}' do not fit together: {' '.join(str(error).split())[:300]}"
        ) from None
    for value in [*inferred.graph.value_info, *inferred.graph.output]:
        kind = TensorType.of(value.type)
        if kind is not None:
            graph.types[value.name] = _sharper(graph.types.get(value.name), kind)


def inference_error(graph: Graph) -> str:
    """Why inference stops somewhere in the graph, in onnx's words; empty when it does not say."""
    try:
        onnx.shape_inference.infer_shapes(to_model(graph), strict_mode=True, data_prop=True)
    except Exception as error:
        return " ".join(str(error).split())[:300]
    return ""


def _forget_names(graph: Graph) -> None:
    """Inference names unknown sizes anew each time; only names of the inputs' sizes mean the same again."""
    given = [n for n in graph.inputs if n in graph.types]
    stable = {d for n in given for d in graph.types[n].shape or () if isinstance(d, str)}
    for outer in free_names(graph) if graph.parent is not None else []:
        stable.update(d for d in graph.shape_of(outer) or () if isinstance(d, str))
    for name, kind in graph.types.items():
        if name not in given and kind.shape is not None:
            shape = tuple(d if isinstance(d, int) or d in stable else None for d in kind.shape)
            graph.types[name] = TensorType(kind.element, shape)


def _sharper(old: TensorType | None, new: TensorType) -> TensorType:
    """Of two descriptions of one value the known sizes of either; sizes found earlier win over names."""
    if old is None or old.shape is None or new.shape is None or len(old.shape) != len(new.shape):
        return new if new.shape is not None or old is None else old
    shape = tuple(
        n if isinstance(n, int) or not isinstance(o, int) else o for o, n in zip(old.shape, new.shape, strict=True)
    )
    return TensorType(new.element, shape)
