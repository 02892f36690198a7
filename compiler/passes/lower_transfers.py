"""lower-transfers: a transfer becomes part of the launch it feeds or follows.

Before: `%d = system.transfer %h {host -> pim}` in front of a call, `%h2 = system.transfer %r {pim -> host}` behind it.
After: the call reads and writes host buffers and says which of its arguments its member's driver moves in
(`physical.moves_in`) and which results it moves out (`physical.moves_out`); the transfers are gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch_mlir import ir

from stratagem.compiler.ir import walk
from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program


@dataclass(frozen=True)
class LowerTransfers(Pass):
    name: ClassVar[str] = "lower-transfers"

    def apply(self, program: Program, context: PassContext) -> None:
        operations = list(walk(program.module.operation))
        with program.module.context:
            for op in operations:
                if op.name == "func.call":
                    _note_moves(op)
        for op in operations:
            if op.name == "system.transfer":
                op.results[0].replace_all_uses_with(op.operands[0])
        for op in reversed(operations):
            if op.name == "system.transfer":
                op.erase()


def _note_moves(call: Any) -> None:
    inward = [i for i, v in enumerate(call.operands) if _is_transfer(v.owner)]
    outward = [i for i, r in enumerate(call.results) if any(_is_transfer(u.owner) for u in r.uses)]
    for name, indices in (("physical.moves_in", inward), ("physical.moves_out", outward)):
        if indices:
            call.attributes[name] = ir.DenseI64ArrayAttr.get(indices)


def _is_transfer(owner: Any) -> bool:
    return not isinstance(owner, ir.Block) and owner.operation.name == "system.transfer"
