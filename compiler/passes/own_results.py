"""Results of the host program that are constants: copied, because a caller frees what it gets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import memref

from stratagem.compiler.ir import find_function, functions, symbol_name

_VIEWS = ("memref.cast", "memref.collapse_shape", "memref.expand_shape", "memref.reinterpret_cast", "memref.subview")
_CONSTANT = "memref.get_global"


def copy_constant_results(module: Any) -> None:
    """Gives each result of `@main` (on buffers) that is a `memref.global`, or a view of one, memory of its own."""
    if not any(symbol_name(f) == "main" for f in functions(module)):
        return
    for block in find_function(module, "main").regions[0].blocks:
        end = block.operations[len(block.operations) - 1].operation
        for owner, position in list(_constants(end, range(len(end.operands)))):
            _copy(owner, position)


def _constants(op: Any, positions: Iterable[int]) -> Iterator[tuple[Any, int]]:
    """The operands (operation, position) behind some operands of `op` that are constants themselves."""
    for position in positions:
        value = op.operands[position]
        if isinstance(value.owner, ir.Block):
            continue
        source = value.owner.operation
        if source.name == _CONSTANT:
            yield op, position
        elif source.name in _VIEWS:
            yield from _constants(source, [0])
        elif source.name == "scf.if":
            at = list(source.results).index(value)
            for region in source.regions:
                block = region.blocks[0]
                yield from _constants(block.operations[len(block.operations) - 1].operation, [at])


def _copy(owner: Any, position: int) -> None:
    constant = owner.operands[position]
    with ir.InsertionPoint(owner), owner.location:
        own = memref.AllocOp(constant.type, [], []).result
        memref.CopyOp(constant, own)
    owner.operands[position] = own
