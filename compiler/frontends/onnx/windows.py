"""Operators on windows and borders by plain ones: Pad of any mode, LpPool, MaxUnpool."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stratagem.compiler.frontends.onnx.graph import Graph, attributes
from stratagem.compiler.frontends.onnx.value import Value, value_of
from stratagem.compiler.frontends.onnx.writer import Writer


def pad(graph: Graph, one: Any) -> Sequence[Any] | None:
    """Pad with amounts that may be computed: along each axis a gather; a `constant` fill lies outside."""
    sizes, mode = graph.shape_of(one.input[0]), attributes(one).get("mode", "constant")
    names = [*one.input, "", ""][:4]
    axes = graph.constant(names[3]) if names[3] else None
    if not sizes or (names[3] and axes is None):
        return None
    write = Writer(graph, one.name or one.output[0])
    value, amounts = value_of(write, one.input[0]), value_of(write, one.input[1]).cast(np.int64)
    chosen = list(range(len(sizes))) if axes is None else [int(a) % len(sizes) for a in axes]
    fill = value_of(write, names[2]).reshape() if names[2] else value.of(0)
    for i, axis in enumerate(chosen):
        begin, end = (amounts.slice(0, k, k + 1).reshape() for k in (i, len(chosen) + i))
        size = value.size(axis)
        place = (size + begin + end).count() - begin
        gathered = value.gather(_inside(place, size, mode), axis)
        if mode == "constant":
            outside = place.less(0).either((size - 1).less(place))
            gathered = outside.reshape(*[-1 if k == axis else 1 for k in range(len(sizes))]).where(fill, gathered)
        value = gathered
    return value.into(one.output[0])


def _inside(place: Value, size: Value, mode: str) -> Value:
    if mode == "wrap":
        return place.apply("Mod", size)
    if mode == "reflect":
        period = ((size - 1) * 2).apply("Max", 1)
        turned = place.apply("Mod", period)
        return turned.apply("Min", period - turned).between(0, size - 1)
    return place.between(0, size - 1)


def lp_pool(graph: Graph, one: Any) -> Sequence[Any] | None:
    """(sum of |x|**p in each window)**(1 / p): the sum is a convolution with ones."""
    given, sizes = attributes(one), graph.shape_of(one.input[0])
    if sizes is None:
        return None
    write = Writer(graph, one.name or one.output[0])
    source, p = value_of(write, one.input[0]), given.pop("p", 2)
    power = source.apply("Abs").apply("Pow", float(p))
    shape = [write.op("Shape", source.name, start=a, end=b) for a, b in ((0, 2), (2, len(sizes)))]
    single = write.op("Reshape", power.name, write.op("Concat", write.ints(-1, 1), shape[1], axis=0))
    ones = source.of(np.ones((1, 1, *given["kernel_shape"])))
    if given.pop("ceil_mode", 0):
        return None
    total = write.op("Conv", single, ones.name, **given)
    after = write.op("Concat", shape[0], write.op("Shape", total, start=2), axis=0)
    pooled = Value(write, write.op("Reshape", total, after), source.dtype)
    return pooled.apply("Pow", 1.0 / p).into(one.output[0])


def max_unpool(graph: Graph, one: Any) -> Sequence[Any] | None:
    """The values at their places in zeros: indices count through the whole unpooled tensor."""
    given, sizes = attributes(one), graph.shape_of(one.input[0])
    if sizes is None:
        return None
    write = Writer(graph, one.name or one.output[0])
    source, places = value_of(write, one.input[0]), value_of(write, one.input[1])
    n = len(given["kernel_shape"])
    strides, pads = given.get("strides", [1] * n), given.get("pads", [0] * (2 * n))
    outer = [source.size(axis).reshape(1) for axis in (0, 1)]
    inner = [
        (source.size(2 + i) - 1) * strides[i] + (given["kernel_shape"][i] - pads[i] - pads[n + i]) for i in range(n)
    ]
    own = outer[0].apply("Concat", *outer[1:], *(size.reshape(1) for size in inner), axis=0)
    flat = own.apply("ReduceProd", keepdims=1)
    zeros = Value(write, write.op("Expand", source.of(0).name, flat.name), source.dtype)
    scattered = zeros.apply("ScatterElements", places.reshape(-1), source.reshape(-1), axis=0)
    unpooled = Value(write, write.op("Reshape", scattered.name, own.name), source.dtype)
    if len(one.input) < 3 or not one.input[2]:
        return unpooled.into(one.output[0])
    wanted = value_of(write, one.input[2]).cast(np.int64)
    amounts = (own * 0).apply("Concat", wanted - own, axis=0)
    write.into("Pad", [unpooled.name, amounts.name], one.output[0])
    return write.nodes
