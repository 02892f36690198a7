"""Affine maps of the bindings, applied to linear forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch_mlir import ir

from stratagem.compiler.backends.upmem.symbols import Index
from stratagem.runtime.errors import UnsupportedError

if TYPE_CHECKING:
    from stratagem.compiler.backends.upmem.scope import Scope


def affine_text_or_index(affine_map: Any, operands: list[Index], scope: Scope) -> list[Index]:
    """The results of `affine_map` on `operands` (dimensions, then symbols); divisions become variables of
    `scope`."""
    dims, symbols = operands[: affine_map.n_dims], operands[affine_map.n_dims :]
    return [_evaluate(result, dims, symbols, scope) for result in affine_map.results]


def _evaluate(expression: Any, dims: list[Index], symbols: list[Index], scope: Scope) -> Index:
    one = expression.maybe_downcast() if hasattr(expression, "maybe_downcast") else expression
    if isinstance(one, ir.AffineConstantExpr):
        return Index(int(one.value))
    if isinstance(one, ir.AffineDimExpr):
        return dims[int(one.position)]
    if isinstance(one, ir.AffineSymbolExpr):
        return symbols[int(one.position)]
    a, b = (_evaluate(side, dims, symbols, scope) for side in (one.lhs, one.rhs))
    if isinstance(one, ir.AffineAddExpr):
        return a + b
    if isinstance(one, ir.AffineMulExpr):
        return scope.multiply(a, b)
    if isinstance(one, ir.AffineModExpr):
        return scope.remainder(a, b)
    if isinstance(one, ir.AffineFloorDivExpr | ir.AffineCeilDivExpr):
        return scope.divide(a, b, up=isinstance(one, ir.AffineCeilDivExpr))
    raise UnsupportedError(f"affine expression {expression} has no C form")
