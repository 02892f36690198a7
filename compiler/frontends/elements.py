"""Reads single elements through the small tensors of shape arithmetic.

Before: `%d = tensor.dim ...`, `%s = tensor.from_elements %d, ...`, slices and concatenations of it, and at
the end `tensor.extract %t[%c1]`. After: the extract is replaced by the element itself, and the tensors die.
MLIR's own canonicalization stops at the first slice or concatenation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, tensor

from stratagem.compiler.ir import DYNAMIC, walk

SIZE_LIMIT = 64
"""Tensors of more elements are no shapes."""


def forward_elements(function: Any) -> None:
    """Replaces each `tensor.extract` at constant indices whose element can be traced to a scalar."""
    for op in list(walk(function)):
        if op.name != "tensor.extract":
            continue
        place = [_constant_index(i) for i in list(op.operands)[1:]]
        if any(p is None for p in place) or not _is_small(op.operands[0].type):
            continue
        with ir.InsertionPoint(op), op.location:
            found = _element(op.operands[0], [p for p in place if p is not None])
        if found is not None:
            op.results[0].replace_all_uses_with(found)
            op.erase()


def insert_slices(function: Any) -> None:
    """Replaces each `tensor.insert` by a `tensor.insert_slice` of a slice of one element."""
    for op in list(walk(function)):
        if op.name != "tensor.insert":
            continue
        number, target, *place = op.operands
        rank = len(place)
        with ir.InsertionPoint(op), op.location:
            one = tensor.FromElementsOp(ir.RankedTensorType.get([1] * rank, number.type), [number]).result
            static = (ir.DenseI64ArrayAttr.get([n] * rank) for n in (DYNAMIC, 1, 1))
            new = tensor.InsertSliceOp(one, target, place, [], [], *static).result
            op.results[0].replace_all_uses_with(new)
        op.erase()


def _is_small(kind: Any) -> bool:
    if not isinstance(kind, ir.RankedTensorType) or not kind.has_static_shape:
        return False
    count = 1
    for i in range(kind.rank):
        count *= kind.get_dim_size(i)
    return count <= SIZE_LIMIT


def _defining(value: Any) -> Any | None:
    return value.owner if isinstance(value.owner, ir.Operation) else getattr(value.owner, "operation", None)


def _constant_index(value: Any) -> int | None:
    owner = _defining(value) if not isinstance(value.owner, ir.Block) else None
    if owner is None or owner.name != "arith.constant":
        return None
    return int(ir.IntegerAttr(owner.attributes["value"]).value)


def _element(value: Any, place: Sequence[int]) -> Any | None:
    """The scalar at `place` of a tensor, None when it is not plain to see."""
    if isinstance(value.owner, ir.Block) or not _is_small(value.type):
        return None
    op = _defining(value)
    rule = _RULES.get(op.name) if op is not None else None
    return rule(op, list(place)) if rule else None


def _from_elements(op: Any, place: list[int]) -> Any:
    kind, flat = op.results[0].type, 0
    for i, at in enumerate(place):
        flat = flat * kind.get_dim_size(i) + at
    return op.operands[flat]


def _from_constant(op: Any, place: list[int]) -> Any | None:
    attribute, kind = op.attributes["value"], op.results[0].type
    if isinstance(attribute, ir.DenseElementsAttr) and attribute.is_splat:
        return arith.ConstantOp(kind.element_type, attribute.get_splat_value()).result
    if not isinstance(attribute, ir.DenseIntElementsAttr):
        return None
    flat = 0
    for i, at in enumerate(place):
        flat = flat * kind.get_dim_size(i) + at
    return arith.ConstantOp(kind.element_type, ir.IntegerAttr.get(kind.element_type, attribute[flat])).result


def _from_slice(op: Any, place: list[int]) -> Any | None:
    offsets, strides = (list(ir.DenseI64ArrayAttr(op.attributes[k])) for k in ("static_offsets", "static_strides"))
    source = op.operands[0]
    if DYNAMIC in offsets or DYNAMIC in strides or ir.RankedTensorType(source.type).rank != len(place):
        return None
    return _element(source, [o + s * p for o, s, p in zip(offsets, strides, place, strict=True)])


def _from_concat(op: Any, place: list[int]) -> Any | None:
    axis = ir.IntegerAttr(op.attributes["dim"]).value
    for part in op.operands:
        kind = ir.RankedTensorType(part.type)
        if kind.is_dynamic_dim(axis):
            return None
        if place[axis] < kind.get_dim_size(axis):
            return _element(part, place)
        place[axis] -= kind.get_dim_size(axis)
    return None


def _from_cast(op: Any, place: list[int]) -> Any | None:
    return _element(op.operands[0], place)


def _from_single(op: Any, place: list[int]) -> Any | None:
    """A reshape of one element: every index is zero."""
    kind = op.operands[0].type
    sizes = [kind.get_dim_size(i) for i in range(kind.rank)] if _is_small(kind) else [0]
    return _element(op.operands[0], [0] * kind.rank) if all(s == 1 for s in sizes) else None


_RULES = {
    "tensor.from_elements": _from_elements,
    "arith.constant": _from_constant,
    "tensor.extract_slice": _from_slice,
    "tensor.concat": _from_concat,
    "tensor.cast": _from_cast,
    "tensor.expand_shape": _from_single,
    "tensor.collapse_shape": _from_single,
}
