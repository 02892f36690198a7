"""Complex tensors at the border of a program: one more dimension, of size 2, holds real and imaginary part.

That is how arrays of complex numbers lie in memory, so callers' data is taken as it is.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, tensor

from stratagem.compiler.ir import DYNAMIC


def parts_type(kind: Any) -> Any:
    """tensor<5xcomplex<f32>> -> tensor<5x2xf32>."""
    return ir.RankedTensorType.get([*kind.shape, 2], ir.ComplexType(kind.element_type).element_type)


def split_parts(value: Any) -> tuple[Any, Any]:
    """tensor<5x2xf32> -> its real and its imaginary part, tensor<5xf32> each, at the insertion point."""
    sizes = _sizes(value, value.type.rank - 1)
    if 0 in sizes:  # no slice of an empty dimension is in bounds
        empty = tensor.EmptyOp(sizes, value.type.element_type).result
        return empty, empty
    real, imaginary = (_part(value, number, sizes) for number in (0, 1))
    return real, imaginary


def join_parts(real: Any, imaginary: Any) -> Any:
    """The inverse of `split_parts`."""
    sizes = _sizes(real, real.type.rank)
    joined = tensor.EmptyOp([*sizes, 2], real.type.element_type).result
    for number, part in () if 0 in sizes else enumerate((real, imaginary)):
        offsets, static_sizes, strides = _place(number, sizes)
        free = [s for s in sizes if not isinstance(s, int)]
        joined = tensor.InsertSliceOp(part, joined, [], free, [], offsets, static_sizes, strides).result
    return joined


def _part(value: Any, number: int, sizes: list[Any]) -> Any:
    kind = ir.RankedTensorType.get(list(value.type.shape)[:-1], value.type.element_type)
    free = [s for s in sizes if not isinstance(s, int)]
    return tensor.ExtractSliceOp(kind, value, [], free, [], *_place(number, sizes)).result


def _place(number: int, sizes: list[Any]) -> tuple[Any, Any, Any]:
    """Static offsets, sizes and strides of part `number`."""
    static = [s if isinstance(s, int) else int(DYNAMIC) for s in sizes]
    offsets = ir.DenseI64ArrayAttr.get([0] * len(sizes) + [number])
    return offsets, ir.DenseI64ArrayAttr.get([*static, 1]), ir.DenseI64ArrayAttr.get([1] * (len(sizes) + 1))


def _sizes(value: Any, rank: int) -> list[Any]:
    kind = value.type
    return [_free_size(value, d) if kind.is_dynamic_dim(d) else int(kind.get_dim_size(d)) for d in range(rank)]


def _free_size(value: Any, dimension: int) -> Any:
    return tensor.DimOp(value, arith.ConstantOp(ir.IndexType.get(), dimension).result).result
