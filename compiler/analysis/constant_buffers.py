"""Which buffers may be constants of the code: no caller may be given one, because callers free what they get."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.analysis.lifetimes import ALIASING
from stratagem.compiler.ir import handed_on

FOR_BOUNDS = 3
"""Operands of `scf.for` before the values it carries: both bounds and the step."""


def may_be_constant(buffer: Any, seen: frozenset[Any] = frozenset()) -> bool:
    """Whether a buffer of the host program is, on some path, a `memref.global`."""
    if buffer in seen:
        return False
    return any(may_be_constant(source, seen | {buffer}) for source in _sources(buffer)) or _is_global(buffer)


def _is_global(buffer: Any) -> bool:
    return not isinstance(buffer.owner, ir.Block) and buffer.owner.operation.name == "memref.get_global"


def _sources(buffer: Any) -> list[Any]:
    """The buffers that this one is another name of, on some path."""
    if isinstance(buffer.owner, ir.Block):
        return _carried(buffer.owner.owner.operation, buffer)
    op = buffer.owner.operation
    if op.name in ALIASING:
        return [op.operands[0]]
    if op.name == "arith.select":
        return list(op.operands)[1:]
    at = [r == buffer for r in op.results].index(True)
    if op.name == "scf.if":
        return [handed_on(region)[at] for region in op.regions]
    if op.name == "scf.for":
        return [op.operands[FOR_BOUNDS + at], handed_on(op.regions[0])[at]]
    return [handed_on(op.regions[0])[at]] if op.name == "scf.while" else []


def _carried(op: Any, argument: Any) -> list[Any]:
    """What a loop's block argument begins as, and what a round hands on to it."""
    at = argument.arg_number
    if op.name == "scf.for" and at:
        return [op.operands[FOR_BOUNDS + at - 1], handed_on(op.regions[0])[at - 1]]
    if op.name != "scf.while":
        return []
    if argument.owner == op.regions[1].blocks[0]:
        return [handed_on(op.regions[0])[at]]
    return [op.operands[at], handed_on(op.regions[1])[at]]
