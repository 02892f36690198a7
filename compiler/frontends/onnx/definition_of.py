"""The bodies that ONNX gives for operators it defines by others, in its own operator set and in further ones."""

from __future__ import annotations

from typing import Any

import onnx

from stratagem.compiler.frontends.onnx.graph import Graph


def has_definition(kind: str, version: int, domain: str = "") -> bool:
    """Whether ONNX gives a body for this operator in this version of an operator set."""
    try:
        schema = onnx.defs.get_schema(kind, max_inclusive_version=version, domain=domain)
    except onnx.defs.SchemaError:
        return False
    return bool(schema.has_function or schema.has_context_dependent_function)


def schema_of(graph: Graph, one: Any) -> Any:
    """ONNX's description of a node's operator."""
    version = graph.root().domains.get(one.domain, graph.opset)
    return onnx.defs.get_schema(one.op_type, max_inclusive_version=version, domain=one.domain)


def definition_of(graph: Graph, one: Any) -> Any | None:
    """The FunctionProto of a node, for the types that `graph` knows where the definition depends on them."""
    schema = schema_of(graph, one)
    version = graph.root().domains.get(one.domain, graph.opset)
    plain = max((v for v in schema.function_opset_versions if v <= version), default=-1)
    typed = max((v for v in schema.context_dependent_function_opset_versions if v <= version), default=-1)
    if plain < 0 and typed < 0:
        return None
    if plain > typed:
        data = schema.get_function_with_opset_version(plain)
    else:
        kinds = [graph.type_of(name) if name else None for name in one.input]
        types = [(k.proto() if k else onnx.TypeProto()).SerializeToString() for k in kinds]
        data = schema.get_context_dependent_function_with_opset_version(typed, one.SerializeToString(), types)
    return onnx.FunctionProto.FromString(data) if data else None
