"""Partitions the program into kernels and outlines each one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from torch_mlir import ir

from stratagem.compiler.ir import find_function, run_pipeline, set_level, symbol_name
from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program


@dataclass(frozen=True)
class FormKernels(Pass):
    """Fuses ops into kernels.

    Before: linalg, tensor and tm_tensor ops in `@main`. After: `@main` calls private, destination-passing functions and
    otherwise only makes views, sizes and control flow; equal kernels are one function. Needs the tensor level; leaves
    untiled kernels, their destinations marked `device.dest`.
    """

    name: ClassVar[str] = "form-kernels"

    def apply(self, program: Program, context: PassContext) -> None:
        from stratagem.compiler.schedule.frames import read_from_frames
        from stratagem.compiler.schedule.prepare import prepare
        from stratagem.compiler.schedule.relayout import relayout_convolutions

        module = program.module
        prepare(module)
        with module.context, ir.Location.unknown():
            relayout_convolutions(program, lanes_of(context))
            main = find_function(module, "main")
            frames = writes_frames(context)
            for block in list(blocks_of(main)):
                if frames:
                    read_from_frames(block)
                form_kernels_in_block(module, block, row_room(context), frames)
        # No canonicalization here: it would turn equal sizes of given tensors into arithmetic that hides this.
        run_pipeline(module, "builtin.module(cse)")
        with module.context, ir.Location.unknown():
            merge_equal_kernels(module)
        set_level(module, "device")


def blocks_of(op: Any) -> Iterator[Any]:
    """The blocks of a function and of the control flow in it, inner ones first."""
    for region in op.regions:
        for block in region.blocks:
            for view in block.operations:
                if view.operation.name.startswith("scf."):
                    yield from blocks_of(view.operation)
            yield block


def lanes_of(context: PassContext) -> int:
    """Elements of the target's vectors; 1 without a target."""
    from stratagem.compiler.schedule.assign import target_device
    from stratagem.compiler.schedule.machine import tile_target

    return 1 if context.machine is None else tile_target(target_device(context.machine), "matmul", "f32").lanes


def row_room(context: PassContext) -> int:
    """Bytes that the values of one row may take in a unit of the target; without a target, any number."""
    from stratagem.compiler.schedule.assign import target_device
    from stratagem.compiler.schedule.machine import tile_target

    if context.machine is None:
        return 2**62
    return tile_target(target_device(context.machine), "matmul", "f32").far


def writes_frames(context: PassContext) -> bool:
    """Whether kernels of the target write into the middle of tensors: units of one tier on addressed memory."""
    from stratagem.compiler.schedule.assign import target_device
    from stratagem.compiler.schedule.machine import tile_target

    if context.machine is None:
        return False
    device = target_device(context.machine)
    return len(device.groups()) == 1 and not tile_target(device, "matmul", "f32").copies


def form_kernels_in_block(module: Any, block: Any, room: int, frames: bool = False) -> None:
    """Outlines the kernels of one block and puts its ops back into an order that respects their uses."""
    from stratagem.compiler.schedule.attention import attention_seeds
    from stratagem.compiler.schedule.clone import erase_dead
    from stratagem.compiler.schedule.groups import partition
    from stratagem.compiler.schedule.merge import merge_elementwise
    from stratagem.compiler.schedule.naming import kernel_name
    from stratagem.compiler.schedule.order import sort_block
    from stratagem.compiler.schedule.outline import outline, outputs_of
    from stratagem.compiler.schedule.quotients import simplify_quotients

    found = partition(block, attention_seeds(block, room), frames)
    taken = {symbol_name(op.operation) for op in module.body.operations}
    for group in found.kernels():
        if not outputs_of(group.ops):
            continue
        name = kernel_name(group.ops, taken)
        taken.add(name)
        outline(group.ops, name, module, group.ops[-1])
        body = find_function(module, name).regions[0].blocks[0]
        merge_elementwise(body)
        simplify_quotients(body)
        for op in reversed(group.ops):
            op.erase()
    sort_block(block)
    erase_dead(block)


def merge_equal_kernels(module: Any) -> None:
    """Keeps one of each set of kernels with the same text and redirects the calls."""
    from stratagem.compiler.ir import functions, walk

    first: dict[str, str] = {}
    renamed: dict[str, str] = {}
    double: list[Any] = []
    for function in functions(module):
        name = symbol_name(function)
        if "sym_visibility" not in function.attributes:
            continue
        text = function.get_asm(assume_verified=True, use_local_scope=True).replace(f"@{name}(", "@(", 1)
        if text in first:
            renamed[name] = first[text]
            double.append(function)
        else:
            first[text] = name
    for op in walk(module.operation):
        if op.name == "func.call":
            callee = str(op.attributes["callee"]).lstrip("@")
            if callee in renamed:
                op.attributes["callee"] = ir.FlatSymbolRefAttr.get(renamed[callee])
    for function in double:
        function.erase()
