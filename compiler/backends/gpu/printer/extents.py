"""Tile extents: Triton wants powers of two, so sizes are padded and the lanes past the size are masked."""

from __future__ import annotations

from collections.abc import Sequence

from stratagem.compiler.backends.gpu.printer.scalars import Scalar
from stratagem.runtime.errors import UnsupportedError

LARGEST_TILE = 2**20
"""Elements of one Triton tensor; the compiler refuses more."""


def padded_extent(size: Scalar, smallest: int) -> int:
    """The power of two that holds `size`; 1 stays 1, more than 1 becomes at least `smallest`.

    Raises UnsupportedError when the size has no usable upper bound.
    """
    if size.high <= 1:
        return 1
    if size.high > LARGEST_TILE:
        bound = size.constant if size.constant is not None else "no static bound"
        raise UnsupportedError(
            f"a tile dimension must be bounded by {LARGEST_TILE} elements, this one has {bound}",
            hint="tile the dimension: a slice clamped by affine.min with a constant, or a loop over chunks",
        )
    return max(1 << (size.high - 1).bit_length(), smallest)


def is_exact(size: Scalar, extent: int) -> bool:
    """Whether a tile of this padded extent has no lanes past the size."""
    return size.constant == extent or extent == 1


def tile_axes(dims: Sequence[Scalar], smallest: int) -> list[int]:
    """The dimensions that are axes of the Triton value: those with padded extent above one."""
    return [d for d, size in enumerate(dims) if padded_extent(size, smallest) > 1]


def tile_shape(dims: Sequence[Scalar], smallest: int) -> tuple[int, ...]:
    """The shape of the Triton value; raises UnsupportedError when it has more elements than Triton allows."""
    shape = tuple(e for e in (padded_extent(size, smallest) for size in dims) if e > 1)
    count = 1
    for extent in shape:
        count *= extent
    if count > LARGEST_TILE:
        raise UnsupportedError(
            f"a tile of {' x '.join(map(str, shape))} has {count} elements, Triton holds {LARGEST_TILE}",
            hint="use smaller tiles",
        )
    return shape


def shape_text(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def along(text: str, axis: int, rank: int) -> str:
    """A vector laid along one of `rank` axes: `x[:, None]` for axis 0 of 2."""
    if rank == 1:
        return text
    return f"{text}[{', '.join(':' if a == axis else 'None' for a in range(rank))}]"
