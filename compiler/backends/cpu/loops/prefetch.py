"""Which operands fetch the next tile ahead.

The first operation of a tile that reads an input streams it from memory and has little else to do; the next one that
reads it finds it in a cache. The same place of the next tile is fetched meanwhile, so that memory does not rest.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.cpu.loops.absorb import buffer_move
from stratagem.compiler.backends.cpu.loops.body import reads_argument
from stratagem.compiler.backends.cpu.outline_phases import argument_bytes, buffer_root
from stratagem.compiler.backends.cpu.target import CpuTarget

Ahead = dict[int, int]
"""Input of an operation -> elements from a place to the same place of the next tile."""


def fetched_ahead(ops: list[Any], target: CpuTarget) -> dict[Any, Ahead]:
    """For the generics of a function, in order: the first that reads a tile of a large input again."""
    read: set[Any] = set()
    fetched: set[Any] = set()
    found: dict[Any, Ahead] = {}
    for op in ops:
        loop = _tile_loop(op)
        if loop is None:
            continue
        counter = loop.regions[0].blocks[0].arguments[0]
        for i, value in _read_tiles(op, target):
            move = buffer_move(value, counter) if value in read and value not in fetched else None
            if move:
                found.setdefault(op, {})[i] = move
                fetched.add(value)
            read.add(value)
    return found


def _tile_loop(op: Any) -> Any | None:
    """The loop whose body `op` stands in, when it is the function's outermost one: the loop over tiles."""
    loop = op.parent.operation
    return loop if loop.name == "scf.for" and loop.parent.operation.name == "func.func" else None


def _read_tiles(op: Any, target: CpuTarget) -> list[tuple[int, Any]]:
    """The inputs that are parts of an argument which is larger than what a core keeps to itself."""
    count = int(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"])[0])
    body = op.regions[0].blocks[0]
    inputs = [(i, v) for i, v in enumerate(list(op.operands)[:count]) if isinstance(v.type, ir.MemRefType)]
    return [(i, v) for i, v in inputs if reads_argument(body, i) and _is_large(buffer_root(v), target)]


def _is_large(root: Any, target: CpuTarget) -> bool:
    size = argument_bytes(root)
    return size is None or size > target.private_bytes
