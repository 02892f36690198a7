"""Col2Im: the columns' elements are added where they lie in the image; image and block may be computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stratagem.compiler.frontends.onnx.graph import Graph, attributes
from stratagem.compiler.frontends.onnx.value import Value, value_of
from stratagem.compiler.frontends.onnx.writer import Writer


def col2im(graph: Graph, one: Any) -> Sequence[Any] | None:
    """Y[n, c, image...] from X[n, c * block, places] by a ScatterElements into the padded image, laid flat."""
    lengths, given = graph.shape_of(one.input[1]), attributes(one)
    if not lengths or not isinstance(lengths[0], int):
        return None
    write, n = Writer(graph, one.name or one.output[0]), lengths[0]
    source = value_of(write, one.input[0])
    strides, dilations = (list(given.get(k, [1] * n)) for k in ("strides", "dilations"))
    pads = list(given.get("pads", [0] * (2 * n)))
    image, block = ([_entry(write, name, i) for i in range(n)] for name in one.input[1:3])
    padded = [size + (pads[i] + pads[n + i]) for i, size in enumerate(image)]
    steps = [(size - (b - 1) * d - 1) / s + 1 for size, b, d, s in zip(padded, block, dilations, strides, strict=True)]
    rows, places = source.size(1), source.size(2)
    points = _product(block)
    row, column = rows.count().reshape(-1, 1), places.count()
    target = row / points
    for i in range(n):
        inside = (row / _product(block[i + 1 :], points)).apply("Mod", block[i]) * dilations[i]
        along = (column / _product(steps[i + 1 :], points)).apply("Mod", steps[i]) * strides[i]
        target = target * padded[i] + inside + along
    return _added(source, target, rows / points, padded, pads).into(one.output[0])


def _entry(write: Writer, name: str, i: int) -> Value:
    return value_of(write, name).cast(np.int64).slice(0, i, i + 1).reshape()


def _product(sizes: list[Value], like: Value | None = None) -> Value:
    total = sizes[0] if sizes else like.of(1) if like is not None else None
    assert total is not None
    for size in sizes[1:]:
        total = total * size
    return total


def _added(source: Value, target: Value, channels: Value, padded: list[Value], pads: list[int]) -> Value:
    """Zeros [n, channels * padded...] with the elements of `source` added at `target`, the padding cut off."""
    write, n = source.write, len(padded)
    batch = source.size(0)
    shape = batch.reshape(1).apply("Concat", channels.reshape(1), *(p.reshape(1) for p in padded), axis=0)
    flat = batch.reshape(1).apply("Concat", (channels * _product(padded)).reshape(1), axis=0)
    zeros = Value(write, write.op("Expand", source.of(0).name, flat.name), source.dtype)
    spread = Value(write, write.op("Expand", target.name, write.op("Shape", source.name)), target.dtype)
    added = zeros.apply("ScatterElements", _rows(spread), _rows(source), axis=1, reduction="add")
    value = Value(write, write.op("Reshape", added.name, shape.name), source.dtype)
    for i in range(n):
        value = value.slice(2 + i, pads[i], -pads[n + i] if pads[n + i] else np.iinfo(np.int64).max)
    return value


def _rows(value: Value) -> Value:
    return Value(value.write, value.write.op("Flatten", value.name, axis=1), value.dtype)
