"""pack-weights: weights that a kernel reads panel by panel are stored in panels, when the model is built.

Before: `@matmul(%x, %w: tensor<768x3072xf32>)`, whose code copies panels of `%w` to dense memory in every run. After:
parameter `fc.weight.panels: tensor<48x768x64xf32>`, and the kernel's columns are two dimensions. How wide a panel is,
the backend of the kernel's device says. Weights that fit the innermost memory stay as they are, and so do those that
several operations read, that are cut over ranks, that a library reads, and whose columns are no whole number of panels.
Needs `match-functions`; tiles are chosen afterwards, for the new loops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from torch_mlir import ir

from stratagem.compiler.backends.base import load_backend
from stratagem.compiler.ir import find_function, symbol_name, walk
from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program
from stratagem.runtime.errors import PassError

if TYPE_CHECKING:
    from stratagem.compiler.schedule.panels import Panels
    from stratagem.hwmodels import Device, Machine


@dataclass(frozen=True)
class PackWeights(Pass):
    name: ClassVar[str] = "pack-weights"

    def apply(self, program: Program, context: PassContext) -> None:
        from stratagem.compiler.schedule.kernel import claim, kernels
        from stratagem.compiler.schedule.panels import store_in_panels

        if context.machine is None:
            raise PassError("pack-weights needs a hardware description", hint="compile with --target")
        main = find_function(program.module, "main")
        calls = _calls(main)
        with program.module.context, ir.Location.unknown():
            for function in kernels(program.module):
                found = claim(function)
                device = _device(context.machine, found.get("class", ""))
                cut = _panels(function, device, found.get("function", ""))
                if cut is not None:
                    store_in_panels(program, main, function, calls.get(symbol_name(function), []), cut)


def _calls(main: Any) -> dict[str, list[Any]]:
    """The calls of each kernel."""
    found: dict[str, list[Any]] = {}
    for op in walk(main):
        if op.name == "func.call":
            found.setdefault(str(ir.FlatSymbolRefAttr(op.attributes["callee"]).value), []).append(op)
    return found


def _device(machine: Machine, name: str) -> Device | None:
    return next((m.device for m in machine.members.values() if m.device.name == name), None)


def _panels(function: Any, device: Device | None, work: str) -> Panels | None:
    """How to cut a kernel of `device` with a product, in the widest panels that suit its weight."""
    from stratagem.compiler.schedule.kernel import body_ops, contractions
    from stratagem.compiler.schedule.library import claimed_library
    from stratagem.compiler.schedule.machine import tile_target
    from stratagem.compiler.schedule.panels import panels_of
    from stratagem.compiler.schedule.structured import dtype, dtype_bytes

    products = contractions(body_ops(function))
    if device is None or not products or claimed_library(function, device):
        return None
    widest = max((dtype(v) for v in products[0].operands), key=dtype_bytes)
    no_bother = tile_target(device, work, widest).near
    widths = load_backend(device.backend).panel_columns(device, widest)
    return panels_of(function, widths, no_bother)
