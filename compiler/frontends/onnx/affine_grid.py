"""AffineGrid: for each place of an image where a matrix sends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stratagem.compiler.frontends.onnx.graph import Graph, attributes
from stratagem.compiler.frontends.onnx.value import Value, value_of
from stratagem.compiler.frontends.onnx.writer import Writer


def affine_grid(graph: Graph, one: Any) -> Sequence[Any] | None:
    """grid[n, place..., r] = theta[n, r, r + 1] times (place, 1); places from -1 to 1, innermost dimension first."""
    lengths = graph.shape_of(one.input[1])
    if not lengths or lengths[0] not in (4, 5):
        return None
    write, rank = Writer(graph, one.name or one.output[0]), lengths[0] - 2
    theta, sizes = value_of(write, one.input[0]), value_of(write, one.input[1]).cast(np.int64)
    total = _column(theta, rank, rank)
    for i in range(rank):
        size = sizes.slice(0, 2 + i, 3 + i).reshape()
        place = _places(size, theta.dtype, bool(attributes(one).get("align_corners", 0)))
        laid = place.reshape(1, *[-1 if k == i else 1 for k in range(rank)], 1)
        total = total + _column(theta, rank - 1 - i, rank) * laid
    return total.into(one.output[0])


def _column(theta: Value, column: int, rank: int) -> Value:
    """theta[:, :, column] as [n, 1..., rank]."""
    at = Value(theta.write, theta.write.index(column), np.int64)
    return theta.gather(at, 2).reshape(-1, *[1] * rank, rank)


def _places(size: Value, dtype: Any, corners: bool) -> Value:
    step = size.count().cast(dtype)
    if corners:
        return step * 2 / (size - 1).apply("Max", 1).cast(dtype) - 1
    return (step * 2 + 1) / size.cast(dtype) - 1
