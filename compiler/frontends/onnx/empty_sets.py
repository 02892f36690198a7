"""Reductions of tensors without elements: their results are the neutral elements of what they compute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from stratagem.compiler.frontends.onnx.graph import Graph, attributes
from stratagem.compiler.frontends.onnx.writer import Writer


def reduce_empty_set(graph: Graph, one: Any) -> Sequence[Any] | None:
    """ReduceMax, ReduceMin, ReduceMean or ReduceProd of a tensor that surely has a size of 0, along known axes.

    Infinities, or the extreme numbers of an integer type; NaN for a mean of floats, 1 for a product.
    """
    kind = graph.type_of(one.input[0])
    sizes = kind.static if kind else None
    axes = graph.constant(one.input[1]) if len(one.input) > 1 and one.input[1] else np.zeros(0, np.int64)
    if kind is None or sizes is None or 0 not in sizes or axes is None:
        return None
    given = attributes(one)
    chosen = {int(a) % len(sizes) for a in axes.reshape(-1)}
    if not chosen and not given.get("noop_with_empty_axes", 0):
        chosen = set(range(len(sizes)))
    neutral = _neutral(one.op_type, onnx.helper.tensor_dtype_to_np_dtype(kind.element))
    if neutral is None:
        return None
    kept = [1 if i in chosen else n for i, n in enumerate(sizes) if i not in chosen or given.get("keepdims", 1)]
    write = Writer(graph, one.name or one.output[0])
    write.into("Expand", [write.const(neutral), write.ints(*kept)], one.output[0])
    return write.nodes


def _neutral(kind: str, dtype: Any) -> Any:
    """None where there is none: an integer mean."""
    whole = dtype.kind in "iu"
    if kind == "ReduceProd":
        return np.ones((), dtype)
    if kind == "ReduceMean":
        return None if whole or dtype.kind == "b" else np.array(np.nan, dtype)
    if dtype.kind == "b":
        return np.array(kind == "ReduceMin")
    low, high = (np.iinfo(dtype).min, np.iinfo(dtype).max) if whole else (-np.inf, np.inf)
    return np.array(low if kind == "ReduceMax" else high, dtype)
