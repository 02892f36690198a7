"""Sizes that StableHLO computes in small integer tensors, as index arithmetic.

JAX writes a free shape as `concatenate(reshape(get_dimension_size(x)), constant)`. Lowered as tensor maths
that becomes loops around one integer; read backwards from the element that is wanted, it is `tensor.dim`
and a constant.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch_mlir import ir
from torch_mlir.dialects import arith, tensor

_INTEGER_OPS: dict[str, Callable[..., Any]] = {
    "stablehlo.add": arith.AddIOp,
    "stablehlo.subtract": arith.SubIOp,
    "stablehlo.multiply": arith.MulIOp,
    "stablehlo.divide": arith.DivSIOp,
    "stablehlo.remainder": arith.RemSIOp,
    "stablehlo.maximum": arith.MaxSIOp,
    "stablehlo.minimum": arith.MinSIOp,
}
_SAME_ELEMENTS = ("stablehlo.reshape", "stablehlo.convert", "stablehlo.broadcast_in_dim")
_COMPARISONS = {"EQ": "eq", "NE": "ne", "GE": "sge", "GT": "sgt", "LE": "sle", "LT": "slt"}


def read_element(value: Any, position: int = 0) -> Any | None:
    """Element `position` of a 0- or 1-dimensional integer tensor as an `index`, made at the insertion point.

    None for tensors that do not come from sizes and constants by elementwise maths.
    """
    owner = _owner(value)
    if owner is None or ir.RankedTensorType(value.type).rank > 1:
        return None
    if owner.name == "stablehlo.constant":
        elements = np.array(ir.DenseIntElementsAttr(owner.attributes["value"])).reshape(-1)
        return constant(int(elements[position if elements.size > 1 else 0]))
    if owner.name == "stablehlo.get_dimension_size":
        dimension = ir.IntegerAttr(owner.attributes["dimension"]).value
        return tensor.DimOp(owner.operands[0], constant(dimension)).result
    if owner.name == "stablehlo.concatenate":
        return _read_concatenated(owner, position)
    if owner.name in _SAME_ELEMENTS:
        source = owner.operands[0]
        return read_element(source, position if ir.RankedTensorType(source.type).rank else 0)
    if owner.name in _INTEGER_OPS:
        left, right = (read_element(v, position) for v in owner.operands)
        return None if left is None or right is None else _INTEGER_OPS[owner.name](left, right).result
    return None


def read_comparison(value: Any) -> Any | None:
    """A 0-dimensional comparison of sizes as an `i1`, None for other booleans."""
    owner = _owner(value)
    if owner is None or owner.name != "stablehlo.compare":
        return None
    direction = str(owner.attributes["comparison_direction"]).rstrip(">").split()[-1]
    left, right = (read_element(v) for v in owner.operands)
    if left is None or right is None or direction not in _COMPARISONS:
        return None
    return arith.CmpIOp(getattr(arith.CmpIPredicate, _COMPARISONS[direction]), left, right).result


def constant(number: int) -> Any:
    """An `index` constant."""
    return arith.ConstantOp(ir.IndexType.get(), number).result


def _read_concatenated(owner: Any, position: int) -> Any | None:
    for part in owner.operands:
        kind = ir.RankedTensorType(part.type)
        if kind.is_dynamic_dim(0):
            return None
        if position < kind.get_dim_size(0):
            return read_element(part, position)
        position -= kind.get_dim_size(0)
    return None


def _owner(value: Any) -> Any | None:
    owner = value.owner
    return owner.operation if isinstance(owner, ir.Operation | ir.OpView) else None
