"""Resize by its definition: along one axis after the other, a weighted sum of gathered neighbours.

Only for the forms that the wheel does not lower, or lowers wrongly. Places are computed in f64, as rounding decides
which neighbour is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stratagem.compiler.frontends.onnx.graph import Graph, attributes
from stratagem.compiler.frontends.onnx.interpolation import cubic_kernel, cubic_weights, linear_weights
from stratagem.compiler.frontends.onnx.value import Value, value_of
from stratagem.compiler.frontends.onnx.writer import Writer


@dataclass
class _Axis:
    """One axis to resize: its size before and after (int64), and after / before as the node says (f64)."""

    place: int
    before: Value
    after: Value
    scale: Value


def resize(graph: Graph, one: Any) -> Sequence[Any] | None:
    """Resize of a tensor of known rank, with scales or sizes that may be computed."""
    sizes, given = graph.shape_of(one.input[0]), attributes(one)
    if sizes is None:
        return None
    names = [*one.input, "", "", ""][:4]
    write = Writer(graph, one.name or one.output[0])
    source = value_of(write, one.input[0])
    places = [a % len(sizes) for a in given.get("axes", range(len(sizes)))]
    value = source if given.get("mode", "nearest") == "nearest" else source.cast(_computed_in(source.dtype))
    outside: list[Value] = []
    for i, axis in enumerate(_axes(graph, write, source, places, names, given)):
        if _stays(graph, names, i) and given.get("coordinate_transformation_mode") != "tf_crop_and_resize":
            continue
        at = _original(axis, given, _region(write, names[1], i, len(places)))
        value = _along(value, axis, at, given, len(sizes))
        if given.get("coordinate_transformation_mode") == "tf_crop_and_resize":
            beyond = at.less(0).either((axis.before.cast(np.float64) - 1).less(at))
            outside.append(_laid(beyond, axis.place, len(sizes)))
    for beyond in outside:
        value = beyond.where(value.of(given.get("extrapolation_value", 0.0)), value)
    return (value if value.dtype == source.dtype else value.cast(source.dtype)).into(one.output[0])


def _computed_in(dtype: Any) -> Any:
    return dtype if dtype == np.float64 else np.dtype(np.float32)


def _stays(graph: Graph, names: list[str], i: int) -> bool:
    scales = graph.constant(names[2]) if names[2] else None
    return scales is not None and float(scales[i]) == 1.0


def _axes(
    graph: Graph, write: Writer, source: Value, places: list[int], names: list[str], given: dict[str, Any]
) -> list[_Axis]:
    before = [source.size(p) for p in places]
    if names[2]:
        scales = value_of(write, names[2]).cast(np.float64)
        each = [scales.slice(0, i, i + 1).reshape() for i in range(len(places))]
        after = [(b.cast(np.float64) * s).apply("Floor").cast(np.int64) for b, s in zip(before, each, strict=True)]
    else:
        wanted = value_of(write, names[3]).cast(np.int64)
        after = [wanted.slice(0, i, i + 1).reshape() for i in range(len(places))]
        each = [a.cast(np.float64) / b.cast(np.float64) for a, b in zip(after, before, strict=True)]
        policy = given.get("keep_aspect_ratio_policy", "stretch")
        if policy != "stretch":
            each = [_common(each, "Min" if policy == "not_larger" else "Max")] * len(places)
            exact = [b.cast(np.float64) * s for b, s in zip(before, each, strict=True)]
            after = [(e + 0.5).apply("Floor").cast(np.int64) for e in exact]
    return [_Axis(*parts) for parts in zip(places, before, after, each, strict=True)]


def _common(scales: list[Value], kind: str) -> Value:
    found = scales[0]
    for scale in scales[1:]:
        found = found.apply(kind, scale)
    return found


def _region(write: Writer, name: str, i: int, count: int) -> tuple[Value, Value] | None:
    """Where the cropped region begins and ends, as shares of the axis."""
    if not name:
        return None
    region = value_of(write, name).cast(np.float64)
    return region.slice(0, i, i + 1).reshape(), region.slice(0, count + i, count + i + 1).reshape()


def _original(axis: _Axis, given: dict[str, Any], region: tuple[Value, Value] | None) -> Value:
    """For each place after resizing the place before, f64[after]."""
    place = axis.after.count().cast(np.float64)
    before, after = axis.before.cast(np.float64), axis.after.cast(np.float64)
    mode = given.get("coordinate_transformation_mode", "half_pixel")
    centred = (place + 0.5) / axis.scale - 0.5
    if mode == "half_pixel_symmetric":
        return centred + (before / 2) * (after.of(1) - after / (before * axis.scale))
    if mode == "pytorch_half_pixel":
        return after.of(1).less(after).where(centred, 0)
    if mode == "align_corners":
        length = before * axis.scale
        return length.equals(1).where(place * 0, place * (before - 1) / (length - 1))
    if mode == "tf_crop_and_resize" and region is not None:
        begin, end = region
        steps = begin * (before - 1) + place * (end - begin) * (before - 1) / (after - 1).apply("Max", 1)
        return after.of(1).less(after).where(steps, (begin + end) * (before - 1) * 0.5)
    return place / axis.scale if mode == "asymmetric" else centred


def _along(value: Value, axis: _Axis, at: Value, given: dict[str, Any], rank: int) -> Value:
    mode, last = given.get("mode", "nearest"), axis.before - 1
    if mode == "nearest":
        return value.gather(_nearest(at, given).cast(np.int64).between(0, last), axis.place)
    if given.get("antialias", 0):
        return _filtered(value, axis, at, given, rank)
    whole = at.apply("Floor")
    first = whole.cast(np.int64)
    weights = _weights(at - whole, mode, given)
    taps = [first + offset for offset in ((0, 1) if mode == "linear" else (-1, 0, 1, 2))]
    if given.get("exclude_outside", 0):
        weights = [t.less(0).either(last.less(t)).where(w * 0, w) for t, w in zip(taps, weights, strict=True)]
        total = weights[0]
        for weight in weights[1:]:
            total = total + weight
        weights = [w / total for w in weights]
    parts = [
        value.gather(t.between(0, last), axis.place) * _laid(w.cast(value.dtype), axis.place, rank)
        for t, w in zip(taps, weights, strict=True)
    ]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _nearest(at: Value, given: dict[str, Any]) -> Value:
    how = given.get("nearest_mode", "round_prefer_floor")
    if how == "floor":
        return at.apply("Floor")
    if how == "ceil":
        return at.apply("Ceil")
    return (at - 0.5).apply("Ceil") if how == "round_prefer_floor" else (at + 0.5).apply("Floor")


def _weights(ratio: Value, mode: str, given: dict[str, Any]) -> list[Value]:
    return linear_weights(ratio) if mode == "linear" else cubic_weights(ratio, given.get("cubic_coeff_a", -0.75))


def _laid(vector: Value, place: int, rank: int) -> Value:
    return vector.reshape(*[-1 if i == place else 1 for i in range(rank)])


def _filtered(value: Value, axis: _Axis, at: Value, given: dict[str, Any], rank: int) -> Value:
    """A wider kernel where the axis shrinks: a product with the matrix [before, after] of all weights.

    Neighbours beyond an end count for the last element there, unless `exclude_outside`.
    """
    linear = given["mode"] == "linear"
    scale = axis.scale.apply("Min", 1.0)
    reach = (scale.of(1 if linear else 2) / scale).apply("Ceil").cast(np.int64)
    offset = (reach * 2).count() - (reach - 1)
    whole = at.apply("Floor")
    distance = ((offset.cast(np.float64) - (at - whole).reshape(-1, 1)) * scale).apply("Abs")
    if linear:
        weights = (distance.of(1) - distance).apply("Max", 0.0)
    else:
        weights = cubic_kernel(distance, given.get("cubic_coeff_a", -0.75))
    place = whole.cast(np.int64).reshape(-1, 1) + offset
    last = axis.before - 1
    if given.get("exclude_outside", 0):
        weights = place.less(0).either(last.less(place)).where(weights * 0, weights)
    weights = weights / weights.sum(1, keepdims=True)
    hit = place.between(0, last).unsqueeze(0).equals(axis.before.count().reshape(-1, 1, 1))
    matrix = (hit.cast(np.float64) * weights).sum(2).cast(value.dtype)
    order = [i for i in range(rank) if i != axis.place] + [axis.place]
    product = value.transpose(*order).apply("MatMul", matrix)
    return product.transpose(*(order.index(i) for i in range(rank)))
