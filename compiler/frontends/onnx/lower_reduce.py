"""ReduceProd and CumProd along known axes: the wheel has the first for one axis of known sizes only, not the second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, tensor

from stratagem.compiler.frontends.onnx.call import Call
from stratagem.compiler.frontends.onnx.graph import describe
from stratagem.compiler.frontends.onnx.reshape import cast, index, take_dims
from stratagem.runtime.errors import UnsupportedError


def lower_product(call: Call) -> Sequence[Any]:
    """One linalg.generic that multiplies into ones; sizes of 1 are put back where `keepdims` wants them."""
    source, given = call.operands[0], call.attributes()
    kind = ir.RankedTensorType(source.type)
    axes = _axes(call, kind.rank)
    kept = [i for i in range(kind.rank) if i not in axes]
    sizes = [tensor.DimOp(source, index(i)).result if kind.is_dynamic_dim(i) else kind.get_dim_size(i) for i in kept]
    product = _multiplied(source, _ones(sizes, kind.element_type), kept)
    places = [i if i in kept else None for i in range(kind.rank)] if given.get("keepdims", 1) else kept
    laid = [None if p is None else kept.index(p) for p in places]
    return [take_dims(product, laid, call.types[0])]


def _axes(call: Call, rank: int) -> set[int]:
    name = call.node.input[1] if len(call.node.input) > 1 else ""
    constant = call.opaque.graph.constant(name) if name else None
    axes = set() if constant is None else {int(a) % rank for a in constant.reshape(-1)}
    everything = not axes and not call.attributes().get("noop_with_empty_axes", 0)
    return set(range(rank)) if everything else axes


def _multiplied(source: Any, ones: Any, kept: list[int]) -> Any:
    rank = ir.RankedTensorType(source.type).rank
    maps = [
        ir.AffineMap.get_identity(rank),
        ir.AffineMap.get(rank, 0, [ir.AffineDimExpr.get(i) for i in kept]),
    ]
    kinds = ["parallel" if i in kept else "reduction" for i in range(rank)]
    generic = linalg.GenericOp(
        [ones.type],
        [source],
        [ones],
        ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in maps]),
        ir.ArrayAttr.get([ir.Attribute.parse(f"#linalg.iterator_type<{k}>") for k in kinds]),
    )
    element, here = ir.RankedTensorType(source.type).element_type, ir.Location.current
    block = generic.regions[0].blocks.append(element, element, arg_locs=[here, here])
    with ir.InsertionPoint(block):
        linalg.YieldOp([_times(element)(block.arguments[1], block.arguments[0]).result])
    return generic.results[0]


def lower_cumulative_product(call: Call) -> Sequence[Any]:
    """A tm_tensor.scan that multiplies; an exclusive one begins with 1."""
    source = call.operands[0]
    kind = ir.RankedTensorType(source.type)
    axis = call.opaque.graph.constant(call.node.input[1])
    if axis is None:
        raise UnsupportedError(f"{describe(call.node)}: its axis is computed", hint="give it as a constant")
    at, exclusive = int(axis.reshape(-1)[0]) % kind.rank, call.attributes().get("exclusive", 0)
    sizes = [
        tensor.DimOp(source, index(i)).result if kind.is_dynamic_dim(i) else kind.get_dim_size(i)
        for i in range(kind.rank)
    ]
    outs = [_ones(sizes, kind.element_type), _ones([s for i, s in enumerate(sizes) if i != at], kind.element_type)]
    scan = ir.Operation.create(
        "tm_tensor.scan",
        [o.type for o in outs],
        [source, *outs],
        {
            "dimension": ir.IntegerAttr.get(ir.IntegerType.get_signless(64), at),
            "inclusive": ir.BoolAttr.get(not exclusive),
            "operandSegmentSizes": ir.DenseI32ArrayAttr.get([1, 2]),
        },
        regions=1,
    )
    here = ir.Location.current
    block = scan.regions[0].blocks.append(kind.element_type, kind.element_type, arg_locs=[here, here])
    with ir.InsertionPoint(block):
        product = _times(kind.element_type)(block.arguments[0], block.arguments[1]).result
        ir.Operation.create("tm_tensor.yield", operands=[product])
    return [cast(scan.results[0], call.types[0])]


def _ones(sizes: list[Any], element: Any) -> Any:
    one = ir.IntegerAttr if isinstance(element, ir.IntegerType) else ir.FloatAttr
    unit = arith.ConstantOp(element, one.get(element, 1)).result
    return linalg.fill(unit, outs=[tensor.EmptyOp(sizes, element).result])


def _times(element: Any) -> Any:
    return arith.MulIOp if isinstance(element, ir.IntegerType) else arith.MulFOp
