"""ConvTranspose as a Conv over the input with zeros between its elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stratagem.compiler.frontends.onnx.graph import Graph, attributes
from stratagem.compiler.frontends.onnx.value import Value, value_of
from stratagem.compiler.frontends.onnx.writer import Writer


def conv_transpose(graph: Graph, one: Any) -> Sequence[Any] | None:
    """ConvTranspose of known sizes: any groups, dilations, paddings."""
    given, sizes, filters = attributes(one), _static(graph, one.input[0]), _static(graph, one.input[1])
    if sizes is None or filters is None:
        return None
    write = Writer(graph, one.name or one.output[0])
    source, weights = value_of(write, one.input[0]), value_of(write, one.input[1])
    n = len(sizes) - 2
    strides, dilations = (list(given.get(k, [1] * n)) for k in ("strides", "dilations"))
    reach = [(k - 1) * d for k, d in zip(filters[2:], dilations, strict=True)]
    begins, ends = _paddings(given, sizes[2:], strides, reach)
    spread = _spread(source, sizes, strides)
    amounts = [0, 0, *(r - b for r, b in zip(reach, begins, strict=True))]
    amounts += [0, 0, *(r - e for r, e in zip(reach, ends, strict=True))]
    padded = Value(write, write.op("Pad", spread.name, write.ints(*amounts)), source.dtype)
    kernel = _turned(weights, filters, given.get("group", 1))
    bias = list(one.input[2:3])
    write.into(
        "Conv",
        [padded.name, kernel.name, *bias],
        one.output[0],
        group=given.get("group", 1),
        dilations=dilations,
        kernel_shape=filters[2:],
    )
    return write.nodes


def _static(graph: Graph, name: str) -> list[int] | None:
    kind = graph.type_of(name)
    return kind.static if kind else None


def _paddings(
    given: dict[str, Any], sizes: list[int], strides: list[int], reach: list[int]
) -> tuple[list[int], list[int]]:
    """What is cut from the full result at both ends; negative where it grows by `output_padding`."""
    n = len(sizes)
    extra = list(given.get("output_padding", [0] * n))
    full = [(i - 1) * s + r + 1 + e for i, s, r, e in zip(sizes, strides, reach, extra, strict=True)]
    auto = given.get("auto_pad", "NOTSET")
    wanted = given.get("output_shape")
    if wanted is None and auto in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [i * s for i, s in zip(sizes, strides, strict=True)]
    if wanted is None:
        pads = [0] * (2 * n) if auto == "VALID" else list(given.get("pads", [0] * (2 * n)))
        return pads[:n], [p - e for p, e in zip(pads[n:], extra, strict=True)]
    total = [f - w for f, w in zip(full, list(wanted)[-n:], strict=True)]
    lower = [t // 2 if auto == "SAME_UPPER" else t - t // 2 for t in total]
    return lower, [t - b - e for t, b, e in zip(total, lower, extra, strict=True)]


def _spread(value: Value, sizes: list[int], strides: list[int]) -> Value:
    """[n, c, i...] with stride - 1 zeros between neighbours."""
    if all(s == 1 for s in strides):
        return value
    write = value.write
    apart = value.reshape(*sizes[:2], *(x for size in sizes[2:] for x in (size, 1)))
    amounts = [0, 0] + [x for s in strides for x in (0, s - 1)]
    padded = write.op("Pad", apart.name, write.ints(*[0] * len(amounts), *amounts))
    joined = Value(write, padded, value.dtype).reshape(
        *sizes[:2], *(i * s for i, s in zip(sizes[2:], strides, strict=True))
    )
    for axis, (size, stride) in enumerate(zip(sizes[2:], strides, strict=True), 2):
        joined = joined.slice(axis, 0, (size - 1) * stride + 1)
    return joined


def _turned(weights: Value, filters: list[int], group: int) -> Value:
    """[c, m / group, k...] as the filters [m, c / group, k...] of the convolution, backwards along each k."""
    write, n = weights.write, len(filters) - 2
    axes, last = list(range(2, n + 2)), np.iinfo(np.int64).min
    back = write.op("Slice", weights.name, write.ints(*[-1] * n), write.ints(*[last] * n), write.ints(*axes),
                    write.ints(*[-1] * n))  # fmt: skip
    split = Value(write, back, weights.dtype).reshape(group, filters[0] // group, *filters[1:])
    moved = split.transpose(0, 2, 1, *range(3, n + 3))
    return moved.reshape(group * filters[1], filters[0] // group, *filters[2:])
