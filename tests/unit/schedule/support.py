"""Takes programs down to the device level, as the pipeline does."""

from __future__ import annotations

from typing import Any

from stratagem.compiler.ir import parse_module
from stratagem.compiler.levels.device import check_device_level
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.passes.form_kernels import FormKernels
from stratagem.compiler.passes.match_functions import MatchFunctions
from stratagem.compiler.passes.tile_kernels import TileKernels
from stratagem.compiler.program import Program
from stratagem.compiler.schedule.describe import KernelSummary, describe
from stratagem.hwmodels import Machine, load_machine


def lowered(text: str, target: str | Machine) -> Any:
    """The module at the device level, checked against its contract."""
    machine = load_machine(target) if isinstance(target, str) else target
    program, context = Program(parse_module(text)), PassContext(machine)
    for one in (FormKernels(), MatchFunctions(), TileKernels()):
        one.apply(program, context)
        program.module.operation.verify()
    check_device_level(program.module, machine)
    return program.module


def summaries(text: str, target: str = "generic-avx512") -> list[KernelSummary]:
    return describe(lowered(text, target))
