"""Slices and reshapes of tensors in device memory: arithmetic on offsets, no code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.gpu.printer.scalars import Scalar, combine, constant
from stratagem.compiler.backends.gpu.printer.values import View
from stratagem.compiler.ir import DYNAMIC, location_text
from stratagem.runtime.errors import UnsupportedError

ScalarOf = Callable[[Any], Scalar]


def slice_numbers(op: Any, scalar_of: ScalarOf) -> tuple[list[Scalar], list[Scalar], list[int]]:
    """Offsets, sizes and strides of a slice; UnsupportedError for strides only known at run time."""
    segments = list(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"]))
    start = sum(segments[:-3])
    operands = iter(list(op.operands)[start:])
    offsets, sizes, strides = (
        [scalar_of(next(operands)) if n == DYNAMIC else constant(n) for n in ir.DenseI64ArrayAttr(op.attributes[key])]
        for key in ("static_offsets", "static_sizes", "static_strides")
    )
    if any(s.constant is None for s in strides):
        raise UnsupportedError("the GPU backend needs slice strides that are constants", location=location_text(op))
    return offsets, sizes, [s.constant or 0 for s in strides]


def sliced(
    view: View,
    offsets: Sequence[Scalar],
    sizes: Sequence[Scalar],
    strides: Sequence[int],
    show: Callable[[Scalar], str],
) -> View:
    """The part of a view at `offsets`, `sizes` elements long, `strides` elements apart; same rank."""
    corner, steps = list(view.offsets), list(view.steps)
    for axis, offset, stride in zip(view.axes, offsets, strides, strict=True):
        if axis is None:
            continue
        moved = combine("mul", offset, constant(view.steps[axis]), show)
        corner[axis] = combine("add", corner[axis], moved, show)
        steps[axis] *= stride
    return replace(view, offsets=tuple(corner), steps=tuple(steps), dims=tuple(sizes))


def kept_dimensions(sizes: Sequence[int], result: Sequence[int]) -> list[int]:
    """Which dimensions of a slice remain in its rank-reduced type; sizes are -1 where dynamic."""
    kept: list[int] = []
    for d, size in enumerate(sizes):
        if len(kept) < len(result) and result[len(kept)] == size:
            kept.append(d)
    if len(kept) != len(result):
        raise UnsupportedError(f"the GPU backend cannot match slice sizes {list(sizes)} with {list(result)}")
    return kept


def only_dimensions(view: View, kept: Sequence[int]) -> View:
    """The view without the dimensions (of extent one) that are not in `kept`."""
    return replace(view, dims=tuple(view.dims[d] for d in kept), axes=tuple(view.axes[d] for d in kept))


def regrouped_dims(
    dims: Sequence[Scalar], groups: Sequence[Sequence[int]], expanding: bool, op: Any
) -> list[int | None]:
    """For each dimension of a reshape's result: the source dimension it is, None for an added one of extent
    one.

    Only reshapes that add or drop dimensions of extent one keep every offset; others raise UnsupportedError.
    """
    result = list(ir.RankedTensorType(op.results[0].type).shape)
    picks: list[int | None] = []
    for source, group in enumerate(groups):
        if expanding:
            real = [d for d in group if result[d] != 1]
            _refuse_unless(len(real) <= 1, op)
            carrier = real[0] if real else group[0] if group else -1
            picks.extend(source if d == carrier else None for d in group)
        else:
            real = [d for d in group if dims[d].constant != 1]
            _refuse_unless(len(real) <= 1, op)
            picks.append(real[0] if real else group[0] if group else None)
    return picks


def _refuse_unless(condition: bool, op: Any) -> None:
    if not condition:
        raise UnsupportedError(
            "inside a phase the GPU backend can only add and drop dimensions of extent one",
            hint="reshape the whole tensor before the phase",
            location=location_text(op),
        )


def reassociation(op: Any) -> list[list[int]]:
    """The dimension groups of an expand_shape or collapse_shape."""
    return [
        [int(ir.IntegerAttr(i).value) for i in ir.ArrayAttr(group)]
        for group in ir.ArrayAttr(op.attributes["reassociation"])
    ]
