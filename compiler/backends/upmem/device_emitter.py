"""The code of tasklets: tiles in WRAM, DMA to and from MRAM, phases with barriers between them.

A phase is the body of one scf.forall over DPUs. Its operations are run by all tasklets together: a forall
over tasklets is shared out, every other operation on tensors is done by tasklet 0, and a barrier follows each
of these steps.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from stratagem.compiler.backends.upmem.device_memory import DeviceMemory, ProgramArrays
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
from stratagem.compiler.backends.upmem.symbols import Index, Variable, product_text
from stratagem.compiler.backends.upmem.tensor_emitter import loop_variable
from stratagem.compiler.backends.upmem.views import MRAM, View
from stratagem.compiler.ir import location_text, walk
from stratagem.runtime.errors import UnsupportedError


class DeviceEmitter(DeviceMemory):
    """Writes one phase of a DPU program."""

    def __init__(self, scope: Scope, facts: DeviceFacts, arrays: ProgramArrays) -> None:
        super().__init__(scope, facts, arrays)
        self._last_step = ""

    def destination(self, value: Any, op: Any, read: bool) -> View:
        found = super().destination(value, op, read)
        if found.storage.space != MRAM or self._inside_tasklet or op.name != "linalg.generic":
            return found
        shared = self._shared(found.sizes, found.storage.dtype)  # tasklet 0's own tile would be invisible to the others
        if read:
            self.copy(found, shared)
        return shared

    # Tiles --------------------------------------------------------------------------------------------------

    def extract_slice(self, op: Any) -> None:
        """A slice that has an MRAM array of its own is bound before the phase starts."""
        found = self.scope.find(op.results[0])
        if isinstance(found, View):
            self.scope.bind(op.results[0], self.sliced(op, found))
        else:
            super().extract_slice(op)

    def sliced(self, op: Any, view: View) -> View:
        """Windows of MRAM are staged where they are cut when something computes on them, or when the IR says
        so."""
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
                "a staging loop around the forall over tasklets",
                hint="put the forall outside",
                location=location_text(op),
            )
        super().loop(op)

    def body(self, op: Any) -> None:
        with self.slabs.frame():
            super().body(op)

    # Steps of a phase ---------------------------------------------------------------------------------------

    def phase(self, op: Any) -> None:
        """The body of a forall over DPUs; its terminator's sources must end in the arrays the caller has
        bound."""
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
        self._barrier(serial=True)
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
        return isinstance(source, View) and not source.same_place(
            self.window(op, self._final_target(op), op.operands[0])
        )

    def _barrier(self, serial: bool = False) -> None:
        """Ends the step before; two steps of tasklet 0 in a row need nothing between them."""
        if self._last_step and not (serial and self._last_step == "serial"):
            self.scope.line("barrier_wait(&barrier);")
        self._last_step = "serial" if serial else "shared"

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
            stride = f" * {step[0]}" if step[0] != Index(1) else ""
            head = (
                f"for ({self.scope.integer} {name} = {first}tasklet{stride}; {name} < {upper[0]}; "
                f"{name} += NR_TASKLETS{stride})"
            )
            stack.enter_context(self.scope.block(head))
            return [loop_variable(name, lower[0], upper[0], step[0])]
        counts = [self.scope.divide(u - low, s, up=True) for low, u, s in zip(lower, upper, step, strict=True)]
        name = self.scope.fresh("u")
        start, end = f"{self.scope.integer} {name} = tasklet", product_text(counts)
        head = f"for ({start}; {name} < {end}; {name} += NR_TASKLETS)"
        stack.enter_context(self.scope.block(head))
        return self._unflatten(name, counts, lower, upper, step)

    def _unflatten(
        self, flat: str, counts: list[Index], lower: list[Index], upper: list[Index], step: list[Index]
    ) -> list[Index]:
        indices = []
        for axis in range(len(counts)):
            inner = product_text(counts[axis + 1 :])
            part = flat if axis == len(counts) - 1 else f"{flat} / {f'({inner})' if ' ' in inner else inner}"
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
