"""MaxPool with its second result: where in the input, laid flat over all its dimensions, each maximum is.

The wheel counts within one channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil, prod
from typing import Any

import numpy as np

from stratagem.compiler.frontends.onnx.graph import Graph, attributes, node
from stratagem.compiler.frontends.onnx.value import Value, value_of
from stratagem.compiler.frontends.onnx.writer import Writer


@dataclass
class _Axis:
    """A pooled axis: its size, the padding before it, the number of windows, their stride and dilation."""

    size: int
    begin: int
    windows: int
    stride: int
    dilation: int
    kernel: int

    @property
    def length(self) -> int:
        """How much of the padded axis the windows reach."""
        return (self.windows - 1) * self.stride + (self.kernel - 1) * self.dilation + 1

    def positions(self, point: int) -> Any:
        """Where in the input a point of the kernel lies, for each window; outside where it is padding."""
        return np.arange(self.windows) * self.stride + point * self.dilation - self.begin


def max_pool_with_indices(graph: Graph, one: Any) -> Sequence[Any] | None:
    """The values by MaxPool; the places by comparing, one after the other, what each point of the kernel sees."""
    sizes = graph.shape_of(one.input[0])
    if len(one.output) < 2 or not one.output[1] or sizes is None:
        return None
    inner = [n for n in sizes[2:] if isinstance(n, int)]
    if len(inner) < len(sizes) - 2:
        return None
    given = attributes(one)
    axes = _axes(given, inner)
    write = Writer(graph, one.name or one.output[0])
    source = value_of(write, one.input[0])
    place = _places(source, axes, bool(given.get("storage_order", 0)))
    row = source.size(0).count().reshape(-1, 1) * source.size(1) + source.size(1).count()
    offset = Value(write, write.op("Unsqueeze", row.name, write.ints(*range(2, len(sizes)))), np.int64)
    nodes = (place + offset * prod(inner)).into(one.output[1])
    if one.output[0]:
        kept = {k: v for k, v in given.items() if k != "storage_order"}
        nodes.append(node("MaxPool", [one.input[0]], [one.output[0]], write.label, **kept))
    return nodes


def _axes(given: dict[str, Any], sizes: list[int]) -> list[_Axis]:
    n, kernel = len(sizes), given["kernel_shape"]
    strides, dilations = (given.get(k, [1] * n) for k in ("strides", "dilations"))
    pads, auto = given.get("pads", [0] * (2 * n)), given.get("auto_pad", "NOTSET")
    found = []
    for i, size in enumerate(sizes):
        reach = (kernel[i] - 1) * dilations[i] + 1
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            windows = ceil(size / strides[i])
            total = max((windows - 1) * strides[i] + reach - size, 0)
            begin = total // 2 if auto == "SAME_UPPER" else total - total // 2
        else:
            begin, end = (0, 0) if auto == "VALID" else (pads[i], pads[n + i])
            steps = (size + begin + end - reach) / strides[i]
            windows = (ceil(steps) if given.get("ceil_mode", 0) else int(steps)) + 1
            windows -= (windows - 1) * strides[i] >= size + begin  # the last one begins inside the input
        found.append(_Axis(size, begin, windows, strides[i], dilations[i], kernel[i]))
    return found


def _places(source: Value, axes: list[_Axis], column_major: bool) -> Value:
    """The place within a channel of the first maximum of each window, [n, c, windows...]."""
    write, n = source.write, len(axes)
    amounts = [0, 0, *(a.begin for a in axes), 0, 0, *(max(a.length - a.size - a.begin, 0) for a in axes)]
    lowest = source.of(-np.inf if source.dtype.kind not in "iu" else np.iinfo(source.dtype).min)
    padded = write.op("Pad", source.name, write.ints(*amounts), lowest.name)
    best: Value | None = None
    place: Value | None = None
    for point in product(*(range(a.kernel) for a in axes)):
        starts = [p * a.dilation for p, a in zip(point, axes, strict=True)]
        stops = [s + (a.windows - 1) * a.stride + 1 for s, a in zip(starts, axes, strict=True)]
        seen = write.op("Slice", padded, write.ints(*starts), write.ints(*stops), write.ints(*range(2, n + 2)),
                        write.ints(*(a.stride for a in axes)))  # fmt: skip
        value = Value(write, seen, source.dtype)
        here = Value(write, write.const(_flat(axes, point, column_major)), np.int64)
        if best is None or place is None:
            shape = write.op("Shape", seen)
            best, place = value, Value(write, write.op("Expand", here.name, shape), np.int64)
            continue
        larger = best.less(value)
        best, place = larger.where(value, best), larger.where(here, place)
    assert place is not None
    return place


def _flat(axes: list[_Axis], point: tuple[int, ...], column_major: bool) -> Any:
    """The flat places [1, 1, windows...] that a point of the kernel sees."""
    total = np.zeros([1, 1, *(a.windows for a in axes)], np.int64)
    for i, axis in enumerate(axes):
        inner = axes[:i] if column_major else axes[i + 1 :]
        laid = [-1 if k == i else 1 for k in range(len(axes))]
        total = total + axis.positions(point[i]).reshape(1, 1, *laid) * prod(a.size for a in inner)
    return total
