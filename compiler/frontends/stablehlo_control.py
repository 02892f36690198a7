"""Control flow: stablehlo while, if and case become scf while and if. Bodies move as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, scf

from stratagem.compiler.frontends.stablehlo_scalars import extract_scalar


def lower_while(op: Any) -> None:
    """stablehlo.while(%c = %init) cond {..} do {..} -> scf.while; the condition's tensor<i1> is read as an
    i1."""
    types = [r.type for r in op.results]
    with ir.InsertionPoint(op), op.location:
        loop = ir.Operation.create("scf.while", types, list(op.operands), regions=2)
    for old, new in zip(op.regions, loop.regions, strict=True):
        old.blocks[0].append_to(new)
    before, after = (region.blocks[0] for region in loop.regions)
    end = _terminator(before)
    with ir.InsertionPoint(end), end.location:
        scf.ConditionOp(extract_scalar(end.operands[0]), list(before.arguments))
    end.erase()
    _yield(after)
    _replace(op, loop)


def lower_if(op: Any) -> None:
    """stablehlo.if(%p) -> scf.if."""
    with ir.InsertionPoint(op), op.location:
        predicate = extract_scalar(op.operands[0])
        choice = _choose(predicate, [r.type for r in op.results])
    for old, new in zip(op.regions, choice.regions, strict=True):
        old.blocks[0].append_to(new)
        _yield(new.blocks[0])
    _replace(op, choice)


def lower_case(op: Any) -> None:
    """stablehlo.case(%i) -> a chain of scf.if; an index outside the branches takes the last one."""
    with ir.InsertionPoint(op), op.location:
        index = extract_scalar(op.operands[0])
        block_results = _branch(index, list(op.regions), 0, [r.type for r in op.results])
    for old, new in zip(op.results, block_results, strict=True):
        old.replace_all_uses_with(new)
    op.erase()


def _branch(index: Any, regions: Sequence[Any], number: int, types: list[Any]) -> list[Any]:
    """Results of choosing among `regions`, which are the branches from `number` on."""
    if len(regions) == 1:
        return _inline(regions[0].blocks[0])
    here = arith.ConstantOp(index.type, number).result
    choice = _choose(arith.CmpIOp(arith.CmpIPredicate.eq, index, here).result, types)
    regions[0].blocks[0].append_to(choice.regions[0])
    _yield(choice.regions[0].blocks[0])
    with ir.InsertionPoint(choice.regions[1].blocks.append()):
        scf.YieldOp(_branch(index, regions[1:], number + 1, types))
    return list(choice.results)


def _inline(block: Any) -> list[Any]:
    """Moves a block's operations to the insertion point; returns what it returned."""
    marker = arith.ConstantOp(ir.IndexType.get(), 0).operation
    end = _terminator(block)
    results = list(end.operands)
    for op in list(block.operations):
        if op.operation != end:
            op.operation.move_before(marker)
    end.erase()
    marker.erase()
    return results


def _choose(predicate: Any, types: list[Any]) -> Any:
    return ir.Operation.create("scf.if", types, [predicate], regions=2)


def _terminator(block: Any) -> Any:
    return list(block.operations)[-1].operation


def _yield(block: Any) -> None:
    end = _terminator(block)
    with ir.InsertionPoint(end), end.location:
        scf.YieldOp(list(end.operands))
    end.erase()


def _replace(old: Any, new: Any) -> None:
    for before, after in zip(old.results, new.results, strict=True):
        before.replace_all_uses_with(after)
    old.erase()
