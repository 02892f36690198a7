"""The scalar computation of a structured operation, evaluated on scalars or on vectors of lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith

from stratagem.compiler.backends.cpu.build import splat, vector_type
from stratagem.compiler.backends.cpu.loops.access import NARROW_FLOATS, element_of, narrowed, widen
from stratagem.compiler.backends.cpu.loops.division import is_division, safe_divisor
from stratagem.compiler.ir import walk

IndexOf = Callable[[int], Any]
_EXTREMES = ("arith.maximumf", "arith.minimumf")
_CONTRACTED = ("arith.addf", "arith.subf", "arith.mulf")


def is_elementwise(body: Any) -> bool:
    """Whether every operation acts lane by lane, so that the body may run on vectors."""
    return all(_is_lanewise(op.operation) for op in list(body.operations)[:-1])


def _is_lanewise(op: Any) -> bool:
    return op.name == "linalg.index" or (op.name.startswith(("arith.", "math.")) and not len(op.regions))


def evaluate(
    body: Any, arguments: Sequence[Any], index_of: IndexOf, active: Any = None, *, any_zero: bool = False
) -> list[Any]:
    """Emits the body and returns what it yields.

    Args:
        arguments: a value per block argument, scalar or vector, narrow floats widened; None where it is unused.
        index_of: original loop -> its counter as an index value, scalar or vector.
        active: how many lanes count (i64), None when all do; the others must not trap.
        any_zero: of zeros of both signs, an extreme may be either: for reductions, whose order is not fixed.
    """
    values: dict[Any, Any] = dict(zip(body.arguments, arguments, strict=True))
    operations = [op.operation for op in body.operations]
    for op in operations[:-1]:
        results = _emit(op, values, index_of, active)
        if any_zero and op.name in _EXTREMES:
            results[0].owner.attributes["fastmath"] = ir.Attribute.parse("#arith.fastmath<nsz>")
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
    if len(op.regions) or not op.name.startswith(("arith.", "math.")):
        return _copy_as_written(op, values, index_of)
    operands = [_lookup(v, values) for v in op.operands]
    lanes = max((ir.VectorType(v.type).shape[0] for v in operands if isinstance(v.type, ir.VectorType)), default=0)
    if lanes:
        operands = [splat(v, lanes) for v in operands]
    if op.name == "arith.bitcast":
        return [_bits(op, operands[0], lanes)]
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


def _copy_as_written(op: Any, values: dict[Any, Any], index_of: IndexOf) -> list[Any]:
    """A branch, a loop or a read of memory inside the body, on scalars; what it reads gets the types it names."""
    outer = {v: narrowed(values[v], v.type) for one in [op, *walk(op)] for v in one.operands if v in values}
    copy = op.clone().operation
    for one in [copy, *walk(copy)]:
        for i, operand in enumerate(one.operands):
            if operand in outer:
                one.operands[i] = outer[operand]
    for one in list(walk(copy)):
        if one.name == "linalg.index":
            with ir.InsertionPoint(one):
                counter = index_of(int(ir.IntegerAttr(one.attributes["dim"]).value))
            one.results[0].replace_all_uses_with(counter)
            one.erase()
    return [widen(r) for r in copy.results]


def _bits(op: Any, value: Any, lanes: int) -> Any:
    """A bitcast; a narrow float, held as f32, takes its own width for it."""
    result = op.results[0].type
    value = narrowed(value, op.operands[0].type)
    return widen(arith.bitcast(vector_type(lanes, result) if lanes else result, value))


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
