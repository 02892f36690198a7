"""ReduceProd along known axes: the wheel has it for one axis of known sizes only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, tensor

from stratagem.compiler.frontends.onnx.call import Call
from stratagem.compiler.frontends.onnx.reshape import index, take_dims


def lower_product(call: Call) -> Sequence[Any]:
    """One linalg.generic that multiplies into ones; sizes of 1 are put back where `keepdims` wants them."""
    source, given = call.operands[0], call.attributes()
    kind = ir.RankedTensorType(source.type)
    axes = _axes(call, kind.rank)
    kept = [i for i in range(kind.rank) if i not in axes]
    sizes = [
        tensor.DimOp(source, index(i)).result if kind.is_dynamic_dim(i) else kind.get_dim_size(i) for i in kept
    ]
    one = ir.IntegerAttr if isinstance(kind.element_type, ir.IntegerType) else ir.FloatAttr
    unit = arith.ConstantOp(kind.element_type, one.get(kind.element_type, 1)).result
    ones = linalg.fill(unit, outs=[tensor.EmptyOp(sizes, kind.element_type).result])
    product = _multiplied(source, ones, kept)
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
    times = arith.MulIOp if isinstance(element, ir.IntegerType) else arith.MulFOp
    with ir.InsertionPoint(block):
        linalg.YieldOp([times(block.arguments[1], block.arguments[0]).result])
    return generic.results[0]
