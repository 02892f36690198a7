"""lower-collectives: collectives become destination-passing calls of the runtime.

Before: `%r = system.all_gather %a {axis}`. After: `%r = call @all_gather_0(%a, %empty)`, where @all_gather_0 says in
`physical.collective` which runtime function serves it, and `system.rank` is a call of the runtime's `sg_rank`.
Bufferization then treats a collective like any kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch_mlir import ir
from torch_mlir.dialects import arith, tensor

from stratagem.compiler.ir import location_text, walk
from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.program import Program
from stratagem.runtime.errors import UnsupportedError

COLLECTIVES = ("system.all_reduce", "system.all_gather", "system.reduce_scatter")
GROUP = 0
"""The runtime's number for the one mesh axis a program is cut over."""


@dataclass(frozen=True)
class LowerCollectives(Pass):
    name: ClassVar[str] = "lower-collectives"

    def apply(self, program: Program, context: PassContext) -> None:
        module = program.module
        found = [op for op in walk(module.operation) if op.name in COLLECTIVES]
        ranks = [op for op in walk(module.operation) if op.name == "system.rank"]
        with module.context:
            for number, op in enumerate(found):
                name = f"{op.name.removeprefix('system.')}_{number}"
                _declare(module, op, name)
                _replace(op, name)
            if ranks:
                _declare_rank(module)
            for op in ranks:
                _replace_rank(op)


def _declare(module: Any, op: Any, name: str) -> None:
    """The function that stands for this collective: its types, and what the runtime must know."""
    source, result = op.operands[0].type, op.results[0].type
    shape = ir.RankedTensorType(result)
    if op.attributes.get("dim") is not None and ir.IntegerAttr(op.attributes["dim"]).value != 0:
        raise UnsupportedError(f"{op.name} along another dimension than 0", location=location_text(op))
    claims = {"kind": ir.StringAttr.get(op.name.removeprefix("system.")), "dtype": ir.TypeAttr.get(shape.element_type)}
    if "reduction" in op.attributes:
        claims["reduction"] = op.attributes["reduction"]
    with ir.InsertionPoint(module.body), op.location:
        kind = ir.FunctionType.get([source, result], [result])
        attributes = {
            "sym_name": ir.StringAttr.get(name),
            "sym_visibility": ir.StringAttr.get("private"),
            "function_type": ir.TypeAttr.get(kind),
            "physical.collective": ir.DictAttr.get(claims),
        }
        ir.Operation.create("func.func", attributes=attributes, regions=1)


def _replace(op: Any, name: str) -> None:
    source, kind = op.operands[0], op.results[0].type
    shape = ir.RankedTensorType(kind)
    with ir.InsertionPoint(op), op.location:
        index = ir.IndexType.get()
        sizes = [tensor.dim(source, arith.constant(index, i)) for i in range(shape.rank) if shape.is_dynamic_dim(i)]
        empty = ir.Operation.create("tensor.empty", results=[kind], operands=sizes).result
        attributes = {"callee": ir.FlatSymbolRefAttr.get(name)}
        call = ir.Operation.create("func.call", results=[kind], operands=[source, empty], attributes=attributes)
    op.results[0].replace_all_uses_with(call.result)
    op.erase()


def _declare_rank(module: Any) -> None:
    word = ir.IntegerType.get_signless(64)
    with ir.InsertionPoint(module.body), ir.Location.unknown():
        attributes = {
            "sym_name": ir.StringAttr.get("sg_rank"),
            "sym_visibility": ir.StringAttr.get("private"),
            "function_type": ir.TypeAttr.get(ir.FunctionType.get([word], [word])),
        }
        ir.Operation.create("func.func", attributes=attributes, regions=1)


def _replace_rank(op: Any) -> None:
    word = ir.IntegerType.get_signless(64)
    with ir.InsertionPoint(op), op.location:
        group = arith.constant(word, GROUP)
        attributes = {"callee": ir.FlatSymbolRefAttr.get("sg_rank")}
        call = ir.Operation.create("func.call", results=[word], operands=[group], attributes=attributes)
        rank = arith.index_cast(ir.IndexType.get(), call.result)
    op.results[0].replace_all_uses_with(rank)
    op.erase()
