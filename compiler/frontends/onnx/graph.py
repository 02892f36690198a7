"""The front end's own view of an ONNX graph: nodes in order, constants as arrays, types by name.

Rewrites change this view; `to_model` gives it back to onnx for shape inference and version conversion, with
large constants shown as inputs so that no weight is ever copied into a message.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper

from stratagem.compiler.frontends.constants import Array
from stratagem.compiler.frontends.onnx.weights import NUMPY, STORED
from stratagem.runtime.errors import ModelError

INLINE = 64
"""Constants of at most this many elements stay in the graph; larger ones become parameters."""
ONNX_TYPES = {dtype: kind for kind, dtype in NUMPY.items()}

ASSERT = "Assert"
"""Operator of ours: (condition, values...) -> the values. The program stops where the condition is not what attribute
`expects` says, with the text of attribute `message`.
"""

Dim = int | str | None
"""A size, the name of a free size (equal names are equal sizes), or nothing known."""


@dataclass(frozen=True)
class TensorType:
    """Element type (onnx number) and shape; `shape` is None when not even the rank is known."""

    element: int
    shape: tuple[Dim, ...] | None

    @staticmethod
    def of(proto: Any) -> TensorType | None:
        """From a TypeProto; None for sequences, optionals and missing types."""
        if not proto.HasField("tensor_type") or not proto.tensor_type.elem_type:
            return None
        tensor = proto.tensor_type
        shape = tuple(_dim(d) for d in tensor.shape.dim) if tensor.HasField("shape") else None
        return TensorType(tensor.elem_type, shape)

    def proto(self) -> Any:
        return helper.make_tensor_type_proto(self.element, self.shape)

    @property
    def static(self) -> list[int] | None:
        """The sizes when all are known."""
        sizes = [d for d in self.shape or () if isinstance(d, int)]
        return sizes if self.shape is not None and len(sizes) == len(self.shape) else None


def _dim(proto: Any) -> Dim:
    if proto.HasField("dim_value") and proto.dim_value >= 0:  # some exporters write -1 for a free size
        return int(proto.dim_value)
    return str(proto.dim_param) or None


@dataclass
class Graph:
    """One graph. `parent` is the graph around a body, whose values a body may use.

    `domains` are the versions of other operator sets than ONNX's own, `partial` are partly known small integer tensors,
    `declared` the types a model states for its values (only used where inference does not decide), `equal_sizes` pairs
    of (value, dimension) that an operator makes equal, and `bodies` the graphs inside If, Loop and Scan nodes. In a
    `strict` graph types that do not fit together are errors; otherwise inference goes on around them. Once a main graph
    is `settled`, what is not constant is computed when the program runs. Operators in its `spelled_out` are replaced by
    our definitions of them.
    """

    name: str
    nodes: list[Any]
    inputs: list[str]
    outputs: list[str]
    constants: dict[str, Array]
    types: dict[str, TensorType]
    opset: int = 21
    domains: dict[str, int] = field(default_factory=dict)
    parent: Graph | None = None
    partial: dict[str, Any] = field(default_factory=dict)
    declared: dict[str, TensorType] = field(default_factory=dict)
    equal_sizes: list[tuple[tuple[str, int], tuple[str, int]]] = field(default_factory=list)
    bodies: dict[str, Graph] = field(default_factory=dict)
    strict: bool = False
    settled: bool = False
    spelled_out: set[str] = field(default_factory=set)
    fresh: Iterator[int] = field(default_factory=itertools.count)

    def constant(self, name: str) -> Array | None:
        """The array of a constant value, looked up outwards; None for computed values."""
        if name in self.constants:
            return self.constants[name]
        return self.parent.constant(name) if self.parent else None

    def type_of(self, name: str) -> TensorType | None:
        if name in self.types:
            return self.types[name]
        array = self.constants.get(name)
        if array is not None:
            return TensorType(ONNX_TYPES[array.dtype], tuple(array.shape))
        return self.parent.type_of(name) if self.parent else None

    def shape_of(self, name: str) -> tuple[Dim, ...] | None:
        kind = self.type_of(name)
        return kind.shape if kind else None

    def root(self) -> Graph:
        return self.parent.root() if self.parent else self

    def new_name(self, hint: str) -> str:
        """A value name not used anywhere in the model."""
        return f"{hint}/{next(self.root().fresh)}.sg"

    def add_constant(self, hint: str, array: Array) -> str:
        name = self.new_name(hint)
        self.constants[name] = array
        return name

    def producers(self) -> dict[str, Any]:
        """Value name -> the node that computes it."""
        return {o: node for node in self.nodes for o in node.output if o}


def node(op: str, inputs: Sequence[str], outputs: Sequence[str], name: str, domain: str = "", **attributes: Any) -> Any:
    """An onnx node; attributes that are None are left out."""
    given = {k: v for k, v in attributes.items() if v is not None}
    return helper.make_node(op, inputs, outputs, name=name, domain=domain, **given)


def attributes(of: Any) -> dict[str, Any]:
    """A node's attributes as Python values (strings decoded)."""
    values = {a.name: helper.get_attribute_value(a) for a in of.attribute}
    return {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}


def uses(of: Any) -> Iterator[str]:
    """Every value a node reads, those its bodies read from around them included."""
    yield from (i for i in of.input if i)
    for attribute in of.attribute:
        for body in [attribute.g] if attribute.HasField("g") else attribute.graphs:
            yield from captured(body)


def captured(body: Any) -> list[str]:
    """Names a body graph reads but does not define, in order of first use."""
    defined = {v.name for v in body.input} | {t.name for t in body.initializer}
    defined |= {o for n in body.node for o in n.output}
    wanted = itertools.chain((u for n in body.node for u in uses(n)), (o.name for o in body.output))
    return list(dict.fromkeys(u for u in wanted if u not in defined))


def sort_nodes(graph: Graph) -> None:
    """Orders nodes so that values come before their uses; raises ModelError naming the nodes of a cycle."""
    maker = {}
    for one in graph.nodes:
        for output in one.output:
            if output in maker or (output and (output in graph.inputs or output in graph.constants)):
                raise ModelError(f"value '{output}' is computed twice, the second time by node {describe(one)}")
            if output:
                maker[output] = id(one)
    by_id = {id(n): n for n in graph.nodes}
    needs = {id(n): {maker[u] for u in uses(n) if u in maker} for n in graph.nodes}
    done: dict[int, Any] = {}
    for start in by_id:
        _visit(start, needs, by_id, done)
    graph.nodes = list(done.values())


def _visit(start: int, needs: dict[int, set[int]], by_id: dict[int, Any], done: dict[int, Any]) -> None:
    stack, open_nodes = [(start, iter(sorted(needs[start])))], {start: None}
    if start in done:
        return
    while stack:
        current, rest = stack[-1]
        following = next((n for n in rest if n not in done), None)
        if following is None:
            stack.pop()
            open_nodes.pop(current)
            done[current] = by_id[current]
        elif following in open_nodes:
            names = [describe(by_id[n]) for n in open_nodes]
            raise ModelError(f"the graph has a cycle through {' -> '.join(names[-4:])}")
        else:
            open_nodes[following] = None
            stack.append((following, iter(sorted(needs[following]))))


def describe(of: Any) -> str:
    """`Conv 'backbone/conv1'`: how messages call a node."""
    label = of.name or (of.output[0] if of.output else "")
    return f"{of.op_type} '{label}'"


def drop_dead(graph: Graph) -> None:
    """Removes nodes whose results nobody reads, and constants likewise."""
    wanted = set(graph.outputs)
    kept = []
    for one in reversed(graph.nodes):
        if any(o in wanted for o in one.output):
            kept.append(one)
            wanted.update(uses(one))
    graph.nodes = kept[::-1]
    if graph.parent is None:
        graph.constants = {k: v for k, v in graph.constants.items() if k in wanted}


def copied(of: Any) -> Any:
    """A node of its own with the same contents."""
    copy = onnx.NodeProto()
    copy.CopyFrom(of)
    return copy


def rename(graph: Graph, old: str, new: str) -> None:
    """Lets every reader of `old` read `new`; a graph output keeps its name through an Identity."""
    for one in graph.nodes:
        replace_inputs(one, {old: new})
    if old in graph.outputs:
        graph.nodes.append(node("Identity", [new], [old], old))


def replace_inputs(of: Any, names: dict[str, str]) -> None:
    """Changes what a node and its bodies read."""
    for i, value in enumerate(of.input):
        if value in names:
            of.input[i] = names[value]
    for attribute in of.attribute:
        for body in [attribute.g] if attribute.HasField("g") else attribute.graphs:
            _replace_in_body(body, names)


def _replace_in_body(body: Any, names: dict[str, str]) -> None:
    own = {v.name for v in body.input} | {o for n in body.node for o in n.output}
    outer = {k: v for k, v in names.items() if k not in own}
    for one in body.node:
        replace_inputs(one, outer)
    for output in body.output:
        if output.name in outer:
            _alias_output(body, output, outer[output.name])


def _alias_output(body: Any, output: Any, value: str) -> None:
    """A body's output must be a value of its own: pass `value` through an Identity."""
    alias = f"{output.name}/out.sg"
    body.node.append(node("Identity", [value], [alias], alias))
    output.name = alias


def to_model(graph: Graph) -> Any:
    """The graph as a ModelProto; constants above `INLINE` elements appear as inputs.

    Types are given for inputs, for outputs, and for the results of nodes with bodies, which nobody infers
    again.
    """
    outer = free_names(graph) if graph.parent is not None else []
    constants = dict(graph.constants)
    constants.update((n, a) for n in outer if (a := graph.constant(n)) is not None)
    small = {k: v for k, v in constants.items() if v.size <= INLINE or _is_shape_like(v)}
    inputs = [_value(graph, n) for n in graph.inputs]
    inputs += [_constant_input(k, v) for k, v in constants.items() if k not in small]
    inputs += [_value(graph, n) for n in outer if n not in constants]
    computed = {o for n in graph.nodes for o in n.output}
    stated = {o for n in graph.nodes for o in n.output if any(a.HasField("g") for a in n.attribute)}
    outputs = [_output(graph, n, n in stated) for n in graph.outputs if n in computed or n in graph.inputs]
    initializers = [tensor_proto(k, v) for k, v in small.items()]
    nodes = [shown for one in graph.nodes for shown in _standard(one)]
    proto = helper.make_graph(nodes, graph.name or "graph", inputs, outputs, initializers)
    proto.value_info.extend(_value(graph, n) for n in graph.types if n in stated and n not in graph.outputs)
    versions = {"": graph.opset, **graph.root().domains}
    return helper.make_model(proto, opset_imports=[helper.make_opsetid(*pair) for pair in versions.items()])


def _standard(one: Any) -> list[Any]:
    """A node in the operators that onnx knows: an assertion passes its values on."""
    if one.op_type != ASSERT:
        return [one]
    return [node("Identity", [i], [o], o) for i, o in zip(one.input[1:], one.output, strict=True)]


def _is_shape_like(array: Array) -> bool:
    return array.ndim <= 1 and array.size <= 1024 and array.dtype == np.int64


def free_names(graph: Graph) -> list[str]:
    """Names a body graph takes from the graph around it."""
    defined = set(graph.inputs) | {o for n in graph.nodes for o in n.output}
    wanted: Iterable[str] = itertools.chain((u for n in graph.nodes for u in uses(n)), graph.outputs)
    return list(dict.fromkeys(u for u in wanted if u not in defined))


def _value(graph: Graph, name: str) -> Any:
    kind = graph.type_of(name)
    value = onnx.ValueInfoProto(name=name)
    if kind is not None:
        value.type.CopyFrom(kind.proto())
    return value


def _output(graph: Graph, name: str, stated: bool) -> Any:
    """An output, its shape only where nobody infers it: an old one may contradict the graph as it is now."""
    kind = graph.type_of(name)
    if kind is None or stated:
        return _value(graph, name)
    return onnx.ValueInfoProto(name=name, type=TensorType(kind.element, None).proto())


def _constant_input(name: str, array: Array) -> Any:
    return helper.make_tensor_value_info(name, ONNX_TYPES[array.dtype], list(array.shape))


def tensor_proto(name: str, array: Array) -> Any:
    """A TensorProto with its bytes inside; for small constants."""
    if ONNX_TYPES[array.dtype] in STORED:  # in a message, some of these share bytes
        return onnx.numpy_helper.from_array(array, name)
    return onnx.TensorProto(
        name=name,
        data_type=ONNX_TYPES[array.dtype],
        dims=array.shape,
        raw_data=np.ascontiguousarray(array).tobytes(),
    )
