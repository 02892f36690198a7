"""MatMulInteger: a product of bytes, with the zero points taken off its sums instead of its factors.

    sum_k (a - p)(b - q) = sum_k a b - q sum_k a - p sum_k (b - q)

Exact in integers modulo 2^32, which is what sums of 32 bits are. The factors stay bytes, which processors multiply
faster than wider integers; sums of a weight are computed once, when the model is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, tensor

from stratagem.compiler.frontends.onnx.call import Call
from stratagem.compiler.frontends.onnx.graph import Graph
from stratagem.compiler.frontends.onnx.reshape import cast, index
from stratagem.compiler.frontends.onnx.writer import Writer
from stratagem.compiler.lemmas.registry import rests_on

_WIDE, _UNSIGNED = onnx.TensorProto.INT32, onnx.TensorProto.UINT8


def integer_product(graph: Graph, one: Any) -> Sequence[Any] | None:
    """MatMulInteger `[..., m, k] x [k, n]` with zero points, or more than two dimensions, as a product of matrices."""
    left, right = graph.shape_of(one.input[0]), graph.shape_of(one.input[1])
    points = [one.input[i] if len(one.input) > i else "" for i in (2, 3)]
    given = [p for p in points if p]
    if left is None or right is None or len(left) < 2 or len(right) != 2 or not (given or len(left) > 2):
        return None
    if len(left) > 2 and (not all(isinstance(n, int) and n > 0 for n in right) or not _is_one(graph, points[0])):
        return None
    write = Writer(graph, one.name or one.output[0])
    if len(left) == 2:
        write.into("Identity", [_without_points(graph, write, one.input[0], one.input[1], points)], one.output[0])
        return write.nodes
    rows = write.op("Reshape", one.input[0], write.const(np.array([-1, right[0]], np.int64)))
    leading = write.op("Shape", one.input[0], start=0, end=len(left) - 1)
    shape = write.op("Concat", leading, write.const(np.array([right[1]], np.int64)), axis=0)
    product = _without_points(graph, write, rows, one.input[1], points)
    write.into("Reshape", [product, shape], one.output[0], allowzero=1)
    return write.nodes


@rests_on("moved-factors")
def _without_points(graph: Graph, write: Writer, rows: str, columns: str, points: Sequence[str]) -> str:
    """The product of two matrices of bytes less what their zero points, one or one per row or column, add to it."""
    product = write.op("MatMulInteger", rows, columns)
    wide = write.op("Cast", columns, to=_WIDE)
    if _matters(graph, points[1]):
        zero = write.op("Reshape", write.op("Cast", points[1], to=_WIDE), write.ints(1, -1))
        sums = write.op("ReduceSum", write.op("Cast", rows, to=_WIDE), write.ints(1), keepdims=1)
        product = write.op("Sub", product, write.op("Mul", sums, zero))
        wide = write.op("Sub", wide, zero)
    if _matters(graph, points[0]):
        zero = write.op("Reshape", write.op("Cast", points[0], to=_WIDE), write.ints(-1, 1))
        sums = write.op("ReduceSum", wide, write.ints(0), keepdims=1)
        product = write.op("Sub", product, write.op("Mul", zero, sums))
    return product


def _matters(graph: Graph, point: str) -> bool:
    """Whether a zero point is there and not known to be zero."""
    value = graph.constant(point) if point else np.zeros(())
    return value is None or bool(np.any(value))


def _is_one(graph: Graph, point: str) -> bool:
    """Whether a zero point is one number, or there is none."""
    return not point or graph.shape_of(point) in ((), (1,))


def is_integer_product(graph: Graph, one: Any) -> bool:
    """Whether a MatMulInteger is a plain product of two matrices."""
    return len([i for i in one.input if i]) == 2 and all(len(graph.shape_of(i) or ()) == 2 for i in one.input[:2])


def lower_integer_product(call: Call) -> Sequence[Any]:
    """One linalg.generic that extends bytes by their signs and sums in i32."""
    a, b = call.operands
    wide = ir.RankedTensorType(call.types[0]).element_type
    kinds = [call.opaque.graph.type_of(name) for name in call.node.input[:2]]
    sizes = [_size(a, 0), _size(b, 1)]
    zero = arith.ConstantOp(wide, ir.IntegerAttr.get(wide, 0)).result
    start = linalg.fill(zero, outs=[tensor.EmptyOp(sizes, wide).result])
    m, n, k = (ir.AffineDimExpr.get(i) for i in range(3))
    maps = [ir.AffineMap.get(3, 0, places) for places in ([m, k], [k, n], [m, n])]
    iterators = ("parallel", "parallel", "reduction")
    generic = linalg.GenericOp(
        [start.type],
        [a, b],
        [start],
        ir.ArrayAttr.get([ir.AffineMapAttr.get(one) for one in maps]),
        ir.ArrayAttr.get([ir.Attribute.parse(f"#linalg.iterator_type<{one}>") for one in iterators]),
    )
    elements, here = [ir.RankedTensorType(x.type).element_type for x in (a, b)], ir.Location.current
    block = generic.regions[0].blocks.append(*elements, wide, arg_locs=[here] * 3)
    with ir.InsertionPoint(block):
        factors = [
            (arith.ExtUIOp if kind is not None and kind.element == _UNSIGNED else arith.ExtSIOp)(wide, value).result
            for kind, value in zip(kinds, list(block.arguments)[:2], strict=True)
        ]
        linalg.YieldOp([arith.AddIOp(block.arguments[2], arith.MulIOp(*factors).result).result])
    return [cast(generic.results[0], call.types[0])]


def _size(value: Any, at: int) -> Any:
    """A size, as a number where it is known."""
    kind = ir.RankedTensorType(value.type)
    return tensor.DimOp(value, index(at)).result if kind.is_dynamic_dim(at) else kind.get_dim_size(at)
