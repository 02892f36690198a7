"""Operators whose axes or steps are computed when the program runs, by ones whose axes are known.

These rewrites run once nothing more becomes constant. A reduction along computed axes is a chain of conditions: along
each dimension in turn, the value is reduced if the dimension is among the axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import helper

from stratagem.compiler.frontends.onnx.graph import ASSERT, Graph, TensorType, attributes, describe, node
from stratagem.compiler.frontends.onnx.writer import Writer

_LAST = np.iinfo(np.int64).max
_STEPWISE = {
    "ReduceSum": "ReduceSum", "ReduceMean": "ReduceSum", "ReduceMax": "ReduceMax", "ReduceMin": "ReduceMin",
    "ReduceProd": "ReduceProd", "ReduceL1": "ReduceSum", "ReduceL2": "ReduceSum", "ReduceLogSum": "ReduceSum",
    "ReduceSumSquare": "ReduceSum", "ReduceLogSumExp": "ReduceLogSumExp",
}  # fmt: skip
"""Reduction -> what is done along one dimension after the other."""
REDUCTIONS = frozenset(_STEPWISE)


@dataclass
class _Axes:
    """Which of `rank` dimensions a vector of `count` axes names: `hits` holds 1 for each that is named, else 0."""

    write: Writer
    rank: int
    count: int
    hits: str

    def sizes_left(self, sizes: str) -> str:
        """The vector of those `sizes` that belong to dimensions not named, in order."""
        write = self.write
        kept = write.op("Sub", write.const(np.ones(self.rank, np.int64)), self.hits)
        below = write.const(np.tril(np.ones((self.rank, self.rank), np.int64)))
        place = write.op("ReduceSum", write.op("Mul", below, kept), write.ints(1), keepdims=0)
        wanted = write.const(np.arange(1, self.rank - self.count + 1, dtype=np.int64).reshape(-1, 1))
        here = write.op("Mul", write.op("Cast", write.op("Equal", place, wanted), to=_INT64), kept)
        return write.op("ReduceSum", write.op("Mul", here, sizes), write.ints(1), keepdims=0)

    def checked(self, value: str, one: Any) -> str:
        """`value`, once the program knows that the axes differ."""
        total = self.write.op("ReduceSum", self.hits, self.write.ints(0), keepdims=0)
        differ = self.write.op("Equal", total, self.write.index(self.count))
        return _assert(self.write, differ, value, f"{describe(one)}: its axes must differ")


_INT64 = 7


def reduce_along_computed_axes(graph: Graph, one: Any) -> Sequence[Any] | None:
    """One of ReduceSum ... ReduceLogSumExp whose axes are not constant, their number known."""
    given, kind = attributes(one), graph.type_of(one.input[0])
    count = _count(graph, one, 1)
    if count is None or kind is None or kind.shape is None:
        return None
    write = Writer(graph, one.name or one.output[0])
    source = one.input[0]
    if count == 0:
        reduced = [] if given.get("noop_with_empty_axes", 0) else list(range(len(kind.shape)))
        kept = {"keepdims": given.get("keepdims", 1), "noop_with_empty_axes": 1}
        write.into(one.op_type, [source, write.ints(*reduced)], one.output[0], **kept)
        return write.nodes
    axes = _axes(write, one.input[1], len(kind.shape), count)
    value = axes.checked(_before(write, one.op_type, source), one)
    for axis, size in enumerate(kind.shape):
        if size != 1:
            value = _reduced_if(write, _STEPWISE[one.op_type], value, axes, axis, kind.element)
    value = _after(write, one.op_type, value, axes, source, kind)
    if given.get("keepdims", 1):
        write.into("Identity", [value], one.output[0])
    else:
        shape = axes.sizes_left(write.op("Shape", source))
        write.into("Reshape", [value, shape], one.output[0], allowzero=1)
    return write.nodes


def _count(graph: Graph, one: Any, position: int) -> int | None:
    """How many axes there are; None where they are constant, left out, or their number is not known."""
    if len(one.input) <= position or not one.input[position] or graph.constant(one.input[position]) is not None:
        return None
    sizes = graph.shape_of(one.input[position])
    return sizes[0] if sizes and isinstance(sizes[0], int) else None


def _axes(write: Writer, axes: str, rank: int, count: int) -> _Axes:
    named = write.op("Reshape", axes, write.ints(count, 1))
    named = write.op("Where", write.op("Less", named, write.index(0)), write.op("Add", named, write.index(rank)), named)
    equal = write.op("Equal", named, write.const(np.arange(rank, dtype=np.int64)))
    times = write.op("ReduceSum", write.op("Cast", equal, to=_INT64), write.ints(0), keepdims=0)
    return _Axes(write, rank, count, write.op("Min", times, write.index(1)))


def _reduced_if(write: Writer, kind: str, value: str, axes: _Axes, axis: int, element: int) -> str:
    """`value` reduced along `axis`, if that is among the axes; its size then is 1."""
    hit = write.op("Equal", write.op("Gather", axes.hits, write.index(axis)), write.index(1))
    reduction = node(kind, [value, write.ints(axis)], [""], write.label, keepdims=1)
    return applied_if(write, hit, value, reduction, element)


def cumulate_along_computed_axis(graph: Graph, one: Any) -> Sequence[Any] | None:
    """CumSum or CumProd along an axis that is not constant."""
    kind = graph.type_of(one.input[0])
    if kind is None or not kind.shape or graph.constant(one.input[1]) is not None:
        return None
    write, given = Writer(graph, one.name or one.output[0]), attributes(one)
    rank = len(kind.shape)
    if rank == 1:
        write.into(one.op_type, [one.input[0], write.index(0)], one.output[0], **given)
        return write.nodes
    value = one.input[0]
    for d in range(rank):
        sums = node(one.op_type, [value, write.index(d)], [""], write.label, **given)
        value = applied_if(write, axis_is(write, one.input[1], d, rank), value, sums, kind.element)
    write.into("Identity", [value], one.output[0])
    return write.nodes


def axis_is(write: Writer, axis: str, d: int, rank: int) -> str:
    """Whether an axis, one computed integer, is dimension `d` of `rank`."""
    one = write.op("Reshape", write.op("Cast", axis, to=_INT64), write.ints())
    forwards, backwards = (write.op("Equal", one, write.index(place)) for place in (d, d - rank))
    return write.op("Or", forwards, backwards)


def applied_if(write: Writer, holds: str, value: str, applied: Any, element: int) -> str:
    """What `applied`, which reads `value`, computes if `holds`; else `value`. Both have the element type `element`."""
    branches = {}
    for branch, kept in (("then_branch", applied), ("else_branch", node("Identity", [value], [""], write.label))):
        kept.output[0] = write.graph.new_name(f"{write.label}/{branch}")
        output = helper.make_value_info(kept.output[0], helper.make_tensor_type_proto(element, None))
        branches[branch] = helper.make_graph([kept], branch, [], [output])
    return write.op("If", holds, **branches)


def _before(write: Writer, kind: str, value: str) -> str:
    if kind == "ReduceL1":
        return write.op("Abs", value)
    return write.op("Mul", value, value) if kind in ("ReduceL2", "ReduceSumSquare") else value


def _after(write: Writer, kind: str, value: str, axes: _Axes, source: str, of: TensorType) -> str:
    if kind == "ReduceMean":
        sizes = write.op(
            "Where", write.op("Equal", axes.hits, write.index(1)), write.op("Shape", source), write.index(1)
        )
        total = write.op("ReduceProd", sizes, write.ints(0), keepdims=0)
        return write.op("Div", value, write.op("Cast", total, to=of.element))
    if kind == "ReduceL2":
        return write.op("Sqrt", value)
    return write.op("Log", value) if kind == "ReduceLogSum" else value


def squeeze_computed_axes(graph: Graph, one: Any) -> Sequence[Any] | None:
    """Squeeze of axes that are not constant: the sizes removed are checked to be 1."""
    sizes, count = graph.shape_of(one.input[0]), _count(graph, one, 1)
    if sizes is None or count is None:
        return None
    write = Writer(graph, one.name or one.output[0])
    axes = _axes(write, one.input[1], len(sizes), count)
    shape = write.op("Shape", one.input[0])
    excess = write.op("Mul", axes.hits, write.op("Sub", shape, write.index(1)))
    more = write.op("ReduceSum", write.op("Abs", excess), write.ints(0), keepdims=0)
    are_ones = write.op("Equal", more, write.index(0))
    value = _assert(
        write, are_ones, axes.checked(one.input[0], one), f"{describe(one)}: the sizes it removes must be 1"
    )
    write.into("Reshape", [value, axes.sizes_left(shape)], one.output[0], allowzero=1)
    return write.nodes


def unsqueeze_computed_axes(graph: Graph, one: Any) -> Sequence[Any] | None:
    """Unsqueeze of axes that are not constant."""
    sizes, count = graph.shape_of(one.input[0]), _count(graph, one, 1)
    if sizes is None or count is None:
        return None
    write = Writer(graph, one.name or one.output[0])
    rank = len(sizes) + count
    axes = _axes(write, one.input[1], rank, count)
    value, unit = axes.checked(one.input[0], one), write.ints(1)
    if not sizes:
        shape = write.ints(*[1] * rank)
    else:
        kept = write.op("Sub", unit, axes.hits)
        before = write.const(np.tril(np.ones((rank, rank), np.int64), -1))
        place = write.op("ReduceSum", write.op("Mul", before, kept), unit, keepdims=0)
        given = write.op("Gather", write.op("Shape", one.input[0]), write.op("Min", place, write.index(len(sizes) - 1)))
        shape = write.op("Where", write.op("Equal", axes.hits, unit), unit, given)
    write.into("Reshape", [value, shape], one.output[0], allowzero=1)
    return write.nodes


def slice_along_computed_axes(graph: Graph, one: Any) -> Sequence[Any] | None:
    """Slice whose axes or steps are not constant: along each dimension a Gather of the places that it takes."""
    sizes, count = graph.shape_of(one.input[0]), _length(graph, one.input[1])
    computed = [n for n in one.input[3:5] if n and graph.constant(n) is None]
    if sizes is None or count is None or not computed:
        return None
    rank = len(sizes)
    write = Writer(graph, one.name or one.output[0])
    named = list(one.input[3:4]) if len(one.input) > 3 and one.input[3] else [write.ints(*range(count))]
    axes = write.op("Reshape", named[0], write.ints(count, 1))
    axes = write.op("Where", write.op("Less", axes, write.index(0)), write.op("Add", axes, write.index(rank)), axes)
    here = write.op("Equal", axes, write.const(np.arange(rank, dtype=np.int64)))
    steps = one.input[4] if len(one.input) > 4 and one.input[4] else write.const(np.ones(count, np.int64))
    begin, end, step = (
        _by_dimension(write, here, value, count, default)
        for value, default in ((one.input[1], 0), (one.input[2], _LAST), (steps, 1))
    )
    value = one.input[0]
    for axis in range(rank):
        at = write.index(axis)
        first, last, stride = (write.op("Gather", v, at) for v in (begin, end, step))
        size = write.op("Reshape", write.op("Shape", one.input[0], start=axis, end=axis + 1), write.ints())
        value = write.op("Gather", value, _places(write, first, last, stride, size), axis=axis)
    write.into("Identity", [value], one.output[0])
    return write.nodes


def _length(graph: Graph, name: str) -> int | None:
    sizes = graph.shape_of(name)
    return sizes[0] if sizes and isinstance(sizes[0], int) else None


def _by_dimension(write: Writer, here: str, value: str, count: int, default: int) -> str:
    """For each dimension the entry of `value` that `here` ([count, rank]) gives it, or `default`."""
    column = write.op("Reshape", write.op("Cast", value, to=_INT64), write.ints(count, 1))
    entries = write.op("Where", here, column, write.index(0))
    found = write.op("ReduceMax", write.op("Cast", here, to=_INT64), write.ints(0), keepdims=0)
    total = write.op("ReduceSum", entries, write.ints(0), keepdims=0)
    return write.op("Where", write.op("Equal", found, write.index(1)), total, write.index(default))


def _places(write: Writer, begin: str, end: str, step: str, size: str) -> str:
    """The indices from `begin` to before `end`, in ONNX's reading: negative ones count from the end, others are cut."""
    zero, one = write.index(0), write.index(1)
    backwards = write.op("Less", step, zero)
    top = write.op("Where", backwards, write.op("Sub", size, one), size)
    low = write.op("Where", backwards, write.index(-1), zero)

    def inside(place: str, least: str) -> str:
        counted = write.op("Where", write.op("Less", place, zero), write.op("Add", place, size), place)
        return write.op("Max", write.op("Min", counted, top), least)

    first, last = inside(begin, zero), inside(end, low)
    distance, stride = write.op("Sub", last, first), write.op("Abs", step)
    span = write.op("Where", backwards, write.op("Neg", distance), distance)
    rounded = write.op("Add", write.op("Max", span, zero), write.op("Sub", stride, one))
    count = write.op("Div", rounded, stride)
    return write.op("Add", first, write.op("Mul", write.op("Range", zero, count, one), step))


def _assert(write: Writer, holds: str, value: str, message: str) -> str:
    out = write.graph.new_name(f"{write.label}/checked")
    write.nodes.append(node(ASSERT, [holds, value], [out], write.label, expects=1, message=message))
    return out
