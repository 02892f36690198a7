"""The code of tasklets: tiles in WRAM, DMA to and from MRAM, phases with barriers between them.

A phase is the body of one scf.forall over DPUs. Its operations are run by all tasklets together: a forall over tasklets
is shared out, every other operation on tensors is done by tasklet 0, and a barrier follows each of these steps.
"""

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
from stratagem.compiler.backends.upmem.geometry import (
    block_of,
    body_operations,
    forall_bounds,
    is_tensor,
    string_attribute,
    terminator,
)
from stratagem.compiler.backends.upmem.linalg_nest import reads_output
from stratagem.compiler.backends.upmem.liveness import consumed_by_compute, users
from stratagem.compiler.backends.upmem.scope import Scope
from stratagem.compiler.backends.upmem.slabs import Slabs
from stratagem.compiler.backends.upmem.symbols import Index, Variable, product_text
from stratagem.compiler.backends.upmem.tensor_emitter import TensorEmitter, loop_variable
from stratagem.compiler.backends.upmem.views import MRAM, WRAM, Storage, View, row_major
from stratagem.compiler.errors import UnsupportedError
from stratagem.compiler.ir import location_text, walk


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


class DeviceEmitter(TensorEmitter):
    """Writes one phase of a DPU program."""

    counts = True

    def __init__(self, scope: Scope, facts: DeviceFacts, arrays: ProgramArrays) -> None:
        super().__init__(scope, arrays.constants)
        self.facts, self.arrays = facts, arrays
        self.rules = Rules(facts.granule, facts.burst)
        self.slabs = Slabs()
        self._inside_tasklet = False
        self._steps = 0

    # Storage ---------------------------------------------------------------------------------------------------------

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

    # Movement --------------------------------------------------------------------------------------------------------

    def addressable(self, value: Any, view: View, read: bool) -> View:
        if view.storage.space != MRAM:
            return view
        tile = self.stage(view, read)
        self.scope.bind(value, tile)
        return tile

    def stage(self, view: View, read: bool) -> View:
        """A WRAM tile for a window of MRAM, filled when `read`."""
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
        self.arrays.transfers.append(
            f"{'write' if to_mram else 'read'} {name}: rows of at most {longest} B, {kind}"
        )
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
        if any(not stride.divisible_by(unit) for stride in storage.strides[:-1]) or storage.lead is None and lane:
            return False
        if window.aligned:
            return source.offsets[-1].divisible_by(unit) and (storage.lead is None or storage.lead.divisible_by(unit))
        return storage.lead is not None and (storage.lead - window.start).divisible_by(unit)

    def copy_elements(self, source: View, target: View) -> None:
        """Element by element, between places C can index."""
        with ExitStack() as stack:
            indices = []
            for size in target.sizes:
                name = self.scope.fresh("i")
                head = f"for ({self.scope.integer} {name} = 0; {name} < {size}; ++{name})"
                stack.enter_context(self.scope.block(head))
                indices.append(Index.of(Variable(name, 0, None if size.high is None else size.high - 1)))
            self.scope.line(f"{target.element(indices)} = {source.element(indices)};")
        self.scope.line(f"SG_COUNT(SG_LOOP, {product_text(target.sizes)});")

    def destination(self, value: Any, op: Any, read: bool) -> View:
        found = super().destination(value, op, read)
        if found.storage.space != MRAM or self._inside_tasklet or op.name != "linalg.generic":
            return found
        shared = self._shared(found.sizes, found.storage.dtype)  # tasklet 0's own tile would be invisible to the others
        if read:
            self.copy(found, shared)
        return shared

    # Tiles -----------------------------------------------------------------------------------------------------------

    def extract_slice(self, op: Any) -> None:
        """A slice that has an MRAM array of its own is bound before the phase starts."""
        found = self.scope.find(op.results[0])
        if isinstance(found, View):
            self.scope.bind(op.results[0], self.sliced(op, found))
        else:
            super().extract_slice(op)

    def sliced(self, op: Any, view: View) -> View:
        """Windows of MRAM are staged where they are cut when something computes on them, or when the IR says so."""
        value = op.results[0]
        if view.storage.space != MRAM or not self._inside_tasklet:
            return view
        asked = string_attribute(op, "device.stage") == self.facts.scratch
        if asked or consumed_by_compute(value) or self._accumulates(value):
            return self.stage(view, read=self._needs_elements(value))
        return view

    def _accumulates(self, value: Any) -> bool:
        """Whether a loop carries `value` as something its body computes on."""
        for user in users(value):
            if user.name != "scf.for":
                continue
            position = list(user.operands).index(value) - 3
            argument = block_of(user).arguments[1 + position]
            if consumed_by_compute(argument) or self._accumulates(argument):
                return True
        return False

    def _needs_elements(self, value: Any) -> bool:
        """Whether the old elements matter: false when every user only overwrites them."""
        for user in users(value):
            if user.name != "linalg.generic":
                return True
            operands = list(user.operands)
            first = len(operands) - len(user.results)
            if any(o == value and (n < first or reads_output(user, n - first)) for n, o in enumerate(operands)):
                return True
        return False

    def loop(self, op: Any) -> None:
        if not self._inside_tasklet and any(one.name == "scf.forall" for one in body_operations(op)):
            raise UnsupportedError(
                "a staging loop around the forall over tasklets", hint="put the forall outside", location=location_text(op)
            )
        super().loop(op)

    def body(self, op: Any) -> None:
        with self.slabs.frame():
            super().body(op)

    # Steps of a phase ------------------------------------------------------------------------------------------------

    def phase(self, op: Any) -> None:
        """The body of a forall over DPUs; its terminator's sources must end in the arrays the caller has bound."""
        pending: list[Any] = []
        for one in body_operations(op)[:-1]:
            if self._is_work(one):
                pending.append(one)
                continue
            if one.name in ("scf.forall", "tensor.extract") or _needs_result_of(one, pending):
                self._serial(pending)
                pending = []
            if one.name == "tensor.extract":
                self._everyone(one)
            else:
                self.operation(one)
        self._serial(pending)
        inserts = [one.operation for one in block_of(terminator(op)).operations]
        self._serial(inserts, final=True)

    @staticmethod
    def _is_work(op: Any) -> bool:
        return op.name in ("linalg.generic", "scf.for", "tensor.insert_slice")

    def _everyone(self, op: Any) -> None:
        """Every tasklet reads the same element for itself."""
        self._barrier()
        self._inside_tasklet = True
        self.operation(op)
        self._inside_tasklet = False

    def _serial(self, operations: list[Any], final: bool = False) -> None:
        """Operations that belong to no tasklet: tasklet 0 does them."""
        needed = [op for op in operations if not final or self._moves(op)]
        if not needed:
            return
        self._barrier()
        for op in needed:
            for value in op.operands:
                if str(value.type) == "index":
                    self.scope.index(value)
        mark = dict.fromkeys(r for op in needed for r in op.results)
        with self.scope.block("if (tasklet == 0)"), self.slabs.frame():
            for op in needed:
                if final:
                    self.put(op, self._final_target(op))
                else:
                    self.operation(op)
            found = {value: self.scope.find(value) for value in mark}
        for value, meaning in found.items():
            self.scope.bind(value, meaning)

    def _final_target(self, op: Any) -> View:
        target = self.scope.find(op.operands[1])
        assert isinstance(target, View)
        return target

    def _moves(self, op: Any) -> bool:
        source = self.view(op.operands[0])
        return isinstance(source, View) and not source.same_place(self.window(op, self._final_target(op), op.operands[0]))

    def _barrier(self) -> None:
        if self._steps:
            self.scope.line("barrier_wait(&barrier);")
        self._steps += 1

    def forall(self, op: Any) -> None:
        """A forall over tasklets: tasklet t takes iterations t, t + NR_TASKLETS, ..."""
        if self._inside_tasklet:
            super().forall(op)
        tier = string_attribute(op, "device.tier")
        if tier != self.facts.thread_tier:
            raise UnsupportedError(
                f"a forall of tier {tier!r} inside a unit; its threads are tier {self.facts.thread_tier!r}",
                location=location_text(op),
            )
        bounds = forall_bounds(op)
        arguments = list(block_of(op).arguments)
        rank = len(bounds.lower)
        outputs = [self.destination(value, op, read=True) for value in bounds.outputs]
        lower, upper, step = ([self.scope.entry(e) for e in part] for part in (bounds.lower, bounds.upper, bounds.step))
        self._barrier()
        self._inside_tasklet = True
        with ExitStack() as stack:
            stack.enter_context(self.slabs.frame())
            stack.enter_context(self.scope.block(""))
            self._stage_captured(op)
            indices = self._share_out(stack, lower, upper, step)
            stack.enter_context(self.slabs.frame())
            for argument, meaning in zip(arguments, [*indices, *outputs], strict=True):
                self.scope.bind(argument, meaning)
            self.run(body_operations(op)[:-1])
            for insert in block_of(terminator(op)).operations:
                self.put(insert.operation, outputs[arguments.index(insert.operation.operands[1]) - rank])
        self._inside_tasklet = False
        for result, output in zip(op.results, outputs, strict=True):
            self.scope.bind(result, output)

    def _share_out(self, stack: ExitStack, lower: list[Index], upper: list[Index], step: list[Index]) -> list[Index]:
        """Opens the loop over this tasklet's iterations; returns the induction values."""
        if len(lower) == 1:
            name = self.scope.fresh("u")
            first = f"{lower[0]} + " if lower[0] != Index(0) else ""
            stride = product_text(step)
            head = (
                f"for ({self.scope.integer} {name} = {first}tasklet * {stride}; {name} < {upper[0]}; "
                f"{name} += NR_TASKLETS * {stride})"
            )
            stack.enter_context(self.scope.block(head))
            return [loop_variable(name, lower[0], upper[0], step[0])]
        counts = [self.scope.divide(u - low, s, up=True) for low, u, s in zip(lower, upper, step, strict=True)]
        name = self.scope.fresh("u")
        head = (
            f"for ({self.scope.integer} {name} = tasklet; {name} < {product_text(counts)}; {name} += NR_TASKLETS)"
        )
        stack.enter_context(self.scope.block(head))
        return self._unflatten(name, counts, lower, upper, step)

    def _unflatten(
        self, flat: str, counts: list[Index], lower: list[Index], upper: list[Index], step: list[Index]
    ) -> list[Index]:
        indices = []
        for axis in range(len(counts)):
            inner = product_text(counts[axis + 1 :])
            part = flat if axis == len(counts) - 1 else f"{flat} / ({inner})"
            part = part if axis == 0 else f"{part} % {counts[axis]}"
            position = Variable(self.scope.fresh("u"), 0)
            self.scope.line(f"const {self.scope.integer} {position.name} = {part};")
            name = self.scope.fresh("j")
            value = f"{position.name} * {step[axis]}" + (f" + {lower[axis]}" if lower[axis] != Index(0) else "")
            self.scope.line(f"const {self.scope.integer} {name} = {value};")
            indices.append(loop_variable(name, lower[axis], upper[axis], step[axis]))
        return indices

    def _stage_captured(self, op: Any) -> None:
        """MRAM tensors that tiles compute on as a whole are staged once per tasklet, before its loop."""
        inside = set(walk(op))
        seen: set[Any] = set()
        for one in walk(op):
            for value in one.operands:
                outside = is_tensor(value) and value not in seen and _defined_outside(value, op, inside)
                seen.add(value)
                found = self.scope.find(value) if outside else None
                if isinstance(found, View) and found.storage.space == MRAM and _computes_inside(value, inside):
                    self.scope.bind(value, self.stage(found, read=True))


def _needs_result_of(op: Any, pending: list[Any]) -> bool:
    made = {result for one in pending for result in one.results}
    return any(value in made for value in op.operands)


def _defined_outside(value: Any, op: Any, inside: set[Any]) -> bool:
    owner = value.owner
    if hasattr(owner, "operations"):  # a block: its arguments belong to the operation around it
        return owner.owner.operation not in inside and owner.owner.operation != op
    return owner.operation not in inside


def _computes_inside(value: Any, inside: set[Any]) -> bool:
    """Whether an operation of the forall reads elements of `value` itself and all of them only read."""
    found = [user for user in users(value) if user in inside]
    return any(user.name == "linalg.generic" for user in found) and all(
        user.name in ("linalg.generic", "tensor.extract_slice") for user in found
    )
