"""What collectives, and slices at the rank's place, do to values; None where a value does not say enough."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.checks.sharding.expressions import Expressions, Value
from stratagem.compiler.checks.sharding.folding import folded_over_ranks
from stratagem.compiler.checks.sharding.layouts import Factor, added, bound_by, extent, merged, refined, split
from stratagem.compiler.checks.sharding.nests import IDEMPOTENT
from stratagem.compiler.checks.sharding.sizes import ONE, Size
from stratagem.compiler.ir import DYNAMIC


def reduced(table: Expressions, value: Value, reduction: str, ranks: Size) -> Value | None:
    """The `reduction` of all ranks' values."""
    if not value.bound and reduction in IDEMPOTENT:
        return value
    if value.expression.key[0] == "view":
        return _reduced_under_view(table, value, reduction, ranks)
    return folded_over_ranks(table, value, reduction, ranks)


def _reduced_under_view(table: Expressions, value: Value, reduction: str, ranks: Size) -> Value | None:
    """The same for a value whose dimensions are partly merged ones (`Expressions.viewed`)."""
    _, expression, merged_dims = value.expression.key
    count = len(merged_dims)
    found = folded_over_ranks(table, Value(expression, (*merged_dims, *value.dims), value.bound), reduction, ranks)
    if found is None or list(found.dims[:count]) != sorted(set(found.dims[:count])):
        return None
    table.unaligned |= {(found.expression, factors) for factors in found.dims[:count]}
    view = table.make(("view", found.expression, found.dims[:count]), value.expression.op)
    return Value(view, found.dims[count:])


def gathered(value: Value, dim: int, ranks: Size) -> Value:
    """All ranks' values, one behind the other along `dim`."""
    dims = list(value.dims)
    dims[dim] = merged([*(value.bound or (Factor(ranks),)), *dims[dim]])
    return Value(value.expression, tuple(dims))


def cut(value: Value, dim: int, ranks: Size) -> Value | None:
    """The rank's part of a value that was cut along `dim` in equal parts."""
    total = extent(value.dims[dim])
    if not total.is_multiple_of(ranks):
        return None
    parts = split(value.dims[dim], total.over(ranks))
    if parts is None:
        return None
    counted = refined([parts[0], value.bound]) if value.bound else [(f.size, (f.terms, ())) for f in parts[0]]
    if counted is None:
        return None
    bound = bound_by([Factor(size, added(one, two)) for size, (one, two) in counted])
    return Value(value.expression, (*value.dims[:dim], merged(parts[1]), *value.dims[dim + 1 :]), bound)


FIELDS = ("offsets", "sizes", "strides")


def own_slice(op: Any, operands: list[Value], ranks: Size, size_of: Any) -> Value | None:
    """`tensor.extract_slice` of the rank's own place of a dimension of `ranks` places, and the whole of all others.

    `size_of` tells the size that an index stands for.
    """
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
