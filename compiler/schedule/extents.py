"""Sizes of values without the values: the extent of a result read from what determines it.

Kernels and their callers must know result sizes without keeping the op that makes the result, so extents are followed
through inits, slices and paddings down to values that stay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, tensor

from stratagem.compiler.ir import DYNAMIC
from stratagem.compiler.schedule import index
from stratagem.compiler.schedule.index import Index
from stratagem.compiler.schedule.structured import inits, is_structured, owner, segment_sizes


def extent(value: Any, position: int) -> Index:
    """The size of dimension `position` of `value`, computed at the insertion point from values that stay."""
    if not value.type.is_dynamic_dim(position):
        return int(value.type.get_dim_size(position))
    op = owner(value)
    if op is None:
        return index.dim(value, position)
    if is_structured(op) or op.name.startswith("linalg."):
        return extent(_tied_init(op, value), position)
    if op.name.startswith("tm_tensor."):
        first = len(op.operands) - len(op.results)  # destinations come last, one per result
        return extent(op.operands[first + list(op.results).index(value)], position)
    follow = _FOLLOW.get(op.name)
    return follow(op, position) if follow else index.dim(value, position)


def _tied_init(op: Any, value: Any) -> Any:
    position = next(i for i, r in enumerate(op.results) if r == value)
    return inits(op)[position]


def _empty(op: Any, position: int) -> Index:
    kind = op.results[0].type
    before = sum(kind.is_dynamic_dim(i) for i in range(position))
    return op.operands[before]


def _slice_size(op: Any, position: int) -> Index:
    sizes = slice_parts(op, 1)[1]
    kind = op.results[0].type
    if len(sizes) != kind.rank:
        return index.dim(op.results[0], position)
    return sizes[position]


def _pad(op: Any, position: int) -> Index:
    low, high = pad_amounts(op)
    return index.combine([(extent(op.operands[0], position), 1), (low[position], 1), (high[position], 1)])


def _concat(op: Any, position: int) -> Index:
    along = int(ir.IntegerAttr(op.attributes["dim"]).value)
    if position != along:
        return extent(op.operands[0], position)
    return index.combine([(extent(v, position), 1) for v in op.operands])


def _destination(position_of: int) -> Callable[[Any, int], Index]:
    return lambda op, position: extent(op.operands[position_of], position)


def _reshape(op: Any, position: int) -> Index:
    size = tensor.ExtractOp(op.operands[1], [index.constant(position)]).result
    return size if str(size.type) == "index" else arith.IndexCastOp(ir.IndexType.get(), size).result


_FOLLOW: dict[str, Callable[[Any, int], Index]] = {
    "tensor.empty": _empty,
    "tensor.generate": _empty,
    "tensor.splat": lambda op, position: op.operands[
        1 + sum(op.results[0].type.is_dynamic_dim(i) for i in range(position))
    ],
    "tensor.extract_slice": _slice_size,
    "tensor.pad": _pad,
    "tensor.concat": _concat,
    "tensor.insert_slice": _destination(1),
    "tensor.insert": _destination(1),
    "tensor.reshape": _reshape,
}


def _pick(static: Any, dynamic: list[Any]) -> list[Index]:
    remaining = iter(dynamic)
    return [next(remaining) if s == DYNAMIC else int(s) for s in static]


def slice_parts(op: Any, values: int) -> tuple[list[Index], list[Index], list[Index]]:
    """Offsets, sizes and strides of a slice op that has `values` tensor operands before them."""
    counts = segment_sizes(op)[values:]
    dynamic = list(op.operands)[values:]
    parts = []
    for key, count in zip(("static_offsets", "static_sizes", "static_strides"), counts, strict=True):
        parts.append(_pick(ir.DenseI64ArrayAttr(op.attributes[key]), dynamic[:count]))
        dynamic = dynamic[count:]
    return parts[0], parts[1], parts[2]


def kept_dims(sizes: list[Index], kind: Any) -> list[int]:
    """Which dimensions of a slice the smaller tensor of type `kind` has, in order; the others have size 1 (the rule of
    MLIR's `computeRankReductionMask`: from the left, a size that agrees is kept)."""
    kept: list[int] = []
    for dim, size in enumerate(sizes):
        if len(kept) == kind.rank:
            break
        static = None if kind.is_dynamic_dim(len(kept)) else int(kind.get_dim_size(len(kept)))
        if static == (size if isinstance(size, int) else None):
            kept.append(dim)
    return kept


def pad_amounts(op: Any) -> tuple[list[Index], list[Index]]:
    """Low and high padding of a tensor.pad, per dimension."""
    counts = segment_sizes(op)
    dynamic = list(op.operands)[1:]
    low = _pick(ir.DenseI64ArrayAttr(op.attributes["static_low"]), dynamic[: counts[1]])
    high = _pick(ir.DenseI64ArrayAttr(op.attributes["static_high"]), dynamic[counts[1] :])
    return low, high
