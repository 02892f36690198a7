"""Operands read through sums of iteration dimensions, as in convolution and pooling: `x[2*i + k]`.

Such an operand has no tile of its own shape; each lane of the iteration space loads its element.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stratagem.compiler.backends.gpu.printer.body import Lanes
from stratagem.compiler.backends.gpu.printer.extents import along, padded_extent
from stratagem.compiler.backends.gpu.printer.function_writer import FunctionWriter
from stratagem.compiler.backends.gpu.printer.memory import corner, mask_text, strides
from stratagem.compiler.backends.gpu.printer.scalars import (
    INT32_MAX,
    Scalar,
    combine,
    constant,
    without_parentheses,
)
from stratagem.compiler.backends.gpu.printer.values import View


@dataclass(frozen=True)
class Window:
    """A sum of iteration dimensions with positive factors: `terms` holds (dimension, factor)."""

    terms: tuple[tuple[int, int], ...]


MapDim = int | Window | None
"""How one operand dimension is indexed: by an iteration dimension, a sum of them, or zero."""


def read_window(expression: Any) -> Window | None:
    """The window an affine expression describes; None when it is not a sum of dimensions and multiples."""
    kind = type(expression).__name__
    if kind == "AffineDimExpr":
        return Window(((int(expression.position), 1),))
    if kind == "AffineMulExpr" and type(expression.rhs).__name__ == "AffineConstantExpr":
        inner, factor = read_window(expression.lhs), int(expression.rhs.value)
        return None if inner is None or factor <= 0 else Window(tuple((d, f * factor) for d, f in inner.terms))
    if kind == "AffineAddExpr":
        left, right = read_window(expression.lhs), read_window(expression.rhs)
        return None if left is None or right is None else Window(left.terms + right.terms)
    return None


def load_window(
    view: View, dims: Sequence[MapDim], sizes: Sequence[Scalar], axes: Sequence[int], writer: FunctionWriter
) -> Lanes:
    """Loads one element per lane of the iteration space.

    Args:
        dims: how each dimension of the view is indexed. sizes: the iteration sizes. axes: the iteration dimensions
            that are axes of Triton values.
    """
    steps = _coefficients(view, dims, writer)
    varying = [d for d in axes if d in steps]
    spans = {d: padded_extent(sizes[d], writer.smallest_extent) * steps[d].high for d in varying}
    wide = sum(spans.values()) > INT32_MAX
    base = corner(view, writer)
    terms = [writer.pointer(view.buffer)] + ([f"({base})"] if base else [])
    for d in varying:
        lanes = along(writer.lanes(padded_extent(sizes[d], writer.smallest_extent)), list(axes).index(d), len(axes))
        left = f"{lanes}.to(tl.int64)" if wide else lanes
        terms.append(left if steps[d].constant == 1 else f"{left} * {writer.show(steps[d])}")
    mask = mask_text(sizes, writer, only=varying)
    guard = f", mask={without_parentheses(mask)}, other=0" if mask else ""
    name = writer.assign("x", f"tl.load({' + '.join(terms)}{guard})")
    return Lanes(name, frozenset(varying), view.element, view.element, None, 0.0)


def _coefficients(view: View, dims: Sequence[MapDim], writer: FunctionWriter) -> dict[int, Scalar]:
    """Elements from one index to the next along each iteration dimension."""
    steps = strides(view.buffer, writer)
    found: dict[int, Scalar] = {}
    for position, dim in enumerate(dims):
        axis = view.axes[position]
        if dim is None or axis is None:
            continue
        for d, factor in dim.terms if isinstance(dim, Window) else ((dim, 1),):
            step = combine("mul", steps[axis], constant(factor * view.steps[axis]), writer.show)
            found[d] = combine("add", found[d], step, writer.show) if d in found else step
    return found
