"""Gives products to a library where the hardware file offers one and it takes less time than generated code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch_mlir import ir

from stratagem.compiler.backends.base import load_backend
from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program
from stratagem.hwmodels import Device
from stratagem.runtime.errors import PassError


@dataclass(frozen=True)
class CallLibraries(Pass):
    """Untiled kernels -> the same, where one is a plain product of known sizes with `device.offer`: what a library
    would take, what generated code, and who was chosen. The claim of a chosen one names the library's unit.

    Times are measured ones of the tuning database, else estimates; with `seconds`, both are measured here first, for
    about that long. Needs `match-functions`; comes before `pack-weights`, whose panels are for generated code.
    """

    name: ClassVar[str] = "call-libraries"
    seconds: int = 0

    def apply(self, program: Program, context: PassContext) -> None:
        if context.machine is None:
            raise PassError("call-libraries needs a hardware description", hint="compile with --target")
        devices = [member.device for member in context.machine.members.values()]
        if not any(unit.calls for device in devices for unit in device.units):
            return
        from stratagem.compiler.tuning.offers import settle

        for device in devices:
            _refuse_without_calls(device)
        with program.module.context, ir.Location.unknown():
            settle(program, context.machine, self.seconds, context.tell)


def _refuse_without_calls(device: Device) -> None:
    """Raises PassError for a device whose code generator emits no calls of libraries."""
    offering = [unit.name for unit in device.units if unit.calls]
    if offering and not load_backend(device.backend).calls_libraries:
        raise PassError(
            f"{device.name} offers a library (unit '{offering[0]}'), and backend {device.backend} calls none",
            hint=f"take 'calls' out of the unit, or the unit out of {device.name}",
        )
