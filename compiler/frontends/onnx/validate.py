"""Checks of a graph against ONNX's own description of the operators, before anything looks inside a node."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

import onnx

from stratagem.compiler.frontends.onnx.definition_of import has_definition
from stratagem.compiler.frontends.onnx.graph import Graph, describe, uses
from stratagem.compiler.frontends.onnx.read import STANDARD_DOMAINS
from stratagem.runtime.errors import ModelError, UnsupportedError


def check_values(graph: Graph, source: str) -> None:
    """Every value read is an input, a constant or computed; raises ModelError naming the reader."""
    known = {*graph.inputs, *graph.constants, *(o for n in graph.nodes for o in n.output)}
    for one in graph.nodes:
        for name in uses(one):
            if name not in known:
                raise ModelError(f"{source}: {describe(one)} reads '{name}', which nothing computes")
    for name in graph.outputs:
        if name not in known:
            raise ModelError(f"{source}: output '{name}' is computed by no node")


def check_operators(nodes: Iterable[Any], opset: int, domains: Mapping[str, int], source: str) -> None:
    """Operators exist, with the inputs, outputs and attributes their descriptions ask for; bodies included.

    `domains` are the versions of other operator sets: of these, what ONNX defines by standard operators is taken.
    """
    for one in nodes:
        if one.domain not in STANDARD_DOMAINS and not has_definition(
            one.op_type, domains.get(one.domain, 0), one.domain
        ):
            raise UnsupportedError(
                f"{source}: operator {one.domain}::{one.op_type} of node '{one.name}' is not part of ONNX",
                hint="export the model with standard ONNX operators only",
            )
        _check_node(one, domains.get(one.domain, opset), source)
        for attribute in one.attribute:
            if attribute.HasField("g"):
                check_operators(attribute.g.node, opset, domains, source)


def _check_node(one: Any, opset: int, source: str) -> None:
    try:
        schema = onnx.defs.get_schema(one.op_type, max_inclusive_version=opset, domain=one.domain)
    except onnx.defs.SchemaError:
        near = _near(one.op_type)
        raise ModelError(f"{source}: {describe(one)}: ONNX has no operator '{one.op_type}'{near}") from None
    for count, low, high, what in (
        (len(one.input), schema.min_input, schema.max_input, "inputs"),
        (len(one.output), schema.min_output, schema.max_output, "outputs"),
    ):
        if not low <= count <= high:
            raise ModelError(f"{source}: {describe(one)} has {count} {what}, it takes {low} to {high}")
    if not any(one.output):
        raise ModelError(f"{source}: {describe(one)} computes nothing")
    given = {a.name: a for a in one.attribute}
    for name, wanted in schema.attributes.items():
        if wanted.required and name not in given:
            raise ModelError(f"{source}: {describe(one)} lacks the attribute '{name}'")
        if name in given and int(given[name].type) != int(wanted.type.value):
            raise ModelError(f"{source}: {describe(one)}: attribute '{name}' is not of type {wanted.type.name.lower()}")


def _near(name: str) -> str:
    names = difflib.get_close_matches(name, [s.name for s in onnx.defs.get_all_schemas()], n=1)
    return f"; nearest: {names[0]}" if names else ""
