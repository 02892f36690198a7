"""Operations of StableHLO that stand for whole algorithms, written out before anything else is lowered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch_mlir import ir

from stratagem.compiler.frontends.stablehlo_build import compare, conjugate, full, iota, same, shape_of, swap_last
from stratagem.compiler.frontends.stablehlo_factor import lu, qr, reflections_product
from stratagem.compiler.frontends.stablehlo_fft import fourier
from stratagem.compiler.frontends.stablehlo_solve import Triangle, cholesky, triangular_solve
from stratagem.compiler.frontends.stablehlo_topk import approx_top_k

LAPACK_TYPES = "sdcz"
"""First letter of a LAPACK routine: f32, f64, complex of f32, complex of f64."""


def expand(op: Any) -> None:
    """Replaces an operation that is written out here, if its sizes are known; others stay."""
    rule = _rule(op)
    if rule is None or not all(ir.ShapedType(v.type).has_static_shape for v in [*op.operands, *op.results]):
        return
    with ir.InsertionPoint(op), op.location:
        results = _empty(op) if _is_empty(op) else rule(op)
    for old, new in zip(op.results, results, strict=True):
        old.replace_all_uses_with(new)
    op.erase()


def _rule(op: Any) -> Callable[[Any], list[Any]] | None:
    if op.name == "stablehlo.bitcast_convert":
        return _same_bits if op.operands[0].type == op.results[0].type else None
    if op.name != "stablehlo.custom_call":
        return _OPERATIONS.get(op.name)
    target = str(ir.StringAttr(op.attributes["call_target_name"]).value)
    if target == "ApproxTopK":
        return approx_top_k
    routine = target.removeprefix("lapack_").removesuffix("_ffi")
    known = target.startswith("lapack_") and target.endswith("_ffi") and routine[:1] in LAPACK_TYPES
    return _LAPACK.get(routine[1:]) if known else None


def _is_empty(op: Any) -> bool:
    return any(0 in shape_of(v) for v in op.operands)


def _empty(op: Any) -> list[Any]:
    """Nothing to compute with: no elements, or zeros (the info of a decomposition)."""
    return [full(0, shape_of(r), r.type.element_type) for r in op.results]


def _fft(op: Any) -> list[Any]:
    kind = str(op.attributes["fft_type"]).rstrip(">").split()[-1]
    return [fourier(op.operands[0], list(ir.DenseI64ArrayAttr(op.attributes["fft_length"])), kind)]


def _triangular_solve(op: Any) -> list[Any]:
    def flag(name: str) -> bool:
        return bool(ir.BoolAttr(op.attributes[name]).value)

    transpose = str(op.attributes["transpose_a"])
    which = Triangle(
        on_left=flag("left_side"),
        lower=flag("lower"),
        transposed="NO_TRANSPOSE" not in transpose,
        conjugated="ADJOINT" in transpose,
        unit_diagonal=flag("unit_diagonal"),
    )
    a, b = op.operands
    return [triangular_solve(a, b, which)]


def _cholesky(op: Any) -> list[Any]:
    lower = "lower" in op.attributes and bool(ir.BoolAttr(op.attributes["lower"]).value)
    return [_factor(op.operands[0], lower)[0]]


def _factor(a: Any, lower: bool) -> tuple[Any, Any]:
    """L, or U = L^H of the matrix whose upper triangle is given."""
    if lower:
        return cholesky(a)
    factor, status = cholesky(conjugate(swap_last(a)))
    return conjugate(swap_last(factor)), status


def _letters(op: Any) -> dict[str, str]:
    """The options of a LAPACK call, one letter each."""
    options = ir.DictAttr(op.attributes["mhlo.backend_config"])
    return {one.name: chr(ir.IntegerAttr(one.attr).value & 0xFF) for one in options}


def _trsm(op: Any) -> list[Any]:
    letters = _letters(op)
    which = Triangle(
        on_left=letters["side"] == "L",
        lower=letters["uplo"] == "L",
        transposed=letters["trans_x"] in "TC",
        conjugated=letters["trans_x"] == "C",
        unit_diagonal=letters["diag"] == "U",
    )
    a, b = op.operands
    return [triangular_solve(a, b, which)]


def _potrf(op: Any) -> list[Any]:
    """The factor in one triangle; the other keeps what the matrix has there, as in LAPACK."""
    (a,), lower = op.operands, _letters(op)["uplo"] == "L"
    factor, status = _factor(a, lower)
    rows, columns = (iota(shape_of(a), a.type.rank - d) for d in (2, 1))
    inside = compare("GE" if lower else "LE", rows, columns)
    return [same("select", inside, factor, a), status]


def _same_bits(op: Any) -> list[Any]:
    """A bitcast; to the type it has already, which the lowering of complex numbers does not survive, it is nothing."""
    return list(op.operands)


_OPERATIONS: dict[str, Callable[[Any], list[Any]]] = {
    "stablehlo.fft": _fft,
    "stablehlo.triangular_solve": _triangular_solve,
    "stablehlo.cholesky": _cholesky,
}
_LAPACK: dict[str, Callable[[Any], list[Any]]] = {
    "trsm": _trsm,
    "potrf": _potrf,
    "getrf": lambda op: lu(op.operands[0]),
    "geqrf": lambda op: qr(op.operands[0]),
    "orgqr": lambda op: [reflections_product(*op.operands)],
    "ungqr": lambda op: [reflections_product(*op.operands)],
}
"""By routine, without the letter of its type."""
