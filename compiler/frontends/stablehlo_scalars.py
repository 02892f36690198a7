"""Regions that StableHLO writes on 0-dimensional tensors, as scalar code.

StableHLO gives comparators and combiners as functions of `tensor<f32>`; linalg, tm_tensor and scf want `f32`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, tensor

from stratagem.compiler.frontends.complex_planes import is_complex
from stratagem.compiler.frontends.constants import splat_value
from stratagem.compiler.ir import location_text
from stratagem.runtime.errors import UnsupportedError

_SKIPPED = ("tensor.empty",)


def inline_scalars(block: Any, arguments: Sequence[Any]) -> list[Any]:
    """Repeats a block of 0-dimensional tensor code on scalars at the current insertion point.

    Args:
        block: its arguments are tensors of rank 0; already lowered to linalg.
        arguments: one scalar per block argument.

    Returns the scalars the block returns. Raises UnsupportedError for regions that hold more than scalar
    maths.
    """
    values: dict[Any, Any] = dict(zip(block.arguments, arguments, strict=True))
    for op in block.operations:
        operation = op.operation
        if operation.name in ("stablehlo.return", "linalg.yield"):
            return [_scalar(v, values) for v in operation.operands]
        _repeat(operation, values)
    return []


def _repeat(op: Any, values: dict[Any, Any]) -> None:
    if op.name in _SKIPPED:
        return
    if op.name == "arith.constant" and is_complex(op.results[0].type):
        values[op.results[0]] = extract_scalar(op.clone().operation.result)  # no attribute of Python holds its number
    elif op.name == "arith.constant" and isinstance(op.results[0].type, ir.RankedTensorType):
        splat = splat_value(op.attributes["value"])
        values[op.results[0]] = arith.ConstantOp(op.results[0].type.element_type, splat).result
    elif op.name == "linalg.fill":
        values[op.results[0]] = _scalar(op.operands[0], values)
    elif op.name == "linalg.generic":
        inner = op.regions[0].blocks[0]
        scalars = inline_scalars(inner, [_scalar_or_none(v, values) for v in op.operands])
        values.update(zip(op.results, scalars, strict=True))
    elif op.name in ("tensor.extract", "tensor.from_elements"):
        values[op.results[0]] = _scalar(op.operands[0], values)
    elif not op.regions and not any(_is_tensor(r) for r in op.results):
        values.update(zip(op.results, _clone(op, values).results, strict=True))
    else:
        raise UnsupportedError(
            f"{op.name} inside a scalar region is not supported",
            hint="regions of sort, scatter and reduce may hold elementwise operations only",
            location=location_text(op),
        )


def _clone(op: Any, values: Mapping[Any, Any]) -> Any:
    copy = op.clone()
    for i, operand in enumerate(op.operands):
        copy.operands[i] = values.get(operand, operand)
    return copy


def _scalar(value: Any, values: Mapping[Any, Any]) -> Any:
    """The scalar of a value: known, already a scalar, or read from a tensor defined outside the region."""
    if value in values:
        return values[value]
    return tensor.ExtractOp(value, []).result if _is_tensor(value) else value


def _scalar_or_none(value: Any, values: Mapping[Any, Any]) -> Any:
    """As `_scalar`, None for destinations that nothing reads."""
    owner = value.owner
    if value not in values and isinstance(owner, ir.Operation | ir.OpView) and owner.operation.name in _SKIPPED:
        return None
    return _scalar(value, values)


def _is_tensor(value: Any) -> bool:
    return isinstance(value.type, ir.RankedTensorType)


def extract_scalar(value: Any) -> Any:
    """The element of a 0-dimensional tensor."""
    return tensor.ExtractOp(value, []).result


def extract_index(value: Any, indices: Sequence[Any] = ()) -> Any:
    """An integer element as an `index`."""
    element = tensor.ExtractOp(value, list(indices)).result
    index = ir.IndexType.get()
    return element if element.type == index else arith.IndexCastOp(index, element).result
