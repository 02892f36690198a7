"""Writes a typed `Graph` as MLIR: most nodes as torch-mlir's `torch.operator "onnx.X"`, some as opaque calls.

An opaque call goes to a private function without a body. The wheel's passes convert its types and leave it
alone; after them `lower_calls` replaces it by linalg. Nodes take this way when the wheel has no lowering
for them, or a wrong one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from torch_mlir import ir
from torch_mlir.dialects import func

from stratagem.compiler.frontends.constants import Array
from stratagem.compiler.frontends.onnx.bodies import BODY_ATTRIBUTES, body_key, captured_values
from stratagem.compiler.frontends.onnx.build import inference_error
from stratagem.compiler.frontends.onnx.graph import INLINE, ONNX_TYPES, Graph, TensorType, describe
from stratagem.compiler.frontends.onnx.weights import NUMPY, STORED, element_type_name
from stratagem.runtime.errors import UnsupportedError

_T = onnx.TensorProto
TORCH_TYPES = {
    _T.FLOAT: "f32", _T.DOUBLE: "f64", _T.FLOAT16: "f16", _T.BFLOAT16: "bf16", _T.BOOL: "i1", _T.INT8: "si8",
    _T.INT16: "si16", _T.INT32: "si32", _T.INT64: "si64", _T.UINT8: "ui8", _T.UINT16: "ui16",
    _T.UINT32: "ui32", _T.UINT64: "ui64", **dict.fromkeys(STORED, "si8"),
}  # fmt: skip
_A = onnx.AttributeProto
UNIFORM_LIMIT = 2**24
"""Bytes: larger arrays are not searched for equal elements."""


@dataclass
class Opaque:
    """A node written as a call, with the graph that knows its types; `bodies` are the functions of its body
    graphs.
    """

    node: Any
    graph: Graph
    bodies: dict[str, str] = field(default_factory=dict)
    captured_by: dict[str, list[str]] = field(default_factory=dict)

    @property
    def captured(self) -> list[str]:
        """The values all bodies read from around them, each once; they follow the node's own operands."""
        return list(dict.fromkeys(n for names in self.captured_by.values() for n in names))


@dataclass
class Emission:
    """The module being written. `is_opaque` says which nodes become calls, `parameters` are the constants that became
    arguments of the main function.
    """

    module: Any
    source: str
    is_opaque: Callable[[Graph, Any], bool]
    calls: dict[str, Opaque] = field(default_factory=dict)
    parameters: dict[str, Array] = field(default_factory=dict)
    bodies: list[str] = field(default_factory=list)

    def torch_type(self, graph: Graph, name: str, of: Any = None) -> Any:
        """The `!torch.vtensor` of a value; UnsupportedError when its element type or rank is unknown."""
        kind = graph.type_of(name)
        who = f"{describe(of)}: value '{name}'" if of is not None else f"'{name}'"
        if kind is None or kind.shape is None:
            reason = inference_error(graph)
            raise UnsupportedError(
                f"{self.source}: {who} has no known rank{': ' + reason if reason else ''}",
                hint="give the model's inputs sizes (input_shapes=...), or simplify the shapes computed before it",
            )
        if kind.element not in TORCH_TYPES:
            names = ", ".join(element_type_name(k) for k in NUMPY)
            raise UnsupportedError(
                f"{self.source}: {who} has element type {element_type_name(kind.element)}",
                hint=f"supported: {names}",
            )
        return torch_type(kind)


def torch_type(kind: TensorType) -> Any:
    sizes = ",".join(str(d) if isinstance(d, int) else "?" for d in kind.shape or ())
    return ir.Type.parse(f"!torch.vtensor<[{sizes}],{TORCH_TYPES[kind.element]}>")


def emit_main(emission: Emission, graph: Graph, name: str = "main") -> None:
    """Writes the main graph: inputs, then large constants, as arguments."""
    large = {k: v for k, v in graph.constants.items() if v.size > INLINE and not is_uniform(v)}
    emission.parameters.update(large)
    FunctionWriter(emission, graph).write(name, [*graph.inputs, *large])


def is_uniform(array: Array) -> bool:
    """Whether all elements are equal: then the program fills a tensor instead of reading a parameter.

    Only looked at in computed arrays; weights mapped from a file are not read for it.
    """
    if array.size == 0 or array.nbytes > UNIFORM_LIMIT or (not array.flags.owndata and not array.flags.writeable):
        return False
    first = array.reshape(-1)[:1]
    return bool((array == first).all())


class FunctionWriter:
    """Writes one graph as one function; values by their ONNX names."""

    def __init__(self, emission: Emission, graph: Graph) -> None:
        self.emission, self.graph = emission, graph
        self.values: dict[str, Any] = {}
        self._none: Any = None

    def write(self, name: str, arguments: list[str]) -> None:
        """Creates `func.func @name(arguments) -> graph.outputs`."""
        types = [self.emission.torch_type(self.graph, a) for a in arguments]
        results = [self.emission.torch_type(self.graph, self._origin(o)) for o in self.graph.outputs]
        place = ir.InsertionPoint(self.emission.module.body)
        with place, ir.Location.name(f"graph:{self.graph.name}"):
            function = func.FuncOp(name, (types, results))
            block = function.add_entry_block([ir.Location.name(a) for a in arguments])
        _version(function, self.graph.opset)
        self.values.update(zip(arguments, block.arguments, strict=True))
        with ir.InsertionPoint(block):
            for one in self.graph.nodes:
                self._node(one)
            values = [self.value(o) for o in self.graph.outputs]
            with ir.Location.name("outputs"):
                func.ReturnOp(values)

    def _origin(self, name: str) -> str:
        """The value that Identity nodes pass on under this name; it is what the function returns."""
        passed = {n.output[0]: n.input[0] for n in self.graph.nodes if n.op_type == "Identity"}
        while name in passed:
            name = passed[name]
        return name

    def value(self, name: str) -> Any:
        """The MLIR value of a name; constants are written where they are first used."""
        if name not in self.values:
            array = self.graph.constant(name)
            if array is None:
                raise UnsupportedError(f"{self.emission.source}: value '{name}' is read before it is computed")
            self.values[name] = self._literal(name, array)
        return self.values[name]

    def _literal(self, name: str, array: Array) -> Any:
        kind = self.graph.type_of(name)
        assert kind is not None
        entry = ir.InsertionPoint.at_block_begin(ir.InsertionPoint.current.block)
        with entry, ir.Location.name(name):
            given = {
                "name": ir.StringAttr.get("onnx.Constant"),
                "torch.onnx.value": dense_attribute(array, kind),
            }
            return ir.Operation.create("torch.operator", [torch_type(kind)], attributes=given).result

    def _node(self, one: Any) -> None:
        with ir.Location.name(one.name or one.output[0]):
            results = [o for o in one.output if o]
            if one.op_type == "Identity":
                created = [self.value(one.input[0])]
            elif self.emission.is_opaque(self.graph, one):
                created = self._call(one, results)
            else:
                created = self._operator(one)
        for name, value in zip(one.output, created, strict=False):
            if name:
                self.values[name] = value

    def _operator(self, one: Any) -> list[Any]:
        operands = [self.value(i) if i else self._missing() for i in one.input]
        types = [self.emission.torch_type(self.graph, o, one) if o else self._missing().type for o in one.output]
        given = {f"torch.onnx.{a.name}": self._attribute(one, a) for a in one.attribute}
        given["name"] = ir.StringAttr.get(f"onnx.{one.op_type}")
        return list(ir.Operation.create("torch.operator", types, operands, given).results)

    def _call(self, one: Any, results: list[str]) -> list[Any]:
        opaque = Opaque(one, self.graph)
        self._write_bodies(opaque)
        operands = [self.value(i) for i in [*one.input, *opaque.captured] if i]
        types = [self.emission.torch_type(self.graph, o, one) for o in results]
        return self._placed(one, list(call_opaque(self.emission, opaque, operands, types)))

    def _write_bodies(self, opaque: Opaque) -> None:
        """Body graphs become functions: body inputs, then captured values, as arguments."""
        for attribute in BODY_ATTRIBUTES.get(opaque.node.op_type, ()):
            body = self.graph.bodies[body_key(opaque.node, attribute)]
            name = f"body.{len(self.emission.bodies)}"
            self.emission.bodies.append(name)
            opaque.bodies[attribute] = name
            opaque.captured_by[attribute] = captured_values(body)
            FunctionWriter(self.emission, body).write(name, [*body.inputs, *opaque.captured_by[attribute]])

    def _placed(self, one: Any, created: list[Any]) -> list[Any]:
        """Results back in the node's positions, None for outputs that are left out."""
        rest = iter(created)
        return [next(rest) if o else None for o in one.output]

    def _missing(self) -> Any:
        if self._none is None:
            entry = ir.InsertionPoint.at_block_begin(ir.InsertionPoint.current.block)
            with entry:
                self._none = ir.Operation.create("torch.constant.none", [ir.Type.parse("!torch.none")]).result
        return self._none

    def _attribute(self, one: Any, attribute: Any) -> Any:
        signed = ir.IntegerType.get_signed(64)
        makers: Mapping[int, Any] = {
            _A.FLOAT: lambda a: ir.FloatAttr.get(ir.F32Type.get(), a.f),
            _A.INT: lambda a: ir.IntegerAttr.get(signed, a.i),
            _A.STRING: lambda a: ir.StringAttr.get(a.s),
            _A.FLOATS: lambda a: ir.ArrayAttr.get([ir.FloatAttr.get(ir.F32Type.get(), f) for f in a.floats]),
            _A.INTS: lambda a: ir.ArrayAttr.get([ir.IntegerAttr.get(signed, i) for i in a.ints]),
            _A.STRINGS: lambda a: ir.ArrayAttr.get([ir.StringAttr.get(s) for s in a.strings]),
            _A.TENSOR: lambda a: tensor_attribute(onnx.numpy_helper.to_array(a.t)),
        }
        if attribute.type not in makers:
            raise UnsupportedError(
                f"{self.emission.source}: {describe(one)} has attribute '{attribute.name}', "
                "a graph or tensor that no lowering takes"
            )
        return makers[attribute.type](attribute)


def call_opaque(emission: Emission, opaque: Opaque, operands: list[Any], types: list[Any]) -> Any:
    """Declares a private function for this one call and calls it."""
    name = f"opaque.{len(emission.calls)}"
    emission.calls[name] = opaque
    with ir.InsertionPoint(emission.module.body):
        declared = func.FuncOp(name, ([o.type for o in operands], types), visibility="private")
    _version(declared, opaque.graph.opset)
    return func.CallOp(types, name, operands).results


def _version(function: Any, opset: int) -> None:
    signed = ir.IntegerType.get_signed(64)
    function.attributes["torch.onnx_meta.opset_version"] = ir.IntegerAttr.get(signed, opset)
    function.attributes["torch.onnx_meta.ir_version"] = ir.IntegerAttr.get(signed, 10)


def tensor_attribute(array: Array) -> Any:
    return dense_attribute(array, TensorType(ONNX_TYPES[array.dtype], tuple(array.shape)))


def dense_attribute(array: Array, kind: TensorType) -> Any:
    """A small constant as `dense<...>`; the element type is the torch dialect's, with its sign."""
    element = ir.Type.parse(TORCH_TYPES[kind.element])
    data = np.array(array, order="C")
    if kind.element in STORED:
        data = data.view(np.int8)
    if data.size > INLINE:  # all elements are equal
        one = dense_attribute(data.reshape(-1)[:1].reshape(()), TensorType(kind.element, ()))
        return ir.DenseElementsAttr.get_splat(ir.RankedTensorType.get(data.shape, element), one.get_splat_value())
    if kind.element == _T.BFLOAT16:
        tensor = ir.RankedTensorType.get(data.shape, element)
        return ir.DenseElementsAttr.get([ir.FloatAttr.get(element, float(v)) for v in data.reshape(-1)], tensor)
    if kind.element == _T.BOOL:
        return ir.DenseElementsAttr.get(data, shape=data.shape, type=element)
    return (
        ir.DenseElementsAttr.get(data, signless=False)
        if element != ir.F16Type.get()
        else ir.DenseElementsAttr.get(data)
    )
