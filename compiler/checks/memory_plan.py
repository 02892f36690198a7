"""The memory plan of the physical level: two buffers that are alive together never share a byte of the arena.

Re-derived from the IR alone and with a coarser rule than the planner's: a buffer is alive from its first to its last
use, and every operation with a buffer among its operands and a buffer among its results may hand the storage on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

from stratagem.compiler.checks.verdicts import Finding, Verdict
from stratagem.compiler.ir import find_function, location_text, walk

LEVEL = "physical"
ALIGNMENT = 64


@dataclass(frozen=True)
class Buffer:
    """A planned buffer: bytes [begin, end) of the arena, used by operations first..last of the host program."""

    name: str
    begin: int
    end: int
    first: int
    last: int
    location: str


def check_memory_plan(module: Any) -> list[Finding]:
    """Findings for @main: buffers apart while alive, inside the arena, aligned."""
    main = find_function(module, "main")
    arena = _arena(main)
    if arena is None:
        return [Finding(LEVEL, "main", "memory plan", Verdict.NOT_CHECKED, "the program has no arena")]
    argument, size = arena
    buffers = _buffers(main, argument)
    return [
        _finding("buffers apart while alive", _overlap(buffers)),
        _finding("buffers inside the arena", _outside(buffers, size)),
        _finding("buffers aligned", next((b for b in buffers if b.begin % ALIGNMENT), None)),
    ]


def _finding(obligation: str, bad: Any) -> Finding:
    if bad is None:
        return Finding(LEVEL, "main", obligation, Verdict.PROVED)
    if isinstance(bad, tuple):
        a, b = bad
        detail = f"{_range(a)} and {_range(b)} are both alive at operation {max(a.first, b.first)}"
        return Finding(LEVEL, "main", obligation, Verdict.REFUTED, detail, b.location)
    return Finding(LEVEL, "main", obligation, Verdict.REFUTED, _range(bad), bad.location)


def _range(buffer: Buffer) -> str:
    return f"{buffer.name} [{buffer.begin}, {buffer.end})"


def _arena(main: Any) -> tuple[Any, int] | None:
    if "arg_attrs" not in main.attributes:
        return None
    for argument, dictionary in zip(
        main.regions[0].blocks[0].arguments, ir.ArrayAttr(main.attributes["arg_attrs"]), strict=True
    ):
        if "physical.arena" in ir.DictAttr(dictionary):
            return argument, ir.MemRefType(argument.type).shape[0]
    return None


def _buffers(main: Any, arena: Any) -> list[Buffer]:
    positions = {op: i for i, op in enumerate(walk(main))}  # keys keep the wrappers, hence their hashes, alive
    found: list[Buffer] = []
    for use in arena.uses:
        view = use.owner
        if view.name != "memref.view":
            continue
        offset = view.operands[1].owner.operation
        begin = int(ir.IntegerAttr(offset.attributes["value"]).value)
        first, last = _span(view.results[0], positions)
        number = len(found)
        found.append(
            Buffer(f"buffer {number}", begin, begin + _bytes(view.results[0].type), first, last, location_text(view))
        )
    return found


def _span(value: Any, positions: dict[Any, int]) -> tuple[int, int]:
    """First and last operation that touches the storage, loops taken as a whole."""
    touched: list[int] = []
    pending, seen = [value], set()
    while pending:
        current = pending.pop()
        for use in current.uses:
            user = use.owner
            touched += _whole_loop(user, positions)
            for result in user.results:
                if isinstance(result.type, ir.MemRefType) and hash(result) not in seen:
                    seen.add(hash(result))
                    pending.append(result)
    return (min(touched), max(touched)) if touched else (0, -1)


def _whole_loop(op: Any, positions: dict[Any, int]) -> list[int]:
    """Positions of an operation; of all of the outermost loop or branch around it when it is inside one."""
    outermost = op
    while outermost.parent.operation.name != "func.func":
        outermost = outermost.parent.operation
    start = positions[outermost.operation]
    inside = [positions[inner] for inner in walk(outermost)]
    return [start, *inside]


def _bytes(kind: Any) -> int:
    memref = ir.MemRefType(kind)
    count = 1
    for n in memref.shape:
        count *= n
    element = memref.element_type
    width = 64 if isinstance(element, ir.IndexType) else max(8, element.width)
    return count * width // 8


def _overlap(buffers: list[Buffer]) -> tuple[Buffer, Buffer] | None:
    """A pair alive together that shares bytes, found by sweeping over the arena."""
    active: list[Buffer] = []
    for buffer in sorted(buffers, key=lambda b: b.begin):
        active = [b for b in active if b.end > buffer.begin]
        for other in active:
            if other.first <= buffer.last and buffer.first <= other.last:
                return other, buffer
        active.append(buffer)
    return None


def _outside(buffers: list[Buffer], size: int) -> Buffer | None:
    return next((b for b in buffers if b.begin < 0 or b.end > size), None)
