"""Cuts kernels into tiles for the units and memories of the device they were given to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch_mlir import ir

from stratagem.compiler.ir import run_pipeline
from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program
from stratagem.runtime.errors import PassError


@dataclass(frozen=True)
class TileKernels(Pass):
    """Untiled kernels -> `scf.forall` over the units of each tier, `scf.for` over what is staged, linalg on
    tiles.

    Tile sizes come from the sizes, granules, lanes, tiles and counts of the hardware description alone
    (`schedule/tiles.py`). Loops carry `device.tier` and `device.level`, kernels `device.bytes`. Needs
    `match-functions`; kernels of function `sequential` stay as they are.
    """

    name: ClassVar[str] = "tile-kernels"

    def apply(self, program: Program, context: PassContext) -> None:
        from stratagem.compiler.schedule.kernel import kernels
        from stratagem.compiler.schedule.tile_kernel import tile_kernel

        if context.machine is None:
            raise PassError("tile-kernels needs a hardware description", hint="compile with --target")
        devices = {m.device.name: m.device for m in context.machine.members.values()}
        with program.module.context, ir.Location.unknown():
            for function in kernels(program.module):
                tile_kernel(function, devices)
        run_pipeline(program.module, "builtin.module(cse)")
