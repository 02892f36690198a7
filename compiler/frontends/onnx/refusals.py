"""Turns what the wheel's passes say when they fail into a refusal that names the operator, the node and a way
out.
"""

from __future__ import annotations

import re
from typing import Any

from stratagem.compiler.frontends.onnx.definition_of import has_definition
from stratagem.compiler.frontends.onnx.graph import Graph
from stratagem.runtime.errors import UnsupportedError

_LOCATION = re.compile(r'loc\("([^"]+)"\)')
_OPERATOR = re.compile(r'name = "onnx\.(\w+)"')
_TORCH = re.compile(r"operation '(torch\.[\w.]+)'|\"(torch\.aten\.[\w.]+)\"")
_TYPES = re.compile(r"\) -> .*|: \(!torch.*")

ALTERNATIVES = {
    "Unique": "a fixed number of values: the number of results must not depend on the data",
    "NonZero": "Where or ScatterElements: the number of results must not depend on the data",
    "Compress": "Where: the number of results must not depend on the data",
    "NonMaxSuppression": "run it after the model, on its outputs",
    "StringNormalizer": "do text processing before the model",
    "DFT": "a MatMul with the DFT matrix",
    "STFT": "a Conv with the windowed DFT matrix",
    "Resize": "Resize with mode nearest or linear, coordinate transformation asymmetric or half_pixel",
    "Einsum": "MatMul and Transpose",
    "QLinearConv": "DequantizeLinear, Conv, QuantizeLinear",
    "DynamicQuantizeLSTM": "LSTM",
}
"""Operator -> the nearest supported form."""


class Refused(Exception):
    """A pass failed at an operator; `error` is what to tell the user if nothing else helps."""

    def __init__(self, operator: str, error: UnsupportedError) -> None:
        super().__init__(str(error))
        self.operator, self.error = operator, error


def explain(graph: Graph, source: str, messages: str) -> Refused:
    """Finds the node the messages are about, by operator name or by location."""
    operator = _OPERATOR.search(messages)
    places = _LOCATION.findall(messages)
    node = next((p for p in places if _kind_of(graph, p)), places[0] if places else "")
    kind = operator[1] if operator else _kind_of(graph, node)
    torch = _TORCH.search(messages)
    detail = f" (as {torch[1] or torch[2]})" if torch and not operator else ""
    if not kind:
        short = " ".join(messages.split())[:300]
        return Refused("", UnsupportedError(f"{source}: the model cannot be lowered: {short}"))
    problem = f"{source}: operator {kind} of node '{node}' is not supported with these types and attributes{detail}"
    return Refused(kind, UnsupportedError(problem, hint=_hint(kind, graph.opset)))


def refuse_operation(graph: Graph, source: str, op: Any, problem: str) -> Refused:
    """What to raise for an operation of the torch dialect, which carries the place of the node it comes from."""
    node = next(iter(_LOCATION.findall(f"{op.location}")), "")
    kind = _kind_of(graph, node)
    name = op.name.removeprefix("torch.")
    text = f"{source}: operator {kind or name} of node '{node}' (as {name}) {problem}"
    return Refused(kind, UnsupportedError(text, hint="cast to another integer type around it, where the values allow"))


def _kind_of(graph: Graph, node: str) -> str:
    for one in graph.nodes:
        if node and node in (one.name, *one.output) and one.op_type != "Identity":
            return str(one.op_type)
    return next((found for body in graph.bodies.values() if (found := _kind_of(body, node))), "")


def _hint(kind: str, opset: int) -> str:
    if kind in ALTERNATIVES:
        return f"nearest supported form: {ALTERNATIVES[kind]}"
    if has_definition(kind, opset):
        return "write it with the operators of its definition in the ONNX documentation"
    return "express it with elementwise operators, MatMul, Conv, Gather, reductions, or Scan"
