"""Operations of StableHLO on free sizes, which the wheel's lowering leaves behind."""

from __future__ import annotations

import math
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, cf, linalg, tensor

from stratagem.compiler.frontends.stablehlo_scalars import extract_index, extract_scalar
from stratagem.compiler.frontends.stablehlo_sizes import read_comparison, read_element
from stratagem.compiler.ir import DYNAMIC


def lower_dimension_size(op: Any) -> None:
    """get_dimension_size -> tensor.dim as a 0-dimensional integer tensor."""
    dimension = ir.IntegerAttr(op.attributes["dimension"]).value
    kind = op.results[0].type
    with ir.InsertionPoint(op), op.location:
        size = tensor.DimOp(op.operands[0], _index(dimension)).result
        number = arith.IndexCastOp(kind.element_type, size).result
        op.results[0].replace_all_uses_with(tensor.FromElementsOp(kind, [number]).result)
    op.erase()


def lower_dynamic_broadcast(op: Any) -> None:
    """dynamic_broadcast_in_dim -> linalg.generic that repeats the operand.

    A free size of the operand is taken as not repeated, and asserted to be the result's: sizes that are
    sometimes 1 and sometimes not are the one case without a form.
    """
    operand, sizes = op.operands
    kind = ir.RankedTensorType(op.results[0].type)
    places = list(ir.DenseI64ArrayAttr(op.attributes["broadcast_dimensions"]))
    with ir.InsertionPoint(op), op.location:
        free = [_element(sizes, d) for d in range(kind.rank) if kind.is_dynamic_dim(d)]
        empty = tensor.EmptyOp(_shape(kind, free), kind.element_type).result
        expressions = []
        for source, place in enumerate(places):
            repeated = not operand.type.is_dynamic_dim(source) and operand.type.get_dim_size(source) == 1
            one_to_one = not repeated or _is_one(kind, place)
            expressions.append(ir.AffineDimExpr.get(place) if one_to_one else ir.AffineConstantExpr.get(0))
            if operand.type.is_dynamic_dim(source):
                _assert_equal(operand, source, empty, place)
        new = _copy(operand, empty, ir.AffineMap.get(kind.rank, 0, expressions))
        op.results[0].replace_all_uses_with(new)
    op.erase()


def lower_dynamic_reshape(op: Any) -> None:
    """dynamic_reshape -> tensor.collapse_shape into one dimension, and tensor.expand_shape from there."""
    operand, sizes = op.operands
    kind = ir.RankedTensorType(op.results[0].type)
    with ir.InsertionPoint(op), op.location:
        new = _flat(operand)
        if kind.rank == 0:
            one = ir.RankedTensorType.get([1], kind.element_type)
            new = tensor.CollapseShapeOp(kind, tensor.CastOp(one, new).result, []).result
        elif kind.rank > 1:
            elements = [_element(sizes, d) for d in range(kind.rank)]
            _assert_elements(new, elements)
            static = [int(kind.get_dim_size(d)) for d in range(kind.rank)]
            free = [e for d, e in enumerate(elements) if kind.is_dynamic_dim(d)]
            new = tensor.ExpandShapeOp(kind, new, [list(range(kind.rank))], free, static).result
        op.results[0].replace_all_uses_with(new if new.type == kind else tensor.CastOp(kind, new).result)
    op.erase()


def _flat(operand: Any) -> Any:
    """All elements in one dimension."""
    kind = operand.type
    if kind.rank == 1:
        return operand
    count = math.prod(kind.shape) if kind.has_static_shape else DYNAMIC
    flat = ir.RankedTensorType.get([count], kind.element_type)
    if kind.rank == 0:
        return tensor.ExpandShapeOp(flat, operand, [], [], [1]).result
    return tensor.CollapseShapeOp(flat, operand, [list(range(kind.rank))]).result


def _assert_elements(flat: Any, sizes: list[Any]) -> None:
    count = _index(1)
    for size in sizes:
        count = arith.MulIOp(count, size).result
    same = arith.CmpIOp(arith.CmpIPredicate.eq, count, tensor.DimOp(flat, _index(0)).result).result
    cf.AssertOp(same, ir.StringAttr.get("reshape: the new shape has another number of elements"))


def lower_shape_assertion(op: Any) -> None:
    """custom_call @shape_assertion(%p, sizes...) -> cf.assert; the sizes only decorate the message."""
    message = ir.StringAttr(op.attributes["error_message"]).value
    with ir.InsertionPoint(op), op.location:
        holds = read_comparison(op.operands[0])
        if holds is None:
            holds = extract_scalar(op.operands[0])
        cf.AssertOp(holds, ir.StringAttr.get(message.split(". Using")[0]))
    op.erase()


def has_known_sizes(op: Any) -> bool:
    """Whether a shape operand can be read as index arithmetic, which has to happen before it is lowered."""
    with ir.InsertionPoint(op), op.location:
        kind = ir.RankedTensorType(op.results[0].type)
        return all(read_element(op.operands[1], d) is not None for d in range(kind.rank))


def _element(sizes: Any, position: int) -> Any:
    """A size as an `index`: by arithmetic where it can be followed, else read from the tensor."""
    known = read_element(sizes, position)
    return extract_index(sizes, [_index(position)]) if known is None else known


def _copy(operand: Any, empty: Any, source: Any) -> Any:
    kind = empty.type
    maps = [ir.AffineMapAttr.get(m) for m in (source, ir.AffineMap.get_identity(kind.rank))]
    parallel = ir.Attribute.parse("#linalg.iterator_type<parallel>")
    generic = linalg.GenericOp(
        [kind], [operand], [empty], ir.ArrayAttr.get(maps), ir.ArrayAttr.get([parallel] * kind.rank)
    )
    here = ir.Location.current
    block = generic.regions[0].blocks.append(*[kind.element_type] * 2, arg_locs=[here, here])
    with ir.InsertionPoint(block):
        linalg.YieldOp([block.arguments[0]])
    return generic.results[0]


def _assert_equal(operand: Any, source: int, result: Any, place: int) -> None:
    left = tensor.DimOp(operand, _index(source)).result
    right = tensor.DimOp(result, _index(place)).result
    same = arith.CmpIOp(arith.CmpIPredicate.eq, left, right).result
    cf.AssertOp(
        same,
        ir.StringAttr.get(f"broadcast: free dimension {source} must equal dimension {place} of the result"),
    )


def _shape(kind: Any, free: list[Any]) -> list[Any]:
    sizes = iter(free)
    return [next(sizes) if kind.is_dynamic_dim(d) else kind.get_dim_size(d) for d in range(kind.rank)]


def _is_one(kind: Any, dimension: int) -> bool:
    return not kind.is_dynamic_dim(dimension) and kind.get_dim_size(dimension) == 1


def _index(number: int) -> Any:
    return arith.ConstantOp(ir.IndexType.get(), number).result
