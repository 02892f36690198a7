"""Copies ops with other operands: what outlining, fusion and tiling share."""

from __future__ import annotations

from typing import Any

Mapping = dict[Any, Any]


def clone(op: Any, mapping: Mapping) -> Any:
    """Copies `op` at the insertion point, its operands and captures replaced by `mapping`; extends `mapping`."""
    copy = op.clone()
    remap(copy, mapping)
    for old, new in zip(op.results, copy.results, strict=True):
        mapping[old] = new
    return copy


def remap(op: Any, mapping: Mapping) -> None:
    """Replaces the operands of `op` and of everything inside it by `mapping`, in place."""
    for i, value in enumerate(op.operands):
        if value in mapping:
            op.operands[i] = mapping[value]
    for region in op.regions:
        for block in region.blocks:
            for inner in block.operations:
                remap(inner.operation, mapping)


def clone_tile(op: Any, operands: list[Any], result_types: list[Any]) -> Any:
    """A copy of a structured op on other (smaller) operands."""
    copy = op.clone()
    for i, value in enumerate(operands):
        copy.operands[i] = value
    for result, kind in zip(copy.results, result_types, strict=True):
        result.set_type(kind)
    return copy


def erase_dead(block: Any) -> None:
    """Erases ops of a block that nothing uses and that only compute, last to first."""
    for view in reversed(list(block.operations)):
        op = view.operation
        if op.name in PURE and not any(list(r.uses) for r in op.results):
            op.erase()


PURE = frozenset(
    [
        "linalg.generic", "linalg.fill", "tensor.empty", "tensor.extract_slice", "tensor.insert_slice", "tensor.dim",
        "tensor.collapse_shape", "tensor.expand_shape", "tensor.cast", "arith.constant", "affine.apply", "affine.min",
        "affine.max", "arith.addi", "arith.subi", "arith.muli", "tensor.extract", "arith.index_cast", "tensor.pad",
        "tensor.concat", "tensor.splat", "tensor.from_elements", "tensor.generate", "scf.forall", "scf.for",
    ]
)  # fmt: skip
