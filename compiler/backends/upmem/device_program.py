"""One DPU program per kernel: its phases, arrays, argument structure and `main`, as UPMEM C."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from stratagem.compiler.backends.upmem.coverage import covers
from stratagem.compiler.backends.upmem.device_emitter import DeviceEmitter
from stratagem.compiler.backends.upmem.device_memory import ProgramArrays
from stratagem.compiler.backends.upmem.distribute import Distribution, Part, distribute
from stratagem.compiler.backends.upmem.dma import Rules
from stratagem.compiler.backends.upmem.dtypes import DType
from stratagem.compiler.backends.upmem.facts import DeviceFacts
from stratagem.compiler.backends.upmem.geometry import (
    block_of,
    forall_bounds,
    kept_axes,
    slice_of,
    static_shape,
)
from stratagem.compiler.backends.upmem.scope import Scope, without_unused
from stratagem.compiler.backends.upmem.symbols import Index, Variable
from stratagem.compiler.backends.upmem.tensor_emitter import loop_variable
from stratagem.compiler.backends.upmem.views import Storage, View


@dataclass
class Phase:
    """One forall over DPUs as emitted.

    Attributes:
        places: array name -> its MRAM storage. sent: names of outputs whose old elements the DPUs need.
        slabs: WRAM buffers of one tasklet, name -> bytes.
    """

    op: Any
    number: int
    distribution: Distribution
    places: dict[str, Storage]
    lines: list[str]
    slabs: dict[str, int]
    sent: set[str]


@dataclass
class DeviceProgram:
    """All phases of a kernel, and what they share.

    Attributes:
        fields: members of the argument structure after `phase` and `active`: name -> (C type, source), where the source
        says what the host puts in: ("iv", n), ("shape", argument, dim) or ("scalar", argument).
    """

    name: str
    facts: DeviceFacts
    arrays: ProgramArrays = field(default_factory=ProgramArrays)
    phases: list[Phase] = field(default_factory=list)
    fields: dict[str, tuple[str, tuple[Any, ...]]] = field(default_factory=dict)

    def add_phase(self, op: Any, names: dict[Any, str]) -> Phase:
        """Emits the forall `op`; `names` gives the tensors outside a C name."""
        number = len(self.phases)
        distribution = distribute(op, f"mram{number}_" if number else "mram_", names)
        scope = self._scope()
        emitter = DeviceEmitter(scope, self.facts, self.arrays)
        self._bind_units(scope, op)
        places: dict[str, Storage] = {}
        for part in distribution.inputs:
            view = self._reserve(part, op, scope, places)
            for value in part.bound:
                scope.bind_outer(value, view)
        for part, argument in zip(distribution.outputs, self._shared(op), strict=True):
            view = self._reserve(part, op, scope, places)
            self.arrays.written.add(part.name)
            for value in part.bound:
                scope.bind_outer(value, view)
            scope.bind_outer(argument, _output_window(view, part, scope))
        emitter.phase(op)
        lines = without_unused(scope.lines)
        words = set(re.findall(r"\w+", "\n".join(lines)))
        slabs = {n: s for n, s in emitter.slabs.named().items() if n in words}
        phase = Phase(op, number, distribution, places, lines, slabs, self._sent(op, distribution))
        self.phases.append(phase)
        return phase

    def _reserve(self, part: Part, op: Any, scope: Scope, places: dict[str, Storage]) -> View:
        small = part.small
        sizes = [scope.dimension(small, axis) for axis in range(len(static_shape(small)))]
        places[part.name] = storage = self.arrays.reserve(part.name, sizes, part.dtype, self.rules)
        return storage.whole() if sizes else View(storage, (Index(0),), (), ())

    @staticmethod
    def _shared(op: Any) -> list[Any]:
        return list(block_of(op).arguments)[len(forall_bounds(op).lower) :]

    def _sent(self, op: Any, distribution: Distribution) -> set[str]:
        """Outputs that DPUs read, or may not write completely."""
        sent = set()
        for part in distribution.outputs:
            scope = self._scope()
            self._bind_units(scope, op)
            if part.name in self.arrays.read or not covers(part.small, scope):
                sent.add(part.name)
        return sent

    def _bind_units(self, scope: Scope, op: Any) -> None:
        bounds = forall_bounds(op)
        arguments = list(block_of(op).arguments)
        for axis, (low, high, step) in enumerate(zip(bounds.lower, bounds.upper, bounds.step, strict=True)):
            name = self._field(f"unit{axis}", "int32_t", ("iv", axis))
            extents = [scope.entry(e) for e in (low, high, step)]
            scope.bind_outer(arguments[axis], loop_variable(name, *extents))

    def _field(self, name: str, c: str, source: tuple[Any, ...]) -> str:
        self.fields[name] = (c, source)
        return f"args.{name}"

    def _scope(self) -> Scope:
        def shape(argument: int, dim: int) -> Variable:
            return Variable(self._field(f"arg{argument}_dim{dim}", "int32_t", ("shape", argument, dim)), 0)

        def scalar(argument: int, dtype: DType) -> str:
            c = "int32_t" if dtype.name == "index" else dtype.c
            return self._field(f"arg{argument}", c, ("scalar", argument))

        return Scope("int32_t", shape, scalar)

    @property
    def rules(self) -> Rules:
        return Rules(self.facts.granule, self.facts.burst)

    # Text ---------------------------------------------------------------------------------------------------

    @property
    def arguments_struct(self) -> str:
        """The structure that the host fills for each DPU; a multiple of 8 bytes, as host transfers want."""
        wide = [(c, name) for name, (c, _) in self.fields.items() if c in ("int64_t", "double")]
        narrow = [(c, name) for name, (c, _) in self.fields.items() if c not in ("int64_t", "double")]
        members = [("uint32_t", "phase"), ("uint32_t", "active"), *wide, *narrow]
        lines = [f"  {c} {name};" for c, name in members]
        return "\n".join(["struct arguments {", *lines, "} __attribute__((aligned(8)));"])

    def text(self) -> str:
        """The complete C file."""
        parts = [
            f"/* DPU program of kernel {self.name}: run by all tasklets, tiles in WRAM, operands in MRAM. */",
            *(["#define SG_NEEDS_EDGES"] if self.arrays.edges else []),
            '#include "stratagem_dpu.h"',
            "",
            '#include "stratagem_math.h"',
            "",
            self.arguments_struct,
            "",
            "__host struct arguments args;",
            "",
            *(f"__mram_noinit SG_ALIGNED uint8_t {name}[{size}];" for name, size in self.arrays.mram.items()),
            "",
            "BARRIER_INIT(barrier, NR_TASKLETS);",
            *(f"static SG_ALIGNED {t.c} {name}[{count}];" for name, (t, count) in self.arrays.shared.items()),
            *self.arrays.constants.values(),
            "",
        ]
        for phase in self.phases:
            parts += [*self._phase_text(phase), ""]
        return "\n".join([*parts, *self._main_text(), ""])

    def _phase_text(self, phase: Phase) -> list[str]:
        slabs = [f"  uint8_t *const {name} = mem_alloc({size});" for name, size in phase.slabs.items()]
        return [
            f"static void phase{phase.number}(const int32_t tasklet) {{",
            *slabs,
            *phase.lines,
            "}",
        ]

    def _main_text(self) -> list[str]:
        calls = [f"  if (args.phase == {phase.number}) phase{phase.number}(tasklet);" for phase in self.phases]
        return [
            "int main(void) {",
            "  const int32_t tasklet = (int32_t)me();",
            "  if (tasklet == 0) mem_reset();",
            "  barrier_wait(&barrier);",
            "  if (!args.active) return 0;",
            *calls,
            "  return 0;",
            "}",
        ]


def _output_window(view: View, part: Part, scope: Scope) -> View:
    """A view as large as the whole output whose window at `part.cut` is the DPU's own array."""
    where = slice_of(part.cut)
    rank = len(where.offsets)
    offsets = list(view.offsets)
    axes: list[int | None] = [None] * rank
    for position, axis in enumerate(kept_axes(rank, where.sizes, static_shape(part.small))):
        dimension = axes[axis] = view.axes[position]
        if dimension is not None:
            offsets[dimension] = offsets[dimension] - scope.entry(where.offsets[axis])
    sizes = tuple(scope.dimension(part.value, axis) for axis in range(rank))
    return View(view.storage, tuple(offsets), sizes, tuple(axes), (1,) * rank)
