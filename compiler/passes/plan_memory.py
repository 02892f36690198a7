"""plan-memory: every buffer of static size gets a place in one arena; dynamic ones are freed after their last use.

Before: `memref.alloc` wherever bufferization put one. After: @main takes `%arena: memref<N x i8>` as its last argument,
planned buffers are `memref.view %arena[offset]`, and buffers with overlapping lifetimes never overlap in the arena.
Buffers that leave the function (results) stay allocations: their owner is the caller.

Placement is greedy by size (Pisarchyk and Lee, 2020, "Efficient Memory Management for Deep Neural Net Inference"):
largest buffer first, each at the lowest offset free during its lifetime.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch_mlir import ir

from stratagem.compiler.analysis.lifetimes import Lifetime, block_positions, lifetime
from stratagem.compiler.ir import find_function, walk
from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector load of the targets we know."""


@dataclass(frozen=True)
class Interval:
    """A buffer to place: bytes, and the lifetime during which nothing else may use them."""

    size: int
    life: Lifetime


@dataclass(frozen=True)
class PlanMemory(Pass):
    name: ClassVar[str] = "plan-memory"

    def apply(self, program: Program, context: PassContext) -> None:
        main = find_function(program.module, "main")
        block = main.regions[0].blocks[0]
        planned = _static_allocations(block)
        offsets, total = place([interval for _, interval in planned])
        with program.module.context, ir.Location.unknown():
            arena = _add_arena_argument(main, total)
            for (allocation, interval), offset in zip(planned, offsets, strict=True):
                _replace_by_view(allocation, arena, offset, interval.size)
        _free_the_rest(program.module.context, main)


def place(intervals: list[Interval]) -> tuple[list[int], int]:
    """Offsets for the intervals, in their order, and the size of the arena."""
    offsets = [0] * len(intervals)
    placed: list[int] = []
    for index in sorted(range(len(intervals)), key=lambda i: -intervals[i].size):
        one = intervals[index]
        conflicts = sorted(
            (offsets[k], offsets[k] + intervals[k].size) for k in placed if _overlap(intervals[k].life, one.life)
        )
        offsets[index] = _lowest_gap(conflicts, one.size)
        placed.append(index)
    total = max((o + i.size for o, i in zip(offsets, intervals, strict=True)), default=0)
    return offsets, total


def _overlap(a: Lifetime, b: Lifetime) -> bool:
    return a.first <= b.last and b.first <= a.last


def _lowest_gap(taken: list[tuple[int, int]], size: int) -> int:
    at = 0
    for begin, end in taken:
        if begin - at >= size:
            break
        at = max(at, end)
    return at


def _static_allocations(block: Any) -> list[tuple[Any, Interval]]:
    positions = block_positions(block)
    found = []
    for op in block.operations:
        if op.operation.name != "memref.alloc" or len(op.operation.operands):
            continue
        life = lifetime(op.operation, block, positions)
        if not life.escapes:
            found.append((op.operation, Interval(_padded_bytes(op.operation.results[0].type), life)))
    return found


def _padded_bytes(kind: Any) -> int:
    memref = ir.MemRefType(kind)
    count = 1
    for size in memref.shape:
        count *= size
    element = memref.element_type
    width = 64 if isinstance(element, ir.IndexType) else max(8, element.width)
    return -(-max(count * width // 8, 1) // ALIGNMENT) * ALIGNMENT


def _add_arena_argument(main: Any, total: int) -> Any:
    """Appends the arena to the arguments and keeps the others' attributes."""
    block = main.regions[0].blocks[0]
    kind = ir.MemRefType.get([total], ir.IntegerType.get_signless(8))
    old = ir.FunctionType(ir.TypeAttr(main.attributes["function_type"]).value)
    arena = block.add_argument(kind, ir.Location.unknown())
    signature = ir.FunctionType.get([*old.inputs, kind], list(old.results))
    main.attributes["function_type"] = ir.TypeAttr.get(signature)
    attributes = list(ir.ArrayAttr(main.attributes["arg_attrs"])) if "arg_attrs" in main.attributes else []
    attributes = attributes or [ir.DictAttr.get({})] * len(old.inputs)
    mark = ir.DictAttr.get({"physical.arena": ir.IntegerAttr.get(ir.IntegerType.get_signless(64), total)})
    main.attributes["arg_attrs"] = ir.ArrayAttr.get([*attributes, mark])
    return arena


def _replace_by_view(allocation: Any, arena: Any, offset: int, size: int) -> None:
    kind = allocation.results[0].type
    index = ir.IndexType.get()
    with ir.InsertionPoint(allocation), allocation.location:
        at = ir.Operation.create(
            "arith.constant", results=[index], attributes={"value": ir.IntegerAttr.get(index, offset)}
        ).result
        view = ir.Operation.create("memref.view", results=[kind], operands=[arena, at])
        view.attributes["physical.size"] = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), size)
    allocation.results[0].replace_all_uses_with(view.result)
    allocation.erase()


def _free_the_rest(context: Any, main: Any) -> None:
    """A dealloc behind the last use of every other buffer that does not leave its block."""
    allocations = [op for op in walk(main) if op.name == "memref.alloc"]
    for op in allocations:
        block = op.block
        life = lifetime(op, block, block_positions(block))
        if life.escapes:
            continue
        operations = list(block.operations)
        with context, ir.Location.unknown(), ir.InsertionPoint(operations[life.last + 1]):
            ir.Operation.create("memref.dealloc", operands=[op.results[0]])
