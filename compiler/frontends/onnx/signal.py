"""DFT and STFT as products with the matrix of cosines and sines; complex numbers are a last dimension of two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from stratagem.compiler.frontends.onnx.computed_axes import applied_if, axis_is
from stratagem.compiler.frontends.onnx.graph import ONNX_TYPES, Graph, attributes, node
from stratagem.compiler.frontends.onnx.value import Value, value_of
from stratagem.compiler.frontends.onnx.writer import Writer


def dft(graph: Graph, one: Any) -> Sequence[Any] | None:
    """DFT along a known axis, in both directions, one-sided or not; the length may be given, or computed."""
    given, sizes = attributes(one), graph.shape_of(one.input[0])
    axis = _axis(graph, one, given)
    if sizes is None or sizes[-1] not in (1, 2):
        return None
    write, rank = Writer(graph, one.name or one.output[0]), len(sizes)
    source = value_of(write, one.input[0])
    length = value_of(write, one.input[1]).cast(np.int64).reshape() if len(one.input) > 1 and one.input[1] else None
    if axis is not None:
        return transformed(source, sizes[-1] == 2, axis % rank, rank, length, given).into(one.output[0])
    if not graph.root().settled:
        return None
    moved = _exchanged(source, one.input[2], rank)
    return _exchanged(transformed(moved, sizes[-1] == 2, rank - 2, rank, length, given), one.input[2], rank).into(
        one.output[0]
    )


def _exchanged(value: Value, axis: str, rank: int) -> Value:
    """The dimension that a computed axis names and the last but one, exchanged."""
    write, name = value.write, value.name
    for d in range(rank - 2):
        order = list(range(rank))
        order[d], order[rank - 2] = order[rank - 2], order[d]
        exchanged = node("Transpose", [name], [""], write.label, perm=order)
        name = applied_if(write, axis_is(write, axis, d, rank), name, exchanged, ONNX_TYPES[np.dtype(value.dtype)])
    return Value(write, name, value.dtype)


def _axis(graph: Graph, one: Any, given: dict[str, Any]) -> int | None:
    if graph.opset < 20:
        return int(given.get("axis", 1))
    if len(one.input) < 3 or not one.input[2]:
        return -2
    constant = graph.constant(one.input[2])
    return None if constant is None else int(constant.reshape(-1)[0])


def transformed(
    source: Value, is_complex: bool, axis: int, rank: int, length: Value | None, given: dict[str, Any]
) -> Value:
    """The transform of `length` points along `axis` (its own size by default): zeros follow shorter input."""
    inverse, onesided = bool(given.get("inverse", 0)), bool(given.get("onesided", 0))
    order = [*(i for i in range(rank - 1) if i != axis), axis]
    parts = [source.gather(_scalar(source, i), rank - 1).transpose(*order) for i in range(2 if is_complex else 1)]
    count = source.size(axis)
    points = length if length is not None else (count - 1) * 2 if inverse and onesided else count
    half = points / 2 + 1
    rows = points if inverse or not onesided else half
    known = half if inverse and onesided else points
    cosine, sine = _matrices(count, rows, points, known, source.dtype)
    if inverse and onesided:
        weight = _mirrored(count, points, source.dtype)
        cosine, sine = cosine * weight, sine * weight
    real, imaginary = _product(parts, cosine, sine, -1 if inverse else 1)
    results = [real] if inverse and onesided else [real, imaginary]
    if inverse:
        results = [r / points.cast(source.dtype) for r in results]
    back = [order.index(i) for i in range(rank - 1)]
    laid = [r.transpose(*back).unsqueeze(-1) for r in results]
    return laid[0] if len(laid) == 1 else laid[0].apply("Concat", laid[1], axis=-1)


def _scalar(like: Value, number: int) -> Value:
    return Value(like.write, like.write.index(number), np.int64)


def _matrices(count: Value, rows: Value, points: Value, known: Value, dtype: Any) -> tuple[Value, Value]:
    """cos and sin of 2 pi j k / points, [count, rows]; zero for input beyond the `known` points."""
    j, k = count.count().reshape(-1, 1), rows.count()
    turn = (j * k).apply("Mod", points).cast(np.float64) / points.cast(np.float64) * (2 * math.pi)
    there = j.less(known)
    cosine, sine = (turn.apply(kind) for kind in ("Cos", "Sin"))
    return there.where(cosine, 0).cast(dtype), there.where(sine, 0).cast(dtype)


def _mirrored(count: Value, points: Value, dtype: Any) -> Value:
    """How often each of the one-sided coefficients counts, [count, 1]: all but the first and the middle one twice."""
    k = count.count().reshape(-1, 1)
    once = k.equals(0).either((k * 2).equals(points))
    return once.where(k * 0 + 1, 2).cast(dtype)


def _product(parts: list[Value], cosine: Value, sine: Value, sign: int) -> tuple[Value, Value]:
    """(real + i imaginary) times (cosine - i sign sine)."""
    real = parts[0].apply("MatMul", cosine)
    imaginary = parts[0].apply("MatMul", sine) * -sign
    if len(parts) == 2:
        real = real + parts[1].apply("MatMul", sine) * sign
        imaginary = imaginary + parts[1].apply("MatMul", cosine)
    return real, imaginary


def stft(graph: Graph, one: Any) -> Sequence[Any] | None:
    """STFT: frames of the signal [batch, time, 1 or 2], times the window, transformed."""
    sizes, names = graph.shape_of(one.input[0]), [*one.input, "", ""][:4]
    if sizes is None or sizes[-1] not in (1, 2):
        return None
    write = Writer(graph, one.name or one.output[0])
    source = value_of(write, one.input[0])
    window = value_of(write, names[2]) if names[2] else None
    step = value_of(write, names[1]).cast(np.int64).reshape()
    if names[3]:
        length = value_of(write, names[3]).cast(np.int64).reshape()
    elif window is not None:
        length = window.size(0)
    else:
        return None
    frames = (source.size(1) - length) / step + 1
    places = (frames.count() * step).reshape(-1, 1) + length.count()
    value = source.gather(places, 1)
    if window is not None:
        value = value * window.cast(source.dtype).reshape(-1, 1)
    onesided = {"onesided": attributes(one).get("onesided", 1) and sizes[-1] == 1}
    return transformed(value, sizes[-1] == 2, 2, 4, length, onesided).into(one.output[0])
