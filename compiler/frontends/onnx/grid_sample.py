"""GridSample by its definition: a weighted sum of gathered points, for any number of spatial dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from stratagem.compiler.frontends.onnx.graph import Graph, attributes
from stratagem.compiler.frontends.onnx.interpolation import cubic_weights, linear_weights
from stratagem.compiler.frontends.onnx.value import Value, value_of
from stratagem.compiler.frontends.onnx.writer import Writer

_A = -0.75
"""The parameter of the cubic convolution, as ONNX has it."""
_OFFSETS = {"nearest": (0,), "linear": (0, 1), "cubic": (-1, 0, 1, 2)}
_OLD_NAMES = {"bilinear": "linear", "bicubic": "cubic"}


def grid_sample(graph: Graph, one: Any) -> Sequence[Any] | None:
    """Y[n, c, o...] from X[n, c, d...] at the places grid[n, o..., r], innermost dimension first."""
    sizes, given = graph.shape_of(one.input[0]), attributes(one)
    if sizes is None or graph.shape_of(one.input[1]) is None:
        return None
    write = Writer(graph, one.name or one.output[0])
    source, grid = value_of(write, one.input[0]), value_of(write, one.input[1])
    rank = len(sizes) - 2
    mode = str(given.get("mode", "linear"))
    mode = _OLD_NAMES.get(mode, mode)
    axes = [_Axis(source.size(2 + i), grid.gather(_scalar(write, rank - 1 - i), -1), mode, given) for i in range(rank)]
    table = source.transpose(0, *range(2, rank + 2), 1)
    table = Value(write, write.op("Flatten", table.name, axis=rank + 1), table.dtype)
    batch = source.size(0).count().reshape(-1, *[1] * rank)
    total: Value | None = None
    for taps in product(*(axis.taps for axis in axes)):
        place, weight = batch, None
        for axis, (index, share) in zip(axes, taps, strict=True):
            place = place * axis.size + index
            weight = share if weight is None or share is None else weight * share
        part = table.gather(place, 0)
        if weight is not None:
            part = part * weight.cast(part.dtype).unsqueeze(-1)
        total = part if total is None else total + part
    assert total is not None
    return total.transpose(0, rank + 1, *range(1, rank + 1)).into(one.output[0])


def _scalar(write: Writer, number: int) -> Value:
    return Value(write, write.index(number), np.int64)


class _Axis:
    """The neighbours of all places along one spatial dimension: (index, weight) pairs of tensors [n, o...]."""

    def __init__(self, size: Value, normal: Value, mode: str, given: dict[str, Any]) -> None:
        self.size, self.padding = size, given.get("padding_mode", "zeros")
        length = size.cast(normal.dtype)
        if given.get("align_corners", 0):
            self.low, self.high = length.of(0), length - 1
            at = (normal + 1) / 2 * (length - 1)
        else:
            self.low, self.high = length.of(-0.5), length - 0.5
            at = ((normal + 1) * length - 1) / 2
        self.last = length - 1
        if mode == "nearest":
            at = at.apply("Round")
        if self.padding != "zeros":
            outside = at.less(self.low).either(self.high.less(at))
            at = outside.where(self._inside(at), at)
        whole = at.apply("Floor")
        shares: list[Value | None] = [None]
        if mode != "nearest":
            ratio = at - whole
            shares = [*(linear_weights(ratio) if mode == "linear" else cubic_weights(ratio, _A))]
        self.taps = [self._tap(whole + o, share) for o, share in zip(_OFFSETS[mode], shares, strict=True)]

    def _inside(self, at: Value) -> Value:
        if self.padding == "border":
            return at.between(0, self.last)
        return self._reflected(at)

    def _reflected(self, at: Value) -> Value:
        """Reflected at the borders as often as it takes."""
        width = (self.high - self.low).apply("Max", np.finfo(at.dtype).tiny)
        past = (at - self.low).apply("Abs")
        turns = (past / width).apply("Floor")
        rest = past - turns * width
        odd = (turns - (turns / 2).apply("Floor") * 2).equals(1)
        return odd.where(self.high - rest, self.low + rest)

    def _tap(self, at: Value, share: Value | None) -> tuple[Value, Value | None]:
        """The index, cut to what exists, and the weight; zero outside where the padding is zeros."""
        if self.padding == "reflection":
            at = at.less(self.low).either(self.high.less(at)).where(self._reflected(at), at)
        index = at.between(0, self.last).cast(np.int64)
        if self.padding != "zeros":
            return index, share
        outside = at.less(0).either(self.last.less(at))
        weight = at * 0 + 1 if share is None else share
        return index, outside.where(weight * 0, weight)
