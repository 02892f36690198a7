"""`auto_pad` and `ceil_mode` as explicit padding.

The wheel works out these paddings from static sizes only and gets them wrong for free ones. Here they are
computed by the program: a Pad node whose amounts fold to constants where the sizes are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx

from stratagem.compiler.frontends.onnx.graph import Graph, attributes, node
from stratagem.compiler.frontends.onnx.writer import Writer

_SAME = ("SAME_UPPER", "SAME_LOWER")


def pad_explicitly(graph: Graph, one: Any) -> Sequence[Any] | None:
    """A Conv, MaxPool or AveragePool without `auto_pad` and `ceil_mode`; None when it has neither."""
    given = attributes(one)
    auto, ceil = given.get("auto_pad", "NOTSET"), bool(given.get("ceil_mode", 0))
    if auto == "VALID" and not ceil:
        return [_plain(one, given, one.input[0], one.output[0])]
    if (auto not in _SAME and not ceil) or (len(one.output) > 1 and one.output[1]):
        return None
    kernel = _kernel(graph, one, given)
    sizes = graph.shape_of(one.input[0])
    if kernel is None or sizes is None:
        return None
    write = Writer(graph, one.name or one.output[0])
    amounts, begins = _amounts(write, one, given, kernel, len(sizes))
    kind = graph.type_of(one.input[0])
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.element if kind else onnx.TensorProto.FLOAT)
    if one.op_type == "AveragePool":
        return _average(write, one, given, amounts, begins, dtype)
    fill = _lowest(dtype) if one.op_type == "MaxPool" else np.zeros((), dtype)
    padded = write.op("Pad", one.input[0], amounts, graph.add_constant(f"{one.name}/fill", fill))
    return [*write.nodes, _plain(one, given, padded, one.output[0])]


def _plain(one: Any, given: dict[str, Any], source: str, result: str) -> Any:
    """The same node without padding of its own."""
    kept = {k: v for k, v in given.items() if k not in ("auto_pad", "ceil_mode", "pads")}
    return node(one.op_type, [source, *one.input[1:]], [result], one.name, **kept)


def _kernel(graph: Graph, one: Any, given: dict[str, Any]) -> list[int] | None:
    if "kernel_shape" in given:
        return list(given["kernel_shape"])
    weights = graph.shape_of(one.input[1]) if len(one.input) > 1 else None
    sizes = [s for s in (weights or ())[2:] if isinstance(s, int)]
    return sizes or None


def _amounts(write: Writer, one: Any, given: dict[str, Any], kernel: list[int], rank: int) -> tuple[str, list[int]]:
    """The Pad node's amounts [0, 0, begins..., 0, 0, ends...], and the explicit paddings the node had."""
    n = len(kernel)
    strides, dilations = (np.array(given.get(k, [1] * n), np.int64) for k in ("strides", "dilations"))
    explicit = list(given.get("pads", [0] * (2 * n)))
    reach = (np.array(kernel, np.int64) - 1) * dilations + 1
    size = write.op("Shape", one.input[0], start=2)
    stride, zero = write.const(strides), write.const(np.zeros(n, np.int64))
    if given.get("auto_pad", "NOTSET") in _SAME:
        # windows: ceil(size / stride); they reach (windows - 1) * stride + reach
        windows = write.op("Div", write.op("Add", size, write.const(strides - 1)), stride)
        end = write.op(
            "Add",
            write.op("Mul", write.op("Sub", windows, write.const(np.ones(n, np.int64))), stride),
            write.const(reach),
        )
        total = write.op("Max", write.op("Sub", end, size), zero)
        half = write.op("Div", total, write.const(np.full(n, 2, np.int64)))
        rest = write.op("Sub", total, half)
        begin, end = (half, rest) if given["auto_pad"] == "SAME_UPPER" else (rest, half)
    else:
        begin, end = _ceil_padding(write, size, stride, zero, explicit, strides, reach)
    none = write.const(np.zeros(rank - n, np.int64))
    return write.op("Concat", none, begin, none, end, axis=0), explicit


def _ceil_padding(
    write: Writer, size: str, stride: str, zero: str, explicit: list[int], strides: Any, reach: Any
) -> tuple[str, str]:
    """Padding at the end so that the last, partly filled window is whole; it must begin inside the input."""
    n = len(strides)
    begins, ends = np.array(explicit[:n], np.int64), np.array(explicit[n:], np.int64)
    free = write.op("Add", size, write.const(begins + ends - reach))
    steps = write.op("Div", write.op("Add", free, write.const(strides - 1)), stride)
    last = write.op("Div", write.op("Add", size, write.const(begins - 1)), stride)
    steps = write.op("Min", steps, last)
    reached = write.op("Add", write.op("Mul", steps, stride), write.const(reach - begins))
    end = write.op("Max", write.op("Sub", reached, size), zero)
    return write.const(begins), end


def _average(
    write: Writer, one: Any, given: dict[str, Any], amounts: str, explicit: list[int], dtype: Any
) -> Sequence[Any]:
    """The average of what lies inside: pooled values over pooled ones. Explicit padding counts when the node
    says so.
    """
    zero, unit = write.const(np.zeros((), dtype)), write.const(np.ones((), dtype))
    ones = write.op("Expand", unit, write.op("Shape", one.input[0]))
    if given.get("count_include_pad", 0) and any(explicit):
        ones, amounts_left = _count_padding(write, ones, amounts, explicit, unit)
    else:
        amounts_left = amounts
    counts = write.op("Pad", ones, amounts_left, zero)
    values = write.op("Pad", one.input[0], amounts, zero)
    kept = {k: v for k, v in given.items() if k not in ("auto_pad", "ceil_mode", "pads", "count_include_pad")}
    over, under = write.op("AveragePool", values, **kept), write.op("AveragePool", counts, **kept)
    return [*write.nodes, node("Div", [over, under], [one.output[0]], one.name)]


def _count_padding(write: Writer, ones: str, amounts: str, explicit: list[int], unit: str) -> tuple[str, str]:
    n = len(explicit) // 2
    own = write.op("Min", write.const(np.array([0, 0, *explicit[:n], 0, 0, *explicit[n:]], np.int64)), amounts)
    return write.op("Pad", ones, own, unit), write.op("Sub", amounts, own)


def _lowest(dtype: Any) -> Any:
    if dtype.kind == "f" or dtype.name == "bfloat16":
        return np.array(-np.inf, dtype)
    return np.array(np.iinfo(dtype).min, dtype)
