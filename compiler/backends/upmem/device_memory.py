"""Where a DPU program keeps tensors, and how they move: MRAM arrays, WRAM tiles of a tasklet, WRAM that
tasklets share."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from stratagem.compiler.backends.upmem.dma import (
    Rules,
    Transfer,
    Window,
    bound_of,
    tile_elements,
    tile_shape,
    window_of,
)
from stratagem.compiler.backends.upmem.dtypes import DType
from stratagem.compiler.backends.upmem.facts import DeviceFacts
from stratagem.compiler.backends.upmem.scope import Scope
from stratagem.compiler.backends.upmem.slabs import Slabs
from stratagem.compiler.backends.upmem.symbols import Index, Variable, product_text
from stratagem.compiler.backends.upmem.tensor_emitter import TensorEmitter
from stratagem.compiler.backends.upmem.views import MRAM, WRAM, Storage, View, row_major


@dataclass
class ProgramArrays:
    """The arrays of a whole DPU program.

    Attributes:
        mram: MRAM array name -> bytes. shared: WRAM array name -> (C type, elements), common to all tasklets.
        constants: name -> C definition. read: MRAM arrays read by DMA. written: those written.
        edges: whether some transfer merges granules under the mutex. temporaries_in_mram: where tensors that all
        tasklets share are kept; WRAM is tried first.
    """

    mram: dict[str, int] = field(default_factory=dict)
    shared: dict[str, tuple[DType, int]] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    edges: bool = False
    temporaries_in_mram: bool = False
    transfers: list[str] = field(default_factory=list)

    def reserve(self, name: str, sizes: Sequence[Index], dtype: DType, rules: Rules) -> Storage:
        """An MRAM array for a tensor of at most these sizes: rows padded to whole granules."""
        extents = tuple(sizes) or (Index(1),)
        bounds = [bound_of(size, f"MRAM array {name}") for size in extents]
        padded = [*bounds[:-1], rules.rounded(bounds[-1], dtype.size)]
        strides = row_major(padded)
        elements = max(padded[0] * strides[0], rules.elements(dtype.size))
        self.mram[name] = rules.rounded(elements, dtype.size) * dtype.size
        return Storage(name, MRAM, dtype, extents, tuple(Index(s) for s in strides), tuple(bounds))


class DeviceMemory(TensorEmitter):
    """Storage and movement of a phase; `_inside_tasklet` says whether code of one tasklet is being written."""

    counts = True

    def __init__(self, scope: Scope, facts: DeviceFacts, arrays: ProgramArrays) -> None:
        super().__init__(scope, arrays.constants)
        self.facts, self.arrays = facts, arrays
        self.rules = Rules(facts.granule, facts.burst)
        self.slabs = Slabs()
        self._inside_tasklet = False

    # Storage ------------------------------------------------------------------------------------------------

    def fresh(self, sizes: Sequence[Index], dtype: DType) -> View:
        if not self._inside_tasklet:
            return self._shared(sizes, dtype)
        return self._tile(sizes, dtype)

    def _tile(self, sizes: Sequence[Index], dtype: DType) -> View:
        extents = tuple(sizes) or (Index(1),)
        bounds = [bound_of(size, "a tile") for size in extents]
        strides = row_major([*bounds[:-1], self.rules.rounded(bounds[-1], dtype.size)])
        elements = max(self.rules.rounded(bounds[-1], dtype.size), bounds[0] * strides[0] if len(bounds) > 1 else 0)
        name = self._declare(max(elements, 1), dtype)
        storage = Storage(name, WRAM, dtype, extents, tuple(Index(s) for s in strides), tuple(bounds))
        return storage.whole() if sizes else View(storage, (Index(0),), (), ())

    def _declare(self, elements: int, dtype: DType) -> str:
        slab = self.slabs.take(self._whole(elements * dtype.size))
        name = self.scope.fresh("t")
        self.scope.line(f"{dtype.c} *const {name} = ({dtype.c} *){slab};")
        return name

    def _whole(self, size: int) -> int:
        return -(-size // self.facts.granule) * self.facts.granule

    def _shared(self, sizes: Sequence[Index], dtype: DType) -> View:
        """A tensor that all tasklets of a DPU see."""
        name = f"{'mram_temporary' if self.arrays.temporaries_in_mram else 'shared'}{self._number()}"
        if self.arrays.temporaries_in_mram:
            storage = self.arrays.reserve(name, sizes, dtype, self.rules)
            self.arrays.written.add(name)
        else:
            extents = tuple(sizes) or (Index(1),)
            bounds = [bound_of(size, "a tensor shared by tasklets") for size in extents]
            strides = row_major([*bounds[:-1], self.rules.rounded(bounds[-1], dtype.size)])
            elements = max(bounds[0] * strides[0], self.rules.rounded(bounds[-1], dtype.size))
            self.arrays.shared[name] = (dtype, max(elements, 1))
            storage = Storage(name, WRAM, dtype, extents, tuple(Index(s) for s in strides), tuple(bounds))
        return storage.whole() if sizes else View(storage, (Index(0),), (), ())

    def _number(self) -> int:
        return len(self.arrays.shared) + len(self.arrays.mram)

    # Movement -----------------------------------------------------------------------------------------------

    def addressable(self, value: Any, view: View, read: bool) -> View:
        if view.storage.space != MRAM:
            return view
        tile = self.stage(view, read)
        self.scope.bind(value, tile)
        return tile

    def stage(self, view: View, read: bool) -> View:
        """A WRAM tile for a window of MRAM, filled when `read`."""
        spread = _strided_row(view)
        if spread is not None and read:
            return self._stage_span(view, spread)
        window = window_of(view, self.rules)
        lead = self._lead(window)
        shape = tile_shape(window, self.rules)
        name = self._declare(tile_elements(window, self.rules), view.storage.dtype)
        sizes = list(view.sizes) if window.row_axis is not None else [*view.sizes, Index(1)]
        storage = Storage(
            name,
            WRAM,
            view.storage.dtype,
            tuple(sizes),
            tuple(Index(s) for s in shape.strides),
            shape.bounds,
            lead=window.start,
        )
        offsets = [Index(0)] * len(sizes)
        offsets[len(sizes) - 1 if window.row_axis is None else window.row_axis] = lead
        tile = View(storage, tuple(offsets), view.sizes, tuple(range(view.rank)))
        if read:
            self._transfer(window, tile, lead, to_mram=False)
        return tile

    def _stage_span(self, view: View, axis: int) -> View:
        """Every element between the first and the last of a strided row is moved; the tile is then strided."""
        step = view.steps[axis]
        span = list(view.sizes)
        span[axis] = (span[axis] - 1).scaled(step) + 1
        ones = [1 if a == axis else s for a, s in enumerate(view.steps)]
        tile = self.stage(view.with_axes(view.axes, span, ones), read=True)
        steps = [step if a == axis else s for a, s in enumerate(tile.steps)]
        return tile.with_axes(tile.axes, view.sizes, steps)

    def element(self, view: View, indices: Sequence[Index]) -> str:
        """One element picked by an index known only at run time: its granule is fetched."""
        if view.storage.space != MRAM:
            return super().element(view, indices)
        dtype, name = view.storage.dtype, self.scope.fresh("g")
        place = self.scope.fresh("at")
        self.scope.line(f"const {self.scope.integer} {place} = {view.address(indices)};")
        unit = self.rules.elements(dtype.size)
        slab = self.slabs.take(self._whole(dtype.size))
        first = f"{view.storage.name} + {place} / {unit} * {unit * dtype.size}"
        self.scope.line(f"mram_read((__mram_ptr void const *)({first}), {slab}, {self._whole(dtype.size)});")
        self.scope.line(f"const {dtype.c} {name} = (({dtype.c} *){slab})[{place} % {unit}];")
        self.arrays.read.add(view.storage.name)
        return name

    def _lead(self, window: Window) -> Index:
        """Elements between the granule border and the first element of the window's rows."""
        if window.aligned:
            return Index(0)
        unit = self.rules.elements(window.view.storage.dtype.size)
        moving = Index(0, window.start.terms)
        if moving.divisible_by(unit):
            return Index(window.start.constant % unit)
        return self.scope.define("lead", f"{window.start} % {unit}", 0, unit - 1)

    def _transfer(self, window: Window, tile: View, lead: Index, to_mram: bool) -> None:
        name = window.view.storage.name
        transfer = Transfer(self.scope, self.rules, window, tile, lead, name in self.arrays.written)
        transfer.write(to_mram)
        self.arrays.edges = self.arrays.edges or transfer.needs_edges
        kind = "merged at its edges" if transfer.needs_edges else "aligned" if window.aligned else "read with a lead"
        longest = "?" if window.length.high is None else window.length.high * tile.storage.dtype.size
        self.arrays.transfers.append(f"{'write' if to_mram else 'read'} {name}: rows of at most {longest} B, {kind}")
        (self.arrays.written if to_mram else self.arrays.read).add(name)

    def copy(self, source: View, target: View) -> None:
        if source.storage.space == MRAM:
            source = self.stage(source, read=True)
        if target.storage.space == MRAM:
            self._store(source, target)
        else:
            self.copy_elements(source, target)

    def _store(self, source: View, target: View) -> None:
        """WRAM to MRAM; a tile whose rows lie differently inside their granules is copied first."""
        window = window_of(target, self.rules)
        if not self._fits_window(source, window):
            tile = self.stage(target, read=False)
            self.copy_elements(source, tile)
            source = tile
        row = source.offsets[-1] if window.row_axis is None else source.offsets[source.axes[window.row_axis] or 0]
        lead = Index(0) if window.aligned else row
        self._transfer(window, source, lead, to_mram=True)

    def _fits_window(self, source: View, window: Window) -> bool:
        """Whether rows of `source` can be sent as they are: same axes, whole rows in place, same lead."""
        unit = self.rules.elements(source.storage.dtype.size)
        storage = source.storage
        if source.axes != tuple(range(source.rank)) or set(source.steps) - {1}:
            return False
        lane = window.row_axis is None
        if len(storage.strides) != source.rank + lane or (not lane and window.row_axis != source.rank - 1):
            return False
        if any(not stride.divisible_by(unit) for stride in storage.strides[:-1]) or (storage.lead is None and lane):
            return False
        if window.aligned:
            return source.offsets[-1].divisible_by(unit) and (storage.lead is None or storage.lead.divisible_by(unit))
        return storage.lead is not None and (storage.lead - window.start).divisible_by(unit)

    def copy_elements(self, source: View, target: View) -> None:
        """Element by element, between places C can index."""
        with ExitStack() as stack:
            indices = []
            for size in target.sizes:
                if size == Index(1):
                    indices.append(Index(0))
                    continue
                name = self.scope.fresh("i")
                head = f"for ({self.scope.integer} {name} = 0; {name} < {size}; ++{name})"
                stack.enter_context(self.scope.block(head))
                indices.append(Index.of(Variable(name, 0, None if size.high is None else size.high - 1)))
            self.scope.line(f"{target.element(indices)} = {source.element(indices)};")
        self.scope.line(f"SG_COUNT(SG_LOOP, {product_text(target.sizes)});")


def _strided_row(view: View) -> int | None:
    """The axis that runs along an MRAM row with a step; None when there is none."""
    last = len(view.storage.extents) - 1
    return next((a for a, d in enumerate(view.axes) if d == last and view.steps[a] != 1), None)
