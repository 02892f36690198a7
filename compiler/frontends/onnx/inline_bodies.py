"""Puts the functions of body graphs where they are called.

MLIR's own inliner leaves alone what holds operations of a dialect without an inlining interface, as `tm_tensor`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import functions, symbol_name, walk


def inline_bodies(module: Any, names: Collection[str]) -> None:
    """Moves the one block of each of these functions to the one call of it, and removes the functions."""
    bodies = {symbol_name(f): f for f in functions(module) if symbol_name(f) in names}
    for op in list(walk(module.operation)):
        if op.name == "func.call" and (callee := ir.FlatSymbolRefAttr(op.attributes["callee"]).value) in bodies:
            _move(bodies[callee].regions[0].blocks[0], op)
    for function in bodies.values():
        function.erase()


def _move(block: Any, call: Any) -> None:
    for argument, operand in zip(block.arguments, call.operands, strict=True):
        argument.replace_all_uses_with(operand)
    *moved, terminator = [op.operation for op in block.operations]
    for op in moved:
        op.move_before(call)
    for old, new in zip(call.results, terminator.operands, strict=True):
        old.replace_all_uses_with(new)
    call.erase()
