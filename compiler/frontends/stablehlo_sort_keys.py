"""Integers that order like floats do in the IEEE total order."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, tensor


def integer_keys(value: Any, canonical: bool) -> Any:
    """A tensor of signed integers whose order is the total order of the floats in `value`.

    The bits of a float, read as an integer, are in order for positive numbers and in reverse for negative
    ones; the latter are reflected. With `canonical`, -0 counts as +0 and every NaN as the positive quiet one.
    """
    kind = ir.RankedTensorType(value.type)
    integer = ir.IntegerType.get_signless(ir.FloatType(kind.element_type).width)
    sizes = [_size(value, kind, d) for d in range(kind.rank)]
    empty = tensor.EmptyOp(sizes, integer).result
    identity = ir.AffineMapAttr.get(ir.AffineMap.get_identity(kind.rank))
    parallel = ir.Attribute.parse("#linalg.iterator_type<parallel>")
    generic = linalg.GenericOp(
        [empty.type],
        [value],
        [empty],
        ir.ArrayAttr.get([identity] * 2),
        ir.ArrayAttr.get([parallel] * kind.rank),
    )
    here = ir.Location.current
    block = generic.regions[0].blocks.append(kind.element_type, integer, arg_locs=[here, here])
    with ir.InsertionPoint(block):
        number = block.arguments[0]
        linalg.YieldOp([_reflected(_canonical(number) if canonical else number, integer)])
    return generic.results[0]


def _canonical(number: Any) -> Any:
    zero = arith.ConstantOp(number.type, 0.0).result
    nan = arith.ConstantOp(number.type, float("nan")).result
    is_zero = arith.CmpFOp(arith.CmpFPredicate.OEQ, number, zero).result
    is_nan = arith.CmpFOp(arith.CmpFPredicate.UNO, number, number).result
    return arith.SelectOp(is_nan, nan, arith.SelectOp(is_zero, zero, number).result).result


def _reflected(number: Any, integer: Any) -> Any:
    bits = arith.BitcastOp(integer, number).result
    zero = arith.ConstantOp(integer, 0).result
    largest = arith.ConstantOp(integer, 2 ** (integer.width - 1) - 1).result
    is_negative = arith.CmpIOp(arith.CmpIPredicate.slt, bits, zero).result
    return arith.SelectOp(is_negative, arith.SubIOp(largest, bits).result, bits).result


def _size(value: Any, kind: Any, dimension: int) -> Any:
    if not kind.is_dynamic_dim(dimension):
        return kind.get_dim_size(dimension)
    return tensor.DimOp(value, arith.ConstantOp(ir.IndexType.get(), dimension).result).result
