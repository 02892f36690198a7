"""Index arithmetic at the insertion point: numbers stay Python ints, everything else becomes affine ops."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import affine, arith, tensor

Index = Any
"""An int, or an SSA value of type index."""


def constant(value: int) -> Any:
    return arith.ConstantOp(ir.IndexType.get(), value).result


def as_value(value: Index) -> Any:
    return constant(value) if isinstance(value, int) else value


def combine(terms: list[tuple[Index, int]], offset: int = 0) -> Index:
    """The sum of `factor * index` over `terms`, plus `offset`."""
    known = offset + sum(i * f for i, f in terms if isinstance(i, int))
    unknown = [(i, f) for i, f in terms if not isinstance(i, int) and f]
    if not unknown:
        return known
    if len(unknown) == 1 and unknown[0][1] == 1 and known == 0:
        return unknown[0][0]
    expression: Any = ir.AffineConstantExpr.get(known)
    for n, (_, factor) in enumerate(unknown):
        term = ir.AffineMulExpr.get(ir.AffineDimExpr.get(n), ir.AffineConstantExpr.get(factor))
        expression = ir.AffineAddExpr.get(expression, term)
    return _apply(expression, [i for i, _ in unknown])


def add(left: Index, right: Index) -> Index:
    return combine([(left, 1), (right, 1)])


def clamp(tile: int, extent: Index, start: Index) -> Index:
    """`min(tile, extent - start)`: the size of the tile that begins at `start`; `start` is a multiple of
    `tile`."""
    if tile == 1:
        return 1
    if isinstance(extent, int) and (extent % tile == 0 or isinstance(start, int)):
        return tile if extent % tile == 0 else min(tile, extent - start)
    d0, s0 = ir.AffineDimExpr.get(0), ir.AffineSymbolExpr.get(0)
    minus = ir.AffineMulExpr.get(d0, ir.AffineConstantExpr.get(-1))
    whole, operands = (ir.AffineConstantExpr.get(extent), [start]) if isinstance(extent, int) else (s0, [start, extent])
    results = [ir.AffineAddExpr.get(minus, whole), ir.AffineConstantExpr.get(tile)]
    bounded = ir.AffineMap.get(1, len(operands) - 1, results)
    return affine.AffineMinOp(ir.AffineMapAttr.get(bounded), operands).result


def _apply(expression: Any, operands: list[Any]) -> Any:
    mapped = ir.AffineMap.get(len(operands), 0, [expression])
    return affine.AffineApplyOp(ir.AffineMapAttr.get(mapped), operands).result


def dim(value: Any, position: int) -> Index:
    """Extent of a tensor's dimension: an int where static, else a tensor.dim op."""
    if not value.type.is_dynamic_dim(position):
        return int(value.type.get_dim_size(position))
    return tensor.DimOp(value, constant(position)).result
