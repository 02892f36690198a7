"""TensorScatter: what a cache of keys or values becomes when an update is written into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stratagem.compiler.frontends.onnx.graph import Graph, attributes
from stratagem.compiler.frontends.onnx.value import Value, value_of
from stratagem.compiler.frontends.onnx.writer import Writer


def tensor_scatter(graph: Graph, one: Any) -> Sequence[Any] | None:
    """For each batch the update lies at its write index along the axis, on from the beginning again if `circular`."""
    sizes, given = graph.shape_of(one.input[0]), attributes(one)
    if sizes is None:
        return None
    write = Writer(graph, one.name or one.output[0])
    cache, update = (value_of(write, name) for name in one.input[:2])
    axis = given.get("axis", -2) % len(sizes)
    steps = update.size(axis).count().reshape(*[-1 if i == axis else 1 for i in range(len(sizes))])
    place = steps
    if len(one.input) > 2 and one.input[2]:
        first = value_of(write, one.input[2]).cast(np.int64)
        place = steps + first.reshape(-1, *[1] * (len(sizes) - 1))
    if given.get("mode", "linear") == "circular":
        place = place.apply("Mod", cache.size(axis))
    spread = Value(write, write.op("Expand", place.name, write.op("Shape", update.name)), np.int64)
    write.into("ScatterElements", [cache.name, spread.name, update.name], one.output[0], axis=axis)
    return write.nodes
