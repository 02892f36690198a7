"""Finds, for each kernel, the device units that can do its work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch_mlir import ir

from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program
from stratagem.runtime.errors import PassError


@dataclass(frozen=True)
class MatchFunctions(Pass):
    """Names the function a kernel's main op is, and the units that support it.

    Before: untiled kernels. After: each has `device.kernel = {class, unit, function, candidates}`. A kernel that no
    unit of the target supports goes to the host's device class and says why in `reason`. Needs `form-kernels`.
    """

    name: ClassVar[str] = "match-functions"

    def apply(self, program: Program, context: PassContext) -> None:
        from stratagem.compiler.schedule.assign import assign
        from stratagem.compiler.schedule.kernel import kernels, set_claim
        from stratagem.compiler.schedule.work import record_work

        if context.machine is None:
            raise PassError("match-functions needs a hardware description", hint="compile with --target")
        with program.module.context, ir.Location.unknown():
            for function in kernels(program.module):
                entries, candidates = assign(function, context.machine)
                set_claim(function, entries, candidates)
                record_work(function)
