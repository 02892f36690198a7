"""Calls of the C library for functions that upstream's lowering to LLVM would compute with cancellation: `expm1` as
exp(x) - 1 and `log1p` as log(1 + x), which leaves few digits near 0."""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, func, vector

from stratagem.compiler.backends.cpu.loops.access import element_of
from stratagem.compiler.ir import functions, symbol_name

CANCELLING = ("math.expm1", "math.log1p")


def library_call(op: Any, module: Any) -> Any | None:
    """The value of an f64 `op` of CANCELLING by library calls, one per lane, at the insertion point; else None."""
    kind, x = op.results[0].type, op.operands[0]
    if op.name not in CANCELLING or str(element_of(kind)) != "f64":
        return None
    name = op.name.removeprefix("math.")
    _declare(module, name)
    if not isinstance(kind, ir.VectorType):
        return func.CallOp([kind], name, [x]).result
    result = arith.constant(kind, ir.DenseElementsAttr.get_splat(kind, ir.FloatAttr.get(ir.F64Type.get(), 0.0)))
    for lane in range(ir.VectorType(kind).shape[0]):
        one = func.CallOp([ir.F64Type.get()], name, [vector.extract(x, [], [lane])]).result
        result = vector.insert(one, result, [], [lane])
    return result


def _declare(module: Any, name: str) -> None:
    if any(symbol_name(f) == name for f in functions(module)):
        return
    number = ir.F64Type.get()
    with ir.InsertionPoint.at_block_begin(module.body):
        declared = func.FuncOp(name, ([number], [number]), visibility="private")
    declared.attributes["llvm.readnone"] = ir.UnitAttr.get()
