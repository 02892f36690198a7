"""When each buffer of a block is first and last needed, and which ones leave the block.

Positions are the indices of operations in their block; a use inside a nested region counts at the position of the
enclosing operation, so a buffer used in a loop body lives as long as the loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

ALIASING = {
    "memref.subview",
    "memref.cast",
    "memref.collapse_shape",
    "memref.expand_shape",
    "memref.reinterpret_cast",
    "memref.memory_space_cast",
    "memref.transpose",
    "memref.view",
    "memref.reshape",
}
"""Operations whose result shares storage with their first operand."""

CHOICE = "arith.select"
"""Its result is one of two buffers."""

NEUTRAL = {"memref.dim", "memref.load", "memref.rank", "memref.extract_aligned_pointer_as_index"}


@dataclass(frozen=True)
class Lifetime:
    """`first` and `last` position in the block; `escapes` when the buffer outlives it."""

    first: int
    last: int
    escapes: bool


def block_positions(block: Any) -> dict[Any, int]:
    """Each operation of the block -> its position.

    The operations themselves are the keys: their hash is that of a Python object, which must stay alive to stay equal.
    """
    return {op.operation: i for i, op in enumerate(block.operations)}


def lifetime(allocation: Any, block: Any, positions: dict[Any, int]) -> Lifetime:
    """The lifetime of the buffer that `allocation` (an operation of `block`) makes, views included."""
    used: list[int] = []
    pending, escapes = [allocation.results[0]], False
    while pending:
        for use in pending.pop().uses:
            user = use.owner
            used.append(_position_in(user, block, positions))
            if user.name in ALIASING or user.name == CHOICE:
                pending.append(user.results[0])
            else:
                escapes |= _lets_escape(user)
    made = positions[allocation.operation]
    return Lifetime(min(used, default=made), max(used, default=made), escapes)


def _lets_escape(user: Any) -> bool:
    """Terminators hand the buffer on; an unknown operation with a buffer result may return it under another name."""
    if user.name in ("func.return", "scf.yield", "scf.condition", "cf.br", "cf.cond_br"):
        return True
    if user.name in NEUTRAL or user.name == "func.call":
        return False
    return any(isinstance(r.type, ir.MemRefType) for r in user.results) or _is_loop_carried(user)


def _is_loop_carried(user: Any) -> bool:
    """An operand of a loop or branch may come out of it as a result or live on in its block arguments."""
    return user.name in ("scf.for", "scf.while", "scf.if", "scf.index_switch")


def _position_in(op: Any, block: Any, positions: dict[Any, int]) -> int:
    current = op.operation
    while current.block != block:
        current = current.parent.operation
    return positions[current]
