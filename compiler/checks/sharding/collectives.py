"""What collectives, and slices at the rank's place, do to values; None where a value does not say enough."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.checks.sharding.expressions import Expressions, Value, on_rank
from stratagem.compiler.checks.sharding.layouts import Factor, extent, merged, split
from stratagem.compiler.checks.sharding.nests import IDEMPOTENT, folded_over_ranks
from stratagem.compiler.checks.sharding.sizes import ONE, Size
from stratagem.compiler.ir import DYNAMIC


def reduced(table: Expressions, value: Value, reduction: str, ranks: Size) -> Value | None:
    """The `reduction` of all ranks' values."""
    if not value.bound and reduction in IDEMPOTENT:
        return value
    return folded_over_ranks(table, value, reduction, ranks)


def gathered(value: Value, dim: int, ranks: Size) -> Value:
    """All ranks' values, one behind the other along `dim`."""
    dims = list(value.dims)
    dims[dim] = merged([Factor(ranks, value.bound), *dims[dim]])
    return Value(value.expression, tuple(dims))


def cut(value: Value, dim: int, ranks: Size) -> Value | None:
    """The rank's part of a value that was cut along `dim` in equal parts."""
    total = extent(value.dims[dim])
    if not total.is_multiple_of(ranks):
        return None
    parts = split(value.dims[dim], total.over(ranks))
    if parts is None:
        return None
    outer, inner = merged(parts[0]), merged(parts[1])
    if len(outer) != 1:
        return None
    return on_rank(value._replace(dims=(*value.dims[:dim], inner, *value.dims[dim + 1 :])), outer[0].terms)


FIELDS = ("offsets", "sizes", "strides")


def own_slice(op: Any, operands: list[Value], ranks: Size, size_of: Any) -> Value | None:
    """`tensor.extract_slice` of one place of a dimension of `ranks` places: the rank's own, and the whole of all others.
    `size_of` tells the size that an index stands for."""
    source, rest = operands[0], operands[1:]
    groups = list(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"]))
    offsets, sizes, strides = (list(ir.DenseI64ArrayAttr(op.attributes[f"static_{n}"])) for n in FIELDS)
    if groups[1] != 1 or rest[0].expression.key[0] != "rank" or any(n != 1 for n in strides):
        return None
    if ir.RankedTensorType(op.results[0].type).rank != len(offsets):
        return None
    given = iter(rest[1:])
    wanted = [size_of(next(given)) if n == DYNAMIC else Size(n) for n in sizes]
    for dim, (offset, size) in enumerate(zip(offsets, wanted, strict=True)):
        is_whole = offset == 0 and size == extent(source.dims[dim])
        is_own = offset == DYNAMIC and size == ONE and extent(source.dims[dim]) == ranks
        if not (is_whole or is_own):
            return None
    return cut(source, offsets.index(DYNAMIC), ranks)
