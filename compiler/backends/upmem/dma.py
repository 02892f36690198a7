"""Which transfers move a window of an MRAM array to a WRAM tile, and back.

MRAM rows start at whole granules and are padded to whole granules, so only the position inside the row
matters:

- a window that starts at a multiple of the granule is read and written as it is; its end may be rounded up
  when it is the end of the row, or a granule border;
- any other window gets a tile whose column 0 lies `lead` elements into a granule, as it does in MRAM. Reading
  rounds down and up. Writing merges the first and last granule under a mutex, because a neighbour may own
  their other bytes.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from stratagem.compiler.backends.upmem.scope import Scope
from stratagem.compiler.backends.upmem.symbols import Index, Variable
from stratagem.compiler.backends.upmem.views import View
from stratagem.runtime.errors import HardwareError, UnsupportedError


@dataclass(frozen=True)
class Rules:
    """The DMA engine: smallest transfer and alignment (bytes), largest transfer (bytes)."""

    granule: int
    burst: int

    def elements(self, size: int) -> int:
        """Elements of `size` bytes in a granule, at least 1."""
        return max(1, self.granule // size)

    def rounded(self, count: int, size: int) -> int:
        """`count` elements rounded up to whole granules."""
        unit = self.elements(size)
        return -(-count // unit) * unit


@dataclass(frozen=True)
class Window:
    """An MRAM view seen as rows.

    Attributes:
        row_axis: the view axis that runs along an MRAM row; None when single elements are picked.
        start, length: position and elements along the row. aligned: starts at a granule for sure.
        exact: may also be rounded up at its end. whole: is the complete padded row.
    """

    view: View
    row_axis: int | None
    start: Index
    length: Index
    aligned: bool
    exact: bool
    whole: bool

    @property
    def outer_axes(self) -> list[int]:
        return [axis for axis in range(self.view.rank) if axis != self.row_axis]


def window_of(view: View, rules: Rules) -> Window:
    """Reads the alignment facts of an MRAM view."""
    storage = view.storage
    last = len(storage.extents) - 1
    row_axis = next((a for a, d in enumerate(view.axes) if d == last and view.steps[a] == 1), None)
    if row_axis is None and last in view.axes:
        raise UnsupportedError(f"a slice with a stride along the rows of {storage.name} cannot be moved by DMA")
    start = view.offsets[last]
    length = Index(1) if row_axis is None else view.sizes[row_axis]
    unit = rules.elements(storage.dtype.size)
    bound = storage.bounds[last]
    ends = [storage.extents[last]] + ([Index(bound)] if bound is not None else [])
    aligned = start.divisible_by(unit)
    exact = aligned and (start + length).ends_at(unit, ends)
    whole = start == Index(0) and row_axis is not None and length.high == bound
    return Window(view, row_axis, start, length, aligned, exact, whole)


def bound_of(size: Index, what: str) -> int:
    """The greatest value of a size; HardwareError when no tile limits it."""
    if size.high is None:
        raise HardwareError(
            f"the size {size} of {what} has no upper bound, so no buffer can be reserved for it",
            hint="tile that dimension with a constant, or give the model a static size",
        )
    return max(size.high, 0)


@dataclass(frozen=True)
class TileShape:
    """A WRAM tile for a window: bounds and strides per tile dimension (view axes, then a lane when none is
    the row)."""

    bounds: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def elements(self) -> int:
        return self.bounds[0] * self.strides[0] if self.bounds else 1


def tile_shape(window: Window, rules: Rules) -> TileShape:
    """The smallest tile that keeps rows at whole granules and the window's own position inside a granule."""
    view, size = window.view, window.view.storage.dtype.size
    spare = 0 if window.aligned else rules.elements(size) - 1
    pitch = rules.rounded(bound_of(window.length, "a tile row") + spare, size)
    if window.whole and len(view.storage.strides) > 1:
        pitch = view.storage.strides[-2].constant
    bounds = [bound_of(view.sizes[axis], "a tile") for axis in window.outer_axes]
    strides, step = [], pitch
    for bound in reversed(bounds):
        strides.append(step)
        step *= max(bound, 1)
    strides.reverse()
    if window.row_axis is None:
        return TileShape((*bounds, pitch), (*strides, 1))
    bounds.insert(window.row_axis, bound_of(window.length, "a tile row"))
    strides.insert(window.row_axis, 1)
    if view.rank == 1:
        return TileShape((pitch,), (1,))
    return TileShape(tuple(bounds), tuple(strides))


def tile_elements(window: Window, rules: Rules) -> int:
    """Elements the tile takes."""
    shape = tile_shape(window, rules)
    return max(bound * stride for bound, stride in zip(shape.bounds, shape.strides, strict=True))


class Transfer:
    """Writes the loops of transfers between a window and its tile.

    Args:
        lead: elements before the first one in the tile's first granule, an Index; 0 when aligned.
        written: whether other tasklets may write the array meanwhile (then unaligned reads take the mutex).
    """

    def __init__(self, scope: Scope, rules: Rules, window: Window, tile: View, lead: Index, written: bool) -> None:
        self.scope, self.rules, self.window, self.tile, self.lead = scope, rules, window, tile, lead
        self.written = written
        self.needs_edges = False

    def write(self, to_mram: bool) -> None:
        """Writes the statements for one direction."""
        merged, run = self._merge()
        axes = [axis for axis in self.window.outer_axes if axis not in merged]
        indices = [Index(0)] * self.window.view.rank
        with ExitStack() as stack:
            for axis in axes:
                indices[axis] = self._enter(stack, self.window.view.sizes[axis])
            self._statement(indices, run, to_mram)

    def _enter(self, stack: ExitStack, size: Index) -> Index:
        if size == Index(1):
            return Index(0)
        name = self.scope.fresh("r")
        stack.enter_context(self.scope.block(f"for ({self.scope.integer} {name} = 0; {name} < {size}; ++{name})"))
        return Index.of(Variable(name, 0, None if size.high is None else size.high - 1))

    def _merge(self) -> tuple[list[int], Index]:
        """Axes whose rows lie one after another on both sides, and the elements of one run."""
        view, run = self.window.view, self.window.length
        merged: list[int] = []
        if not self.window.whole:
            return [], run
        for axis in reversed(self.window.outer_axes):
            here = self.tile.axis_stride(axis)
            if here != view.axis_stride(axis) or (merged and view.offsets[view.axes[merged[-1]] or 0] != Index(0)):
                break
            merged.append(axis)
            run = view.sizes[axis].scaled(here.constant)
        return merged, run

    def _statement(self, indices: list[Index], run: Index, to_mram: bool) -> None:
        size = self.tile.storage.dtype.size
        mram = self._position(self.window.view, indices) - self.lead
        wram = self._position(self.tile, indices) - self.lead
        far = (
            f"{self.window.view.storage.name} + {mram.scaled(size)}"
            if mram != Index(0)
            else self.window.view.storage.name
        )
        near = f"{self.tile.storage.name} + {wram}" if wram != Index(0) else self.tile.storage.name
        length = run.scaled(size)
        if not self.window.exact and (to_mram or self.written):
            self._edges(near, far, length, to_mram)
        elif self._is_one_burst(length):
            ends = (near, f"(__mram_ptr void *)({far})")
            source, target = ends if to_mram else (f"(__mram_ptr void const *)({far})", near)
            self.scope.line(f"mram_{'write' if to_mram else 'read'}({source}, {target}, {length.bare});")
        else:
            ends = (near, far) if to_mram else (far, near)
            total = length if to_mram else length + self.lead.scaled(size)
            self.scope.line(f"sg_{'write' if to_mram else 'read'}({ends[0]}, {ends[1]}, {total.bare});")

    def _edges(self, near: str, far: str, length: Index, to_mram: bool) -> None:
        self.needs_edges = True
        lead = self.lead.scaled(self.tile.storage.dtype.size)
        if to_mram:
            self.scope.line(f"sg_write_edges({near}, {far}, {lead.bare}, {length.bare});")
        else:
            self.scope.line(f"sg_read_edges({far}, {near}, {(length + lead).bare});")

    def _is_one_burst(self, length: Index) -> bool:
        bytes_known = length.is_constant and self.lead == Index(0)
        return bytes_known and 0 < length.constant <= self.rules.burst and length.divisible_by(self.rules.granule)

    @staticmethod
    def _position(view: View, indices: list[Index]) -> Index:
        total = Index(0)
        positions = list(view.offsets)
        for axis, dimension in enumerate(view.axes):
            if dimension is not None:
                positions[dimension] = positions[dimension] + indices[axis].scaled(view.steps[axis])
        for position, stride in zip(positions, view.storage.strides, strict=True):
            total = total + position.scaled(stride.constant)
        return total
