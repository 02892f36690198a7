"""drop-unused-results: a `linalg.generic` keeps only the results that somebody reads.

Before: `%v, %i = linalg.generic {max and its index}` where `%i` is never used, as torch's softmax arrives. After: the
same reduction with one result. A result goes when it has no users and nothing but its own update reads its running
value. Sound because iterations of a linalg op exchange values through its outputs only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch_mlir import ir

from stratagem.compiler.ir import run_pipeline, walk
from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program


@dataclass(frozen=True)
class DropUnusedResults(Pass):
    name: ClassVar[str] = "drop-unused-results"

    def apply(self, program: Program, context: PassContext) -> None:
        changed = False
        for op in list(walk(program.module.operation)):
            if op.name == "linalg.generic" and len(op.results) > 1:
                unused = [i for i in range(len(op.results)) if _is_unused(op, i)]
                if unused and len(unused) < len(op.results):
                    _rebuild_without(op, set(unused))
                    changed = True
        if changed:
            run_pipeline(program.module, "builtin.module(canonicalize)")


def _is_unused(op: Any, index: int) -> bool:
    """No users, and the running value feeds only its own yield."""
    if list(op.results[index].uses):
        return False
    block = op.regions[0].blocks[0]
    outputs = len(op.results)
    argument = block.arguments[len(block.arguments) - outputs + index]
    terminator = list(block.operations)[-1].operation
    others = [v for i, v in enumerate(terminator.operands) if i != index]
    return not any(_depends(v, argument, block) for v in others)


def _depends(value: Any, argument: Any, block: Any) -> bool:
    pending, seen = [value], set()
    while pending:
        current = pending.pop()
        if current == argument:
            return True
        owner = current.owner
        if isinstance(owner, ir.Block) or owner.operation.block != block or hash(owner.operation) in seen:
            continue
        seen.add(hash(owner.operation))
        pending.extend(owner.operation.operands)
    return False


def _rebuild_without(op: Any, unused: set[int]) -> None:
    count, inputs = len(op.results), len(op.operands) - len(op.results)
    kept = [i for i in range(count) if i not in unused]
    operands = [*list(op.operands)[:inputs], *(op.operands[inputs + i] for i in kept)]
    maps = list(ir.ArrayAttr(op.attributes["indexing_maps"]))
    with op.context, op.location, ir.InsertionPoint(op):
        attributes = {name: op.attributes[name] for name in op.attributes}
        attributes["indexing_maps"] = ir.ArrayAttr.get([*maps[:inputs], *(maps[inputs + i] for i in kept)])
        attributes["operandSegmentSizes"] = ir.DenseI32ArrayAttr.get([inputs, len(kept)])
        types = [op.results[i].type for i in kept]
        new = ir.Operation.create("linalg.generic", results=types, operands=operands, attributes=attributes, regions=1)
    block = op.regions[0].blocks[0]
    _shrink_body(block, unused, inputs)
    block.append_to(new.regions[0])
    for position, i in enumerate(kept):
        op.results[i].replace_all_uses_with(new.results[position])
    op.erase()


def _shrink_body(block: Any, unused: set[int], inputs: int) -> None:
    terminator = list(block.operations)[-1].operation
    values = [v for i, v in enumerate(terminator.operands) if i not in unused]
    with terminator.context, terminator.location, ir.InsertionPoint(terminator):
        ir.Operation.create("linalg.yield", operands=values)
    terminator.erase()
    _erase_dead(block)
    for i in sorted(unused, reverse=True):
        block.erase_argument(inputs + i)


def _erase_dead(block: Any) -> None:
    """Removes operations of the body that feed nothing any more, last first."""
    for op in reversed(list(block.operations)[:-1]):
        if not any(list(r.uses) for r in op.operation.results):
            op.operation.erase()
