"""Names tiles that were measured to be faster than those that the cost model chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch_mlir import ir

from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program
from stratagem.runtime.errors import PassError


@dataclass(frozen=True)
class TuneKernels(Pass):
    """Untiled kernels -> the same, with attribute `device.tiles` where the tuning database knows better tiles.

    With `seconds`, tiles are measured here first, for about that long, and kept; the host must be this machine. Needs
    `match-functions`; `tile-kernels` takes the attribute.
    """

    name: ClassVar[str] = "tune-kernels"
    seconds: int = 0

    def apply(self, program: Program, context: PassContext) -> None:
        from stratagem.compiler import knobs
        from stratagem.compiler.schedule.chosen import write_choice
        from stratagem.compiler.schedule.kernel import SEQUENTIAL, claim, kernels
        from stratagem.compiler.schedule.untiled import read_untiled
        from stratagem.compiler.tuning.database import Database
        from stratagem.compiler.tuning.search import refuse_foreign, subject_of, tune

        machine = context.machine
        if machine is None:
            raise PassError("tune-kernels needs a hardware description", hint="compile with --target")
        database = Database.default()
        if self.seconds:
            refuse_foreign(machine)
            tune(program.module, machine, self.seconds, database, context.tell)
        if not database.exists:
            return
        threads = knobs.current().threads
        devices = {m.device.name: m.device for m in machine.members.values()}
        with program.module.context, ir.Location.unknown():
            for function in kernels(program.module):
                entries = claim(function)
                if not entries or entries["function"] == SEQUENTIAL:
                    continue
                device = devices[entries["class"]]
                best = database.best(subject_of(function, device, threads))
                untiled = read_untiled(function, device) if best is not None else None
                if best is not None and untiled is not None:
                    write_choice(function, untiled.dims, best)
