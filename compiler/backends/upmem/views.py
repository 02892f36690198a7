"""Where a tensor value lives: a storage (an array in host memory, MRAM or WRAM) and a window into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from stratagem.compiler.backends.upmem.dtypes import DType
from stratagem.compiler.backends.upmem.symbols import Index, product_text

HOST, MRAM, WRAM = "host", "mram", "wram"


@dataclass(frozen=True)
class Storage:
    """An array of `dtype`.

    Attributes:
        name: a C pointer expression of the element type (WRAM, host) or an MRAM array of bytes.
        extents: elements per dimension that hold data. strides: elements between neighbours, last one 1.
        bounds: greatest extents, None where unknown (host only).
        lead: for WRAM tiles, the offset in the MRAM row of what lies at column 0; None for any multiple of a
        granule.
    """

    name: str
    space: str
    dtype: DType
    extents: tuple[Index, ...]
    strides: tuple[Index, ...]
    bounds: tuple[int | None, ...] = ()
    lead: Index | None = field(default=None, compare=False)

    def whole(self) -> View:
        zero = Index(0)
        return View(self, tuple(zero for _ in self.extents), self.extents, tuple(range(len(self.extents))))


@dataclass(frozen=True)
class View:
    """A window: element `offsets` per storage dimension; `sizes` per view axis; `axes`: view axis -> storage
    dimension.

    A storage dimension that no axis names has size 1 here; an axis with dimension None has size 1 and no
    storage. `steps` are the distances in elements of the storage's own dimension between neighbours along an
    axis.
    """

    storage: Storage
    offsets: tuple[Index, ...]
    sizes: tuple[Index, ...]
    axes: tuple[int | None, ...]
    steps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.steps:
            object.__setattr__(self, "steps", (1,) * len(self.axes))

    @property
    def rank(self) -> int:
        return len(self.axes)

    def same_place(self, other: View) -> bool:
        """Whether both are the same elements in the same order (sizes may be written differently)."""
        return (self.storage, self.offsets, self.axes, self.steps) == (
            other.storage,
            other.offsets,
            other.axes,
            other.steps,
        )

    def window(
        self, offsets: Sequence[Index], sizes: Sequence[Index], steps: Sequence[int], kept: Sequence[int]
    ) -> View:
        """The slice of this view; `kept` are the axes that stay (rank reduction)."""
        moved = list(self.offsets)
        for axis, dimension in enumerate(self.axes):
            if dimension is not None:
                moved[dimension] = moved[dimension] + offsets[axis].scaled(self.steps[axis])
        return replace(
            self,
            offsets=tuple(moved),
            sizes=tuple(sizes[axis] for axis in kept),
            axes=tuple(self.axes[axis] for axis in kept),
            steps=tuple(self.steps[axis] * steps[axis] for axis in kept),
        )

    def with_axes(self, axes: Sequence[int | None], sizes: Sequence[Index], steps: Sequence[int]) -> View:
        return replace(self, axes=tuple(axes), sizes=tuple(sizes), steps=tuple(steps))

    def address(self, indices: Sequence[Index]) -> str:
        """A C expression: the element number in the storage of the element at `indices` of the view."""
        positions = list(self.offsets)
        for axis, dimension in enumerate(self.axes):
            if dimension is not None:
                positions[dimension] = positions[dimension] + indices[axis].scaled(self.steps[axis])
        return linear_text(positions, self.storage.strides)

    def element(self, indices: Sequence[Index]) -> str:
        return f"{self.storage.name}[{self.address(indices)}]"

    def axis_stride(self, axis: int) -> Index:
        """Elements of storage between neighbours along `axis`; 0 for an axis without storage."""
        dimension = self.axes[axis]
        return Index(0) if dimension is None else self.storage.strides[dimension].scaled(self.steps[axis])


def linear_text(positions: Sequence[Index], strides: Sequence[Index]) -> str:
    """sum of position * stride as C; constant strides are folded into the linear form."""
    total, extra = Index(0), []
    for position, stride in zip(positions, strides, strict=True):
        if stride.is_constant:
            total = total + position.scaled(stride.constant)
        elif position != Index(0):
            extra.append(product_text((position, stride)))
    if total != Index(0) or not extra:
        extra.insert(0, total.bare)
    return " + ".join(extra)


def row_major(extents: Sequence[int]) -> tuple[int, ...]:
    """Strides in elements of a dense array."""
    strides = [1]
    for extent in reversed(list(extents)[1:]):
        strides.append(strides[-1] * extent)
    return tuple(reversed(strides)) if extents else ()
