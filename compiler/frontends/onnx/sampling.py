"""RoiAlign and DeformConv: bilinear samples of an image at computed places, by gathers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from stratagem.compiler.frontends.onnx.graph import Graph, attributes
from stratagem.compiler.frontends.onnx.value import Value, value_of
from stratagem.compiler.frontends.onnx.writer import Writer

Taps = list[tuple[Value, Value]]
"""Pairs of an index (int64) and its weight."""


def deform_conv(graph: Graph, one: Any) -> Sequence[Any] | None:
    """DeformConv in two dimensions: samples for each point of the kernel, then a convolution of size 1 over them."""
    given, sizes = attributes(one), graph.shape_of(one.input[0])
    kind = graph.type_of(one.input[1])
    filters = kind.static if kind else None
    if sizes is None or len(sizes) != 4 or filters is None or not isinstance(sizes[1], int):
        return None
    write, names = Writer(graph, one.name or one.output[0]), [*one.input, "", ""][:5]
    source, weights, offset = (value_of(write, name) for name in names[:3])
    groups, points = given.get("offset_group", 1), filters[2] * filters[3]
    table = _table(source, groups, sizes[1])
    moved = _split(offset, groups, points * 2)
    shares = _split(value_of(write, names[4]), groups, points) if names[4] else None
    batch = source.size(0).count().reshape(-1, 1, 1, 1) * groups + source.of(range(groups)).cast(np.int64).reshape(
        1, groups, 1, 1
    )
    columns = []
    for point in range(points):
        taps = [_kernel_taps(moved, source, given, filters, point, axis) for axis in (0, 1)]
        sample = _bilinear(table, batch, taps, source)
        columns.append(sample * _at(shares, point).unsqueeze(-1) if shares is not None else sample)
    stacked = [c.unsqueeze(-1) for c in columns]  # [n, groups, h, w, c / groups, points]
    joined = stacked[0].apply("Concat", *stacked[1:], axis=-1).transpose(0, 1, 4, 5, 2, 3)
    shape = write.op("Concat", write.ints(0, sizes[1] * points), write.op("Shape", joined.name, start=4), axis=0)
    flat = write.op("Reshape", joined.name, shape)
    filters_flat = weights.reshape(filters[0], filters[1] * points, 1, 1)
    bias = [names[3]] if names[3] else []
    write.into(
        "Conv", [flat, filters_flat.name, *bias], one.output[0], group=given.get("group", 1), kernel_shape=[1, 1]
    )
    return write.nodes


def _table(source: Value, groups: int, channels: int) -> Value:
    """The image as rows [n * groups * h * w, channels / groups]."""
    write = source.write
    area = write.op("Shape", source.name, start=2)
    shape = write.op("Concat", write.ints(0, groups, channels // groups), area, axis=0)
    split = Value(write, write.op("Reshape", source.name, shape), source.dtype).transpose(0, 1, 3, 4, 2)
    return Value(write, write.op("Flatten", split.name, axis=4), source.dtype)


def _split(value: Value, groups: int, each: int) -> Value:
    """[n, groups * each, h, w] as [n, groups, each, h, w]."""
    write = value.write
    shape = write.op("Concat", write.ints(0, groups, each), write.op("Shape", value.name, start=2), axis=0)
    return Value(write, write.op("Reshape", value.name, shape), value.dtype)


def _at(value: Value, place: int) -> Value:
    return value.gather(Value(value.write, value.write.index(place), np.int64), 2)


def _kernel_taps(moved: Value, source: Value, given: dict[str, Any], filters: list[int], point: int, axis: int) -> Taps:
    """Neighbours along one axis of the places where a point of the kernel samples, [n, groups, h, w]."""
    stride, dilation = (given.get(k, [1, 1])[axis] for k in ("strides", "dilations"))
    begin = given.get("pads", [0] * 4)[axis]
    inside = (point // filters[3], point % filters[3])[axis]
    shift = _at(moved, 2 * point + axis)
    steps = shift.size(2 + axis).count() * stride + (inside * dilation - begin)
    laid = steps.cast(shift.dtype).reshape(*([-1, 1] if axis == 0 else [1, -1]))
    return linear_taps(shift + laid, source.size(2 + axis))


def linear_taps(at: Value, size: Value) -> Taps:
    """The two neighbours of each place with their weights; those outside 0 ... size - 1 weigh nothing."""
    whole = at.apply("Floor")
    found = []
    for offset, weight in ((0, whole + 1 - at), (1, at - whole)):
        index = whole.cast(np.int64) + offset
        outside = index.less(0).either((size - 1).less(index))
        found.append((index.between(0, size - 1), outside.where(weight * 0, weight)))
    return found


def _bilinear(table: Value, batch: Value, taps: list[Taps], source: Value) -> Value:
    total: Value | None = None
    for (row, above), (column, left) in product(*taps):
        place = (batch * source.size(2) + row) * source.size(3) + column
        part = table.gather(place, 0) * (above * left).unsqueeze(-1)
        total = part if total is None else total + part
    assert total is not None
    return total


def roi_align(graph: Graph, one: Any) -> Sequence[Any] | None:
    """RoiAlign with a given number of samples in each bin; with `sampling_ratio` 0 the regions decide it."""
    given, sizes = attributes(one), graph.shape_of(one.input[0])
    ratio = given.get("sampling_ratio", 0)
    if sizes is None or ratio <= 0:
        return None
    write = Writer(graph, one.name or one.output[0])
    source, regions, batch = (value_of(write, name) for name in one.input[:3])
    height, width = given.get("output_height", 1), given.get("output_width", 1)
    half = given.get("coordinate_transformation_mode", "half_pixel") == "half_pixel"
    scaled = regions * given.get("spatial_scale", 1.0) - (0.5 if half else 0.0)
    rows = _samples(scaled, 1, height, ratio, half, source.size(2))
    columns = _samples(scaled, 0, width, ratio, half, source.size(3))
    table = source.transpose(0, 2, 3, 1)
    table = Value(write, write.op("Flatten", table.name, axis=3), source.dtype)
    parts = []
    for (row, above), (column, left) in product(rows, columns):
        weight = above.reshape(-1, height * ratio, 1) * left.reshape(-1, 1, width * ratio)
        place = (batch.cast(np.int64).reshape(-1, 1, 1) * source.size(2) + row.reshape(-1, height * ratio, 1)) * (
            source.size(3)
        ) + column.reshape(-1, 1, width * ratio)
        parts.append(table.gather(place, 0) * weight.unsqueeze(-1))
    pooled = _pooled(parts, given.get("mode", "avg"), height, width, ratio)
    return pooled.transpose(0, 3, 1, 2).into(one.output[0])


def _samples(regions: Value, column: int, bins: int, ratio: int, half: bool, size: Value) -> Taps:
    """Neighbours of the samples along one axis, [regions, bins * ratio]; far outside they weigh nothing."""
    begin, end = regions.slice(1, column, column + 1), regions.slice(1, column + 2, column + 3)
    length = end - begin
    length = length if half else length.apply("Max", 1.0)
    at = begin + length * regions.of((np.arange(bins * ratio) + 0.5) / (bins * ratio))
    edge = size.cast(at.dtype)
    outside = at.less(-1.0).either(edge.less(at))
    cut = at.between(0.0, edge - 1)
    return [(index, outside.where(weight * 0, weight)) for index, weight in linear_taps(cut, size)]


def _pooled(parts: list[Value], mode: str, height: int, width: int, ratio: int) -> Value:
    """Bins of samples [regions, height * ratio, width * ratio, c]: means of what is interpolated, or largest shares."""
    kind = "Add" if mode == "avg" else "Max"
    total = parts[0]
    for part in parts[1:]:
        total = total.apply(kind, part)
    write = total.write
    shape = write.op(
        "Concat", write.ints(-1, height, ratio, width, ratio), write.op("Shape", total.name, start=3), axis=0
    )
    bins = write.op("Reshape", total.name, shape)
    reduce = "ReduceMean" if mode == "avg" else "ReduceMax"
    return Value(write, write.op(reduce, bins, write.ints(2, 4), keepdims=0), total.dtype)
