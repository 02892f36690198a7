"""What every level asks of linalg: iterators say which loops are summed over, maps say where results go.

Tiling cuts parallel loops into units and lets each write its own part, so a loop may be parallel only if each of its
iterations writes elsewhere; a reduction's iterations all write to one place.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import location_text
from stratagem.runtime.errors import PassError


def check_iterators(op: Any) -> None:
    """Raises PassError for a linalg.generic whose iterators and output maps disagree; other operations pass."""
    if op.name != "linalg.generic":
        return
    kinds = [str(kind) for kind in ir.ArrayAttr(op.attributes["iterator_types"])]
    maps = [ir.AffineMapAttr(m).value for m in ir.ArrayAttr(op.attributes["indexing_maps"])]
    inputs = next(iter(ir.DenseI32ArrayAttr(op.attributes["operandSegmentSizes"])))
    for number, found in enumerate(maps[inputs:]):
        loops = {str(expression) for expression in found.results}
        for loop, kind in enumerate(kinds):
            is_parallel, names_result = "parallel" in kind, f"d{loop}" in loops
            if is_parallel and not names_result and _is_the_same(op, number, loop):
                continue
            if is_parallel != names_result:
                what = "is parallel, but all its iterations write" if is_parallel else "is summed over, but writes"
                places = "to one element" if is_parallel else "to many elements"
                raise PassError(
                    f"{op.name}: loop {loop} {what} {places} of result {number} (map {found})",
                    hint="a loop is parallel exactly if every output map has it as a result",
                    location=location_text(op),
                )


def _is_the_same(op: Any, result: int, loop: int) -> bool:
    """Whether every iteration of a loop writes the same value to a result: it is computed from other counters alone."""
    block = op.regions[0].blocks[0]
    pending, seen = [list(block.operations)[-1].operation.operands[result]], set()
    while pending:
        value = pending.pop()
        if value in seen:
            continue
        seen.add(value)
        if isinstance(value.owner, ir.Block):
            if value.owner == block:
                return False
            continue
        made_by = value.owner.operation
        if made_by.name == "linalg.index" and ir.IntegerAttr(made_by.attributes["dim"]).value == loop:
            return False
        if made_by.block == block:
            pending.extend(made_by.operands)
    return True
