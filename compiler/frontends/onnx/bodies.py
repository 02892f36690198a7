"""Body graphs of If, Loop and Scan: made into `Graph`s of their own, typed from what flows in, simplified."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from stratagem.compiler.frontends.onnx.graph import (
    INLINE,
    Dim,
    Graph,
    TensorType,
    attributes,
    captured,
    describe,
    free_names,
    replace_inputs,
    sort_nodes,
)
from stratagem.runtime.errors import UnsupportedError

CONTROL = frozenset({"If", "Loop", "Scan"})
BODY_ATTRIBUTES = {"If": ("then_branch", "else_branch"), "Loop": ("body",), "Scan": ("body",)}
_TYPE_ROUNDS = 6


class BranchesDiffer(UnsupportedError):
    """The branches of `node`, an If of `graph`, have no common type."""

    def __init__(self, graph: Graph, node: Any, problem: str) -> None:
        hint = "fix the sizes of the model's inputs (--input-shape, input_shapes=...): then the condition is known"
        super().__init__(problem, hint=hint)
        self.graph, self.node = graph, node


def body_key(one: Any, attribute: str) -> str:
    """Where `graph.bodies` keeps a node's body."""
    return f"{next(o for o in one.output if o)}:{attribute}"


def prepare_bodies(graph: Graph) -> None:
    """Builds, types and simplifies the bodies of every control node; sets the node's output types from them.

    A node whose own inputs have no known rank yet is left for a later round.
    """
    for one in graph.nodes:
        if one.op_type not in CONTROL or not all(_ranked(graph, i) for i in _needed(one)):
            continue
        if one.op_type == "If":
            _prepare_if(graph, one)
        elif one.op_type == "Loop":
            _prepare_loop(graph, one)
        else:
            _prepare_scan(graph, one)


def _needed(one: Any) -> list[str]:
    """What a control node's bodies read: its inputs and what they capture, as far as defined outside."""
    bodies = [attributes(one)[name] for name in BODY_ATTRIBUTES[one.op_type]]
    return [i for i in one.input if i] + [n for b in bodies for n in captured(b)]


def _ranked(graph: Graph, name: str) -> bool:
    kind = graph.type_of(name)
    return kind is not None and kind.shape is not None


def _body(graph: Graph, one: Any, attribute: str, inputs: list[TensorType | None]) -> Graph:
    """The typed and simplified body whose inputs have the given types."""
    from stratagem.compiler.frontends.onnx.simplify import simplify

    proto = onnx.GraphProto()
    proto.CopyFrom(attributes(one)[attribute])
    names = [v.name for v in proto.input]
    types = {n: t for n, t in zip(names, inputs, strict=True) if t is not None}
    for output in proto.output:  # element types are declared; sizes come from inference
        kind = TensorType.of(output.type)
        if kind is not None and output.name not in types:
            types[output.name] = TensorType(kind.element, None)
    child = Graph(
        f"{one.name}.{attribute}",
        list(proto.node),
        names,
        [o.name for o in proto.output],
        {},
        types,
        graph.opset,
        parent=graph,
        declared={o.name: k for o in proto.output if (k := TensorType.of(o.type)) is not None},
        strict=graph.strict,
    )
    sort_nodes(child)
    simplify(child)
    _lift_large(child)
    graph.bodies[body_key(one, attribute)] = child
    return child


def _lift_large(child: Graph) -> None:
    """Large constants of a body become the main graph's, under new names: they are parameters."""
    names = {k: child.root().add_constant(k, v) for k, v in child.constants.items() if v.size > INLINE}
    for one in child.nodes:
        replace_inputs(one, names)
    child.outputs = [names.get(o, o) for o in child.outputs]
    for name in names:
        del child.constants[name]


def captured_values(child: Graph) -> list[str]:
    """What a body takes from around it as values: everything but small constants."""
    return [n for n in free_names(child) if not _is_small(child, n)]


def _is_small(child: Graph, name: str) -> bool:
    array = child.constant(name)
    return array is not None and array.size <= INLINE


def _prepare_if(graph: Graph, one: Any) -> None:
    branches = [_body(graph, one, attribute, []) for attribute in BODY_ATTRIBUTES["If"]]
    for name, *theirs in zip(one.output, *(b.outputs for b in branches), strict=True):
        kinds = [outward_type(b, t) for b, t in zip(branches, theirs, strict=True)]
        merged = _merge(kinds[0], kinds[1])
        if merged is None:
            shapes = " and ".join(str(list(k.shape)) if k and k.shape is not None else "unknown" for k in kinds)
            raise BranchesDiffer(
                graph,
                one,
                f"{describe(one)}: its branches give '{name}' the different shapes {shapes}, and the condition "
                "is only known when the program runs",
            )
        graph.types[name] = merged


def outward_type(body: Graph, name: str) -> TensorType | None:
    """A body value's type as the graph around sees it: names of sizes that only it knows are dropped."""
    kind = body.type_of(name)
    if kind is None or kind.shape is None:
        return kind
    known: set[Dim] = set()
    for outer in [*free_names(body), *body.inputs]:
        known.update(d for d in body.shape_of(outer) or () if isinstance(d, str))
    return TensorType(kind.element, tuple(d if isinstance(d, int) or d in known else None for d in kind.shape))


def _merge(a: TensorType | None, b: TensorType | None) -> TensorType | None:
    """What holds for both types; None when their ranks or element types differ."""
    if a is None or b is None or a.shape is None or b.shape is None:
        return None
    if a.element != b.element or len(a.shape) != len(b.shape):
        return None
    return TensorType(a.element, tuple(x if x == y else None for x, y in zip(a.shape, b.shape, strict=True)))


def _prepare_loop(graph: Graph, one: Any) -> None:
    carried = len(one.input) - 2
    states = [graph.type_of(n) for n in one.input[2:]]
    counters: list[TensorType | None] = [
        TensorType(onnx.TensorProto.INT64, ()),
        TensorType(onnx.TensorProto.BOOL, ()),
    ]
    body = _fixed_point(graph, one, lambda s: [*counters, *s], states, first=1)
    count = _constant_int(graph, one.input[0])
    _set_outputs(graph, one, body, carried, body.outputs[1:], count)


def _constant_int(graph: Graph, name: str) -> int | None:
    array = graph.constant(name) if name else None
    return None if array is None else int(array.reshape(-1)[0])


def _prepare_scan(graph: Graph, one: Any) -> None:
    given = scan_attributes(one)
    scanned = given["num_scan_inputs"]
    states = [graph.type_of(n) for n in one.input[: len(one.input) - scanned]]
    axes = given["scan_input_axes"]
    slices = [_slice_type(graph.type_of(n), a) for n, a in zip(one.input[len(states) :], axes, strict=True)]
    body = _fixed_point(graph, one, lambda s: [*s, *slices], states, first=0)
    length = _scan_length(graph, one, len(states), axes)
    _set_outputs(graph, one, body, len(states), body.outputs, length, given["scan_output_axes"])


def scan_attributes(one: Any) -> dict[str, Any]:
    """Scan's attributes with ONNX's defaults filled in: axis 0, forwards."""
    given = attributes(one)
    scanned = given["num_scan_inputs"]
    stacked = len(one.output) - (len(one.input) - scanned)
    for kind, count in (("input", scanned), ("output", stacked)):
        for what in ("axes", "directions"):
            given.setdefault(f"scan_{kind}_{what}", [0] * count)
    return given


def _scan_length(graph: Graph, one: Any, states: int, axes: list[int]) -> Dim:
    for name, axis in zip(one.input[states:], axes, strict=True):
        shape = graph.shape_of(name)
        if shape is not None:
            return shape[axis]
    return None


def _slice_type(kind: TensorType | None, axis: int) -> TensorType | None:
    if kind is None or kind.shape is None:
        return kind
    at = axis % len(kind.shape)
    return TensorType(kind.element, kind.shape[:at] + kind.shape[at + 1 :])


def _fixed_point(graph: Graph, one: Any, inputs: Any, states: list[TensorType | None], first: int) -> Graph:
    """The body under state types that hold before and after every step; sizes that change become free."""
    for _ in range(_TYPE_ROUNDS):
        body = _body(graph, one, "body", inputs(states))
        after = [outward_type(body, n) for n in body.outputs[first : first + len(states)]]
        merged = [_merge(a, b) for a, b in zip(states, after, strict=True)]
        for name, kind, was, now in zip(body.outputs[first:], merged, states, after, strict=False):
            if kind is None:
                raise UnsupportedError(
                    f"{describe(one)}: state '{name}' changes from {_text(was)} to {_text(now)}",
                    hint="the rank and element type of a loop's state must stay",
                )
        if merged == states:
            return body
        states = merged
    return _body(graph, one, "body", inputs([_free(s) for s in states]))


def _text(kind: TensorType | None) -> str:
    return "an unknown type" if kind is None or kind.shape is None else f"shape {list(kind.shape)}"


def _free(kind: TensorType | None) -> TensorType | None:
    return kind and TensorType(kind.element, (None,) * len(kind.shape or ()))


def _set_outputs(
    graph: Graph,
    one: Any,
    body: Graph,
    states: int,
    results: list[str],
    length: Dim,
    axes: list[int] | None = None,
) -> None:
    """Types of a loop's outputs: final states, then one slice per step stacked along an axis."""
    for i, (name, inner) in enumerate(zip(one.output, results, strict=True)):
        kind = outward_type(body, inner)
        if not name or kind is None or kind.shape is None:
            continue
        if i >= states:
            axis = (axes[i - states] if axes else 0) % (len(kind.shape) + 1)
            kind = TensorType(kind.element, (*kind.shape[:axis], length, *kind.shape[axis:]))
        graph.types[name] = kind


def is_always_true(body: Graph, name: str) -> bool:
    """Whether a body's condition output never ends the loop: constant true, or the condition given."""
    array = body.constant(name)
    if array is not None:
        return bool(np.all(array))
    passed = {n.output[0]: n.input[0] for n in body.nodes if n.op_type == "Identity"}
    while name in passed:
        name = passed[name]
    return name == body.inputs[1]
