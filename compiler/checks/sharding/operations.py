"""What operations that are no loop nests do to values: views, sizes, constants, and what ranks do together.

A rule returns the results, or None where it does not apply: the operation is some unknown function of its operands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from torch_mlir import ir

from stratagem.compiler.checks.sharding.collectives import cut, gathered, own_slice, reduced
from stratagem.compiler.checks.sharding.expressions import UNWRITTEN, Expression, Value, is_empty, whole_dim
from stratagem.compiler.checks.sharding.layouts import Factor, Factors, expanded, extent, merged
from stratagem.compiler.checks.sharding.sizes import Size, product
from stratagem.compiler.ir import DYNAMIC

if TYPE_CHECKING:
    from stratagem.compiler.checks.sharding.program import Reader

NO_BRACKETS = str.maketrans("", "", "[]")
"""The text of a dense constant without its shape: MLIR folds reshapes of constants."""
Rule = Callable[["Reader", Any, list[Value]], list[Value] | None]


def _constant(reader: Reader, op: Any, operands: list[Value]) -> list[Value] | None:
    """Numbers, tensors that hold one number everywhere, and others, whose shape is a view of their elements."""
    attribute, kind = op.attributes["value"], op.results[0].type
    if not isinstance(kind, ir.RankedTensorType):
        return [Value(reader.table.make(("constant", attribute), op))]
    if not isinstance(attribute, ir.DenseElementsAttr):
        return None
    dense = ir.DenseElementsAttr(attribute)
    if dense.is_splat:
        return [_everywhere(Value(reader.table.make(("constant", dense.get_splat_value()), op)), _known_sizes(kind))]
    elements = str(dense).rpartition(" : ")[0].translate(NO_BRACKETS)
    key = ("elements", kind.element_type, elements)
    return [_in_rows(reader.table.make(key, op), _known_sizes(kind))]


def _elements(reader: Reader, op: Any, operands: list[Value]) -> list[Value] | None:
    reader.same_everywhere(op, operands)
    kind = op.results[0].type
    key = ("elements", kind.element_type, tuple(operands))
    return [_in_rows(reader.table.make(key, op), _known_sizes(kind))]


def _splat(reader: Reader, op: Any, operands: list[Value]) -> list[Value] | None:
    sizes = _sizes(reader, op.results[0].type, iter(operands[1:]))
    return [_everywhere(operands[0], sizes)]


def _everywhere(number: Value, sizes: list[Size]) -> Value:
    return number._replace(dims=tuple(merged([Factor(n)]) for n in sizes))


def _in_rows(elements: Expression, sizes: list[Size]) -> Value:
    """A list of elements, row by row, as a tensor."""
    if any(n.number == 0 for n in sizes):
        return Value(elements, tuple((Factor(n),) for n in sizes))
    strides = [product(sizes[i + 1 :]) for i in range(len(sizes))]
    return Value(elements, tuple(merged([Factor(n, ((0, s),))]) for n, s in zip(sizes, strides, strict=True)))


def _known_sizes(kind: Any) -> list[Size]:
    return [Size(kind.get_dim_size(i)) for i in range(kind.rank)]


def _empty(reader: Reader, op: Any, operands: list[Value]) -> list[Value] | None:
    """Memory that nobody has written is the same everywhere: nothing may depend on it."""
    reader.same_everywhere(op, operands)
    sizes = _sizes(reader, op.results[0].type, iter(operands))
    return [_everywhere(Value(reader.table.make(UNWRITTEN, op)), sizes)]


def _sizes(reader: Reader, kind: Any, given: Iterator[Value]) -> list[Size]:
    """The sizes of a type; those that it leaves open stand in operands."""
    dynamic = [kind.is_dynamic_dim(i) for i in range(kind.rank)]
    return [reader.table.size_of(next(given)) if d else Size(kind.get_dim_size(i)) for i, d in enumerate(dynamic)]


def _dim(reader: Reader, op: Any, operands: list[Value]) -> list[Value] | None:
    at = reader.table.size_of(operands[1])
    if at.symbols or not 0 <= int(at.number) < len(operands[0].dims):
        return None
    size = extent(operands[0].dims[int(at.number)])
    return [Value(reader.table.index_of(size, op.results[0].type))]


def _cast(reader: Reader, op: Any, operands: list[Value]) -> list[Value] | None:
    """The same value; a size that the type knows now is that number."""
    kind = ir.RankedTensorType(op.results[0].type)
    dims = list(operands[0].dims)
    for dim, factors in enumerate(dims):
        if len(factors) == 1 and factors[0].size.symbols and not kind.is_dynamic_dim(dim):
            dims[dim] = merged([factors[0]._replace(size=Size(kind.get_dim_size(dim)))])
    return [operands[0]._replace(dims=tuple(dims))]


def _expand(reader: Reader, op: Any, operands: list[Value]) -> list[Value] | None:
    source = operands[0]
    if is_empty(source):
        return None
    static = list(ir.DenseI64ArrayAttr(op.attributes["static_output_shape"]))
    given = iter(operands[1:])
    sizes = [reader.table.size_of(next(given)) if n == DYNAMIC else Size(n) for n in static]
    dims: list[Factors] = [()] * len(sizes)
    for group, factors in zip(_groups(op), source.dims, strict=False):
        free = [i for i in group if static[i] == DYNAMIC]
        # One free size follows from the others, whatever computes it.
        parts = expanded(factors, [None if [i] == free else sizes[i] for i in group])
        if parts is None:
            reader.table.unaligned.add((source.expression, factors))
            return None
        for i, part in zip(group, parts, strict=True):
            dims[i] = part
    return [source._replace(dims=tuple(dims))]


def _collapse(reader: Reader, op: Any, operands: list[Value]) -> list[Value] | None:
    source = operands[0]
    if is_empty(source):
        return None
    dims = tuple(merged([f for i in group for f in source.dims[i]]) for group in _groups(op))
    return [source._replace(dims=dims)]


def _groups(op: Any) -> list[list[int]]:
    groups = ir.ArrayAttr(op.attributes["reassociation"])
    return [[int(ir.IntegerAttr(i).value) for i in ir.ArrayAttr(g)] for g in groups]


def _slice(reader: Reader, op: Any, operands: list[Value]) -> list[Value] | None:
    if len(operands) < 2 or is_empty(operands[0]):
        return None
    found = own_slice(op, operands, reader.ranks, reader.table.size_of)
    return None if found is None else [found]


def _index(reader: Reader, op: Any, operands: list[Value]) -> list[Value] | None:
    loop = ir.IntegerAttr(op.attributes["dim"]).value
    reader.counted.add(loop)
    return [Value(reader.table.make(("number of loop", loop)))]


def _rank(reader: Reader, op: Any, operands: list[Value]) -> list[Value] | None:
    reader.on_axis(op)
    return [Value(reader.table.make(("rank",), op), (), whole_dim(reader.ranks, 0))]


def _all_reduce(reader: Reader, op: Any, operands: list[Value]) -> list[Value] | None:
    reader.on_axis(op)
    found = None if is_empty(operands[0]) else reduced(reader.table, operands[0], _reduction(op), reader.ranks)
    return [found] if found is not None else _together(reader, op, operands[0])


def _all_gather(reader: Reader, op: Any, operands: list[Value]) -> list[Value] | None:
    reader.on_axis(op)
    found = gathered(operands[0], ir.IntegerAttr(op.attributes["dim"]).value, reader.ranks)
    reader.has_shape(op, found)
    return [found]


def _reduce_scatter(reader: Reader, op: Any, operands: list[Value]) -> list[Value] | None:
    reader.on_axis(op)
    dim = ir.IntegerAttr(op.attributes["dim"]).value
    whole = None if is_empty(operands[0]) else reduced(reader.table, operands[0], _reduction(op), reader.ranks)
    whole = whole if whole is not None else _together(reader, op, operands[0])[0]
    found = None if is_empty(whole) else cut(whole, dim, reader.ranks)
    if found is None:
        return None
    reader.has_shape(op, found)
    return [found]


def _reduction(op: Any) -> str:
    return str(ir.StringAttr(op.attributes["reduction"]).value)


def _together(reader: Reader, op: Any, operand: Value) -> list[Value]:
    """A reduction over the ranks that is part of no loop nest: a whole tensor of its own."""
    node = reader.table.make(("reduced over ranks", _reduction(op), operand), op)
    return [reader.table.as_it_is(node, op.operands[0].type)]


RULES: dict[str, Rule] = {
    "arith.constant": _constant,
    "tensor.from_elements": _elements,
    "tensor.splat": _splat,
    "tensor.empty": _empty,
    "tensor.dim": _dim,
    "tensor.cast": _cast,
    "tensor.expand_shape": _expand,
    "tensor.collapse_shape": _collapse,
    "tensor.extract_slice": _slice,
    "linalg.index": _index,
    "system.rank": _rank,
    "system.all_reduce": _all_reduce,
    "system.all_gather": _all_gather,
    "system.reduce_scatter": _reduce_scatter,
}
"""Operation -> its rule."""
