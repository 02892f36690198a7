"""Masked loads and stores of tiles, with addresses from offsets and strides.

The corner of a tile is a scalar address, 64 bits wide where the buffer may pass 2^31 elements; offsets inside the tile
stay in 32 bits when the tile spans fewer elements than that. Lanes past the tile's size are masked, nothing else is: a
slice of device form lies inside its tensor, and the checkers prove that it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from stratagem.compiler.backends.gpu.printer.element_types import element_type
from stratagem.compiler.backends.gpu.printer.extents import (
    along,
    is_exact,
    padded_extent,
    tile_axes,
    tile_shape,
)
from stratagem.compiler.backends.gpu.printer.function_writer import FunctionWriter
from stratagem.compiler.backends.gpu.printer.scalars import (
    INT32_MAX,
    UNBOUNDED,
    Scalar,
    combine,
    constant,
    without_parentheses,
)
from stratagem.compiler.backends.gpu.printer.values import Buffer, Tile, View
from stratagem.runtime.errors import UnsupportedError


@dataclass(frozen=True)
class Access:
    """The address of a tile and the lanes that exist; `mask` is empty when all do."""

    address: str
    mask: str
    shape: tuple[int, ...]


def strides(buffer: Buffer, writer: FunctionWriter) -> list[Scalar]:
    """Elements from one index to the next along each dimension."""
    result = [constant(1)]
    for size in reversed(buffer.shape[1:]):
        result.insert(0, combine("mul", result[0], size, writer.show))
    return result[: len(buffer.shape)]


def elements(shape: Sequence[Scalar]) -> int:
    """The largest number of elements a tensor of this shape may have."""
    return min(reduce(lambda n, size: n * max(size.high, 1), shape, 1), UNBOUNDED)


def access(view: View, writer: FunctionWriter, writes: bool = False) -> Access:
    """Address and mask of the tile a view covers."""
    shape = tile_shape(view.dims, writer.smallest_extent)
    offset = corner(view, writer)
    pointer = writer.pointer(view.buffer, writes)
    base = pointer if not offset else f"{pointer} + {offset}"
    inside = [t for t in _lane_offsets(view, writer) if t]
    address = " + ".join([f"({base})" if offset and inside else base, *inside])
    return Access(address, mask_text(view.dims, writer), shape)


def mask_text(dims: Sequence[Scalar], writer: FunctionWriter, only: Sequence[int] | None = None) -> str:
    """Which lanes of a tile of these dimensions exist, considering dimensions `only`; empty when all do."""
    axes = tile_axes(dims, writer.smallest_extent)
    parts = []
    for position, d in enumerate(axes):
        extent = padded_extent(dims[d], writer.smallest_extent)
        if (only is None or d in only) and not is_exact(dims[d], extent):
            parts.append(f"({along(writer.lanes(extent), position, len(axes))} < {writer.show(dims[d])})")
    return parts[0] if len(parts) == 1 else " & ".join(parts)


def load(view: View, writer: FunctionWriter, prefix: str = "x") -> Tile:
    """Loads the tile of a view; lanes past its size hold zero."""
    place = access(view, writer)
    element = element_type(view.element)
    guard = f", mask={without_parentheses(place.mask)}, other=0" if place.mask else ""
    name = writer.assign(prefix, f"tl.load({place.address}{guard})")
    if writer.depth:
        writer.stage_bytes += element.bytes * reduce(lambda a, b: a * b, place.shape, 1)
    return Tile(name, view.dims, element.mlir, element.mlir, padding=0.0)


def store(tile: Tile, view: View, writer: FunctionWriter) -> None:
    """Stores a tile of the view's shape, rounding it to the buffer's element type."""
    if not view.buffer.writable:
        raise UnsupportedError(f"the kernel stores to {view.buffer.name}, which is not one of its destinations")
    place = access(view, writer, writes=True)
    if tile_shape(tile.dims, writer.smallest_extent) != place.shape:
        raise UnsupportedError("the kernel stores a tile into a slice of another shape")
    guard = f", mask={without_parentheses(place.mask)}" if place.mask else ""
    writer.line(f"tl.store({place.address}, {converted(tile.text, tile.held, view.element)}{guard})")


def converted(text: str, held: str, wanted: str) -> str:
    """`text` of element type `held` as element type `wanted`."""
    return text if held == wanted else f"{text}.to({element_type(wanted).tl})"


def corner(view: View, writer: FunctionWriter) -> str:
    """The offset of the view's first element, empty for zero."""
    total = constant(0)
    for offset, stride in zip(view.offsets, strides(view.buffer, writer), strict=True):
        total = combine("add", total, combine("mul", offset, stride, writer.show), writer.show)
    return "" if total.constant == 0 else without_parentheses(writer.show(total))


def _lane_offsets(view: View, writer: FunctionWriter) -> list[str]:
    axes = tile_axes(view.dims, writer.smallest_extent)
    steps = strides(view.buffer, writer)
    spans = []
    for position, d in enumerate(axes):
        extent = padded_extent(view.dims[d], writer.smallest_extent)
        lanes = along(writer.lanes(extent), position, len(axes))
        spans.append((lanes, extent, _stride_along(view, d, steps, writer)))
    wide = sum(extent * stride.high for _, extent, stride in spans) > INT32_MAX
    return [_scaled(lanes, stride, wide, writer) for lanes, _, stride in spans]


def _stride_along(view: View, d: int, steps: Sequence[Scalar], writer: FunctionWriter) -> Scalar:
    axis = view.axes[d]
    assert axis is not None, "a dimension with extent above one runs along a buffer dimension"
    return combine("mul", steps[axis], constant(view.steps[axis]), writer.show)


def _scaled(lanes: str, stride: Scalar, wide: bool, writer: FunctionWriter) -> str:
    if stride.constant == 1:
        return lanes
    left = f"{lanes}.to(tl.int64)" if wide else lanes
    return f"{left} * {writer.show(stride)}"
