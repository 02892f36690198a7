"""Quantized operators as plain ones: dequantize, compute, quantize.

    DequantizeLinear: y = (x - zero_point) * scale        QuantizeLinear: y = saturate(round(x / scale) +
    zero_point)

Scales and zero points are one number, one per index along `axis`, or one per block of indices along it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import onnx

from stratagem.compiler.frontends.onnx.graph import Dim, Graph, attributes
from stratagem.compiler.frontends.onnx.weights import NUMPY, STORED
from stratagem.compiler.frontends.onnx.writer import Writer

_FLOAT = onnx.TensorProto.FLOAT
_SMALL_FLOATS = frozenset(kind for kind, name in STORED.items() if name.startswith("f"))


def dequantize(graph: Graph, one: Any) -> Sequence[Any] | None:
    """DequantizeLinear as Cast, Sub, Mul."""
    given, shape = attributes(one), graph.shape_of(one.input[0])
    result = graph.type_of(one.input[1])
    if shape is None or result is None:
        return None
    write = Writer(graph, one.name or one.output[0])
    place = _Place(one.input[0], shape, given.get("axis", 1), given.get("block_size", 0))
    value = write.op("Cast", one.input[0], to=_FLOAT)
    if len(one.input) > 2 and one.input[2]:
        zero = place.spread(write, graph, write.op("Cast", one.input[2], to=_FLOAT), one.input[2])
        value = write.op("Sub", value, zero)
    scale = place.spread(write, graph, write.op("Cast", one.input[1], to=_FLOAT), one.input[1])
    value = write.op("Mul", value, scale)
    write.into("Cast", [value], one.output[0], to=given.get("output_dtype", 0) or result.element)
    return write.nodes


def quantize(graph: Graph, one: Any) -> Sequence[Any] | None:
    """QuantizeLinear as Div, Round (half to even), Add, Clip, Cast; the last rounds and saturates to small floats."""
    given, shape = attributes(one), graph.shape_of(one.input[0])
    zero_point = one.input[2] if len(one.input) > 2 else ""
    kind = graph.type_of(zero_point) if zero_point else None
    element = given.get("output_dtype", 0) or (kind.element if kind else onnx.TensorProto.UINT8)
    if shape is None or element not in NUMPY:
        return None
    write = Writer(graph, one.name or one.output[0])
    place = _Place(one.input[0], shape, given.get("axis", 1), given.get("block_size", 0))
    scale = place.spread(write, graph, write.op("Cast", one.input[1], to=_FLOAT), one.input[1])
    value = write.op("Div", write.op("Cast", one.input[0], to=_FLOAT), scale)
    whole = element not in _SMALL_FLOATS
    value = write.op("Round", value) if whole else value
    if zero_point:
        zero = place.spread(write, graph, write.op("Cast", zero_point, to=_FLOAT), zero_point)
        value = write.op("Add", value, zero)
    if not whole:
        write.into("Cast", [value], one.output[0], to=element, saturate=given.get("saturate", 1))
        return write.nodes
    limits = ml_dtypes.iinfo(NUMPY[element])
    low, high = (write.const(np.array(v, np.float32)) for v in (limits.min, limits.max))
    wide = write.op("Cast", write.op("Clip", value, low, high), to=onnx.TensorProto.INT32)
    write.into("Cast", [wide], one.output[0], to=element)
    return write.nodes


def quantized_product(graph: Graph, one: Any) -> Sequence[Any] | None:
    """QLinearMatMul: a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero."""
    if any(graph.shape_of(n) != () and graph.shape_of(n) != (1,) for n in (*one.input[1:3], *one.input[4:8])):
        return None
    write = Writer(graph, one.name or one.output[0])
    scales = [write.op("Cast", one.input[i], to=_FLOAT) for i in (1, 4, 6)]
    left = write.op("DequantizeLinear", one.input[0], _scalar(write, scales[0]), _scalar(write, one.input[2]))
    right = write.op("DequantizeLinear", one.input[3], _scalar(write, scales[1]), _scalar(write, one.input[5]))
    product = write.op("MatMul", left, right)
    write.into("QuantizeLinear", [product, _scalar(write, scales[2]), _scalar(write, one.input[7])], one.output[0])
    return write.nodes


def _scalar(write: Writer, value: str) -> str:
    return write.op("Reshape", value, write.ints())


@dataclass(frozen=True)
class _Place:
    """Where scales go: along `axis` of the value `source` of this shape, each for `block` indices (0: for one)."""

    source: str
    shape: tuple[Dim, ...]
    axis: int
    block: int

    def spread(self, write: Writer, graph: Graph, value: str, origin: str) -> str:
        """The scales or zero points in a shape that broadcasts; `origin` is the value whose shape they have."""
        sizes = graph.shape_of(origin)
        if sizes is None or not sizes or not self.shape:
            return value
        at = self.axis % len(self.shape)
        if self.block:
            size = write.op("Reshape", write.op("Shape", self.source, start=at, end=at + 1), write.ints())
            places = write.op("Range", write.index(0), size, write.index(1))
            return write.op("Gather", value, write.op("Div", places, write.index(self.block)), axis=at)
        if sizes == (1,):
            return _scalar(write, value)
        return write.op("Reshape", value, write.ints(*[-1 if i == at else 1 for i in range(len(self.shape))]))
