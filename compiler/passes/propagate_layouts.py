"""propagate-layouts: convolutions compute with their channels last, from where a picture comes in to where it ends.

Before: `conv(%x: tensor<1x64x56x56xf32>, %w: tensor<64x64x3x3xf32>)`, whose innermost dimension, the picture's width,
fills no whole number of vectors. After: the same on `tensor<1x56x56x64xf32>`, with what lies between convolutions
(paddings, poolings, elementwise work, joined tensors) in that order, too, and transpositions at the border only. For
targets that compute in vectors on memory they address directly, and for each connected group of convolutions only where
the numbers of the hardware description say that it pays (`schedule/layout_cost.py`). Works on what `partition-program`
leaves; named operations become generics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch_mlir import ir

from stratagem.compiler.arguments import parameter_arguments
from stratagem.compiler.ir import find_function, run_pipeline
from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program
from stratagem.runtime.errors import PassError


@dataclass(frozen=True)
class PropagateLayouts(Pass):
    name: ClassVar[str] = "propagate-layouts"

    def apply(self, program: Program, context: PassContext) -> None:
        from stratagem.compiler.passes.form_kernels import blocks_of
        from stratagem.compiler.schedule.assign import target_device
        from stratagem.compiler.schedule.layout_cost import channels_last_pays
        from stratagem.compiler.schedule.layouts import undecided_groups
        from stratagem.compiler.schedule.machine import tile_target
        from stratagem.compiler.schedule.permute import store_channels_last

        if context.machine is None:
            raise PassError("propagate-layouts needs a hardware description", hint="compile with --target")
        target = tile_target(target_device(context.machine), "matmul", "f32")
        if target.lanes == 1 or target.copies or target.holds_tiles_in_registers:
            return
        module = program.module
        run_pipeline(module, "builtin.module(func.func(linalg-generalize-named-ops),canonicalize,cse)")
        main = find_function(module, "main")
        stored = set(parameter_arguments(main).values())
        with module.context, ir.Location.unknown():
            for block in list(blocks_of(main)):
                for group in undecided_groups(block, stored):
                    if group.consistent and channels_last_pays(group, target):
                        store_channels_last(block, group.layouts)
