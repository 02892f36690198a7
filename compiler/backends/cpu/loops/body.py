"""The scalar computation of a structured operation, evaluated on scalars or on vectors of lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith

from stratagem.compiler.backends.cpu.build import splat, vector_type
from stratagem.compiler.backends.cpu.loops.access import NARROW_FLOATS, element_of, widen
from stratagem.compiler.backends.cpu.loops.division import is_division, safe_divisor

IndexOf = Callable[[int], Any]
_CONTRACTED = ("arith.addf", "arith.subf", "arith.mulf")


def is_elementwise(body: Any) -> bool:
    """Whether every operation acts lane by lane, so that the body may run on vectors."""
    return all(_is_lanewise(op.operation) for op in list(body.operations)[:-1])


def _is_lanewise(op: Any) -> bool:
    if op.name == "linalg.index":
        return True
    if not op.name.startswith(("arith.", "math.")) or len(op.regions):
        return False
    return not _sees_bytes(op)


def _sees_bytes(op: Any) -> bool:
    """Whether it takes a narrow float as it lies in memory, which in registers is an f32."""
    if op.name not in ("arith.bitcast", "memref.load"):
        return False
    return any(str(v.type) in NARROW_FLOATS for v in (*op.operands, *op.results))


def evaluate(body: Any, arguments: Sequence[Any], index_of: IndexOf, active: Any = None) -> list[Any]:
    """Emits the body and returns what it yields.

    Args:
        arguments: a value per block argument, scalar or vector, narrow floats widened; None where it is unused.
        index_of: original loop -> its counter as an index value, scalar or vector.
        active: how many lanes count (i64), None when all do; the others must not trap.
    """
    values: dict[Any, Any] = dict(zip(body.arguments, arguments, strict=True))
    operations = [op.operation for op in body.operations]
    for op in operations[:-1]:
        results = _emit(op, values, index_of, active)
        values.update(zip(op.results, results, strict=True))
    return [_lookup(v, values) for v in operations[-1].operands]


def _lookup(value: Any, values: dict[Any, Any]) -> Any:
    """The value inside the loops; one from outside of the body is itself, widened."""
    return values[value] if value in values else widen(value)


def _emit(op: Any, values: dict[Any, Any], index_of: IndexOf, active: Any) -> list[Any]:
    if op.name == "linalg.index":
        return [index_of(int(ir.IntegerAttr(op.attributes["dim"]).value))]
    if op.name == "arith.constant":
        return [_constant(op)]
    operands = [_lookup(v, values) for v in op.operands]
    if _sees_bytes(op):
        return [widen(result) for result in _as_stored(op, operands)]
    lanes = max((ir.VectorType(v.type).shape[0] for v in operands if isinstance(v.type, ir.VectorType)), default=0)
    if lanes:
        operands = [splat(v, lanes) for v in operands]
    if is_division(op):
        operands[1] = safe_divisor(op, operands[0], operands[1], active)
    kinds = [_widened(element_of(r.type)) for r in op.results]
    if op.name in ("arith.extf", "arith.truncf") and element_of(operands[0].type) == kinds[0]:
        return operands  # both sides of the conversion are f32 in registers
    attributes = {name: op.attributes[name] for name in op.attributes}
    if op.name in _CONTRACTED:
        attributes["fastmath"] = ir.Attribute.parse("#arith.fastmath<contract>")
    types = [vector_type(lanes, k) if lanes else k for k in kinds]
    return list(ir.Operation.create(op.name, results=types, operands=operands, attributes=attributes).results)


def _as_stored(op: Any, operands: list[Any]) -> list[Any]:
    """The operation on values of the types it names: narrow floats are widened around it."""
    pairs = zip(op.operands, operands, strict=True)
    given = [arith.truncf(old.type, new) if str(old.type) in NARROW_FLOATS else new for old, new in pairs]
    attributes = {name: op.attributes[name] for name in op.attributes}
    kinds = [r.type for r in op.results]
    return list(ir.Operation.create(op.name, results=kinds, operands=given, attributes=attributes).results)


def _widened(kind: Any) -> Any:
    return ir.F32Type.get() if str(kind) in NARROW_FLOATS else kind


def _constant(op: Any) -> Any:
    kind = op.results[0].type
    if str(kind) in NARROW_FLOATS:
        return arith.constant(ir.F32Type.get(), float(ir.FloatAttr(op.attributes["value"]).value))
    return op.clone().operation.result


def reads_argument(body: Any, i: int) -> bool:
    """Whether the body uses block argument `i`."""
    return next(iter(body.arguments[i].uses), None) is not None
