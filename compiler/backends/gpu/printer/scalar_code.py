"""Index arithmetic outside `linalg.generic` bodies: arith and affine operations on numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch_mlir import ir

from stratagem.compiler.backends.gpu.printer.scalars import Print, Scalar, affine, combine

_ARITH = {
    "arith.addi": "add",
    "arith.subi": "sub",
    "arith.muli": "mul",
    "arith.divsi": "floordiv",
    "arith.divui": "floordiv",
    "arith.floordivsi": "floordiv",
    "arith.ceildivsi": "ceildiv",
    "arith.ceildivui": "ceildiv",
    "arith.remsi": "mod",
    "arith.remui": "mod",
    "arith.minsi": "min",
    "arith.minui": "min",
    "arith.maxsi": "max",
    "arith.maxui": "max",
}
_AFFINE = {"affine.apply": "add", "affine.min": "min", "affine.max": "max"}


def is_index_operation(op: Any) -> bool:
    """Whether `index_scalar` can compute the operation."""
    if op.name in _AFFINE or op.name == "arith.index_cast":
        return True
    return op.name in _ARITH and isinstance(op.results[0].type, ir.IndexType)


def index_scalar(op: Any, scalar_of: Callable[[Any], Scalar], show: Print) -> Scalar:
    """The result of an index operation."""
    operands = [scalar_of(o) for o in op.operands]
    if op.name == "arith.index_cast":
        return operands[0]
    if op.name in _ARITH:
        return combine(_ARITH[op.name], operands[0], operands[1], show)
    affine_map = ir.AffineMapAttr(op.attributes["map"]).value
    dims, symbols = operands[: affine_map.n_dims], operands[affine_map.n_dims :]
    results = [affine(r, dims, symbols, show) for r in affine_map.results]
    total = results[0]
    for result in results[1:]:
        total = combine(_AFFINE[op.name], total, result, show)
    return total
