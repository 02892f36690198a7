"""Elementwise `linalg.generic` operations with numpy's broadcasting, for what no named operation says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, cf, linalg, tensor


def elementwise(operands: Sequence[Any], result: Any, body: Callable[..., Any]) -> Any:
    """A tensor of type `result`, whose elements are `body(*scalars)` of the operands' elements.

    Shapes broadcast as in numpy: missing leading dimensions and static sizes of 1 are repeated. Free sizes that meet
    must be equal, which the program asserts. Written at the current insertion point and location.
    """
    kind = ir.RankedTensorType(result)
    empty = tensor.EmptyOp(_sizes(operands, kind), kind.element_type).result
    maps = [_broadcasting(ir.RankedTensorType(o.type), kind.rank) for o in operands]
    maps.append(ir.AffineMap.get_identity(kind.rank))
    parallel = ir.Attribute.parse("#linalg.iterator_type<parallel>")
    generic = linalg.GenericOp(
        [empty.type],
        list(operands),
        [empty],
        ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in maps]),
        ir.ArrayAttr.get([parallel] * kind.rank),
    )
    elements = [ir.RankedTensorType(o.type).element_type for o in operands]
    here = ir.Location.current
    block = generic.regions[0].blocks.append(*elements, kind.element_type, arg_locs=[here] * (len(elements) + 1))
    with ir.InsertionPoint(block):
        linalg.YieldOp([body(*list(block.arguments)[:-1])])
    return generic.results[0] if empty.type == kind else tensor.CastOp(kind, generic.results[0]).result


def _broadcasting(kind: Any, rank: int) -> Any:
    """The indexing map of an operand: its dimensions are the last ones; those of size 1 are read at 0."""
    lead = rank - kind.rank
    places = [
        ir.AffineConstantExpr.get(0) if _is_one(kind, i) and rank else ir.AffineDimExpr.get(lead + i)
        for i in range(kind.rank)
    ]
    return ir.AffineMap.get(rank, 0, places)


def _sizes(operands: Sequence[Any], kind: Any) -> list[Any]:
    """The result's sizes; a free one is read from the operands, which have to agree."""
    return [_size(operands, kind, i) for i in range(kind.rank)]


def _size(operands: Sequence[Any], kind: Any, at: int) -> Any:
    found: Any = kind.get_dim_size(at) if not kind.is_dynamic_dim(at) else None
    for operand in operands:
        given = ir.RankedTensorType(operand.type)
        own = at - kind.rank + given.rank
        if own < 0 or not given.is_dynamic_dim(own):
            if own >= 0 and found is None and not _is_one(given, own):
                found = given.get_dim_size(own)
            continue
        size = tensor.DimOp(operand, _index(own)).result
        if found is None:
            found = size
            continue
        wanted = _index(found) if isinstance(found, int) else found
        same = arith.CmpIOp(arith.CmpIPredicate.eq, size, wanted).result
        cf.AssertOp(same, ir.StringAttr.get(f"operands of an elementwise operation differ in dimension {at}"))
    return 1 if found is None else found


def _is_one(kind: Any, at: int) -> bool:
    return not kind.is_dynamic_dim(at) and kind.get_dim_size(at) == 1


def _index(number: int) -> Any:
    return arith.ConstantOp(ir.IndexType.get(), number).result
