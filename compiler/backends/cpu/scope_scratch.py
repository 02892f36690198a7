"""Buffers of a phase come from the thread's scratch stack, and go when the loop iteration that made them ends.

Before: `memref.alloc` inside loops, never freed. After: each loop that holds allocations, and each kernel, takes a mark
of the scratch stack at its start and releases it at its end:

    %mark = call @sg_scratch_mark() ... call @sg_scratch_release(%mark)

Loops that hand a buffer to their next iteration are left alone; the loop around them releases what they made.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import func

from stratagem.compiler.backends.cpu.build import parse_type
from stratagem.compiler.ir import functions, walk

MARK, RELEASE = "sg_scratch_mark", "sg_scratch_release"


def scope_scratch(module: Any) -> None:
    with module.context, ir.Location.unknown():
        i64 = parse_type("i64")
        with ir.InsertionPoint.at_block_begin(module.body):
            func.FuncOp(MARK, ir.FunctionType.get([], [i64]), visibility="private")
            func.FuncOp(RELEASE, ir.FunctionType.get([i64], []), visibility="private")
        for function in functions(module):
            if not function.regions[0].blocks:
                continue
            loops = [op for op in walk(function) if op.name == "scf.for" and not _carries_buffers(op)]
            for loop in loops:
                if any(_owner_loop(a, loops) == loop for a in _allocations(loop)):
                    _bracket(loop.regions[0].blocks[0])
            if any(_owner_loop(a, loops) is None for a in _allocations(function)):
                _bracket(function.regions[0].blocks[0])


def _allocations(op: Any) -> list[Any]:
    return [one for one in walk(op) if one.name == "memref.alloc"]


def _carries_buffers(loop: Any) -> bool:
    return any(isinstance(result.type, ir.MemRefType) for result in loop.results)


def _owner_loop(op: Any, loops: list[Any]) -> Any:
    """The innermost of `loops` around `op`."""
    parent = op.parent
    while parent is not None and parent.operation.name != "func.func":
        if parent.operation in loops:
            return parent.operation
        parent = parent.operation.parent
    return None


def _bracket(block: Any) -> None:
    with ir.InsertionPoint.at_block_begin(block):
        mark = func.CallOp([parse_type("i64")], MARK, []).result
    with ir.InsertionPoint(block.operations[len(block.operations) - 1]):
        func.CallOp([], RELEASE, [mark])
