"""Brings a tensor-level program into the form that grouping reads: generics, fills, no disguised scalars.

After it every linalg op is a `linalg.generic` or `linalg.fill`; splat constants are scalars inside the
bodies.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, tensor

from stratagem.compiler.ir import DYNAMIC, run_pipeline, walk
from stratagem.compiler.lemmas.registry import Rule
from stratagem.compiler.schedule.clone import clone
from stratagem.compiler.schedule.extents import extent
from stratagem.compiler.schedule.rebuild import drop_unread_inputs
from stratagem.compiler.schedule.reshapes import (
    collapse_like_producer,
    expand_batch,
    join_contraction_loops,
    read_through_unit_reshapes,
)
from stratagem.compiler.schedule.scales import move_scale
from stratagem.compiler.schedule.split import split_reduction
from stratagem.compiler.schedule.structured import (
    REDUCTION,
    body,
    body_ops,
    input_count,
    inputs,
    is_fill,
    is_generic,
    is_tensor,
    iterators,
    owner,
)
from stratagem.compiler.schedule.transposes import fold_operand_copies, fold_result_copy, separate_init
from stratagem.compiler.schedule.writes import elementwise

READINGS = (read_through_unit_reshapes, fold_operand_copies, move_scale)


def prepare(module: Any) -> None:
    """Normalises `module` in place."""
    run_pipeline(module, "builtin.module(func.func(linalg-generalize-named-ops),canonicalize,cse)")
    with module.context, ir.Location.unknown():
        for op in [op for op in walk(module.operation) if op.name == "tensor.generate"]:
            _generate_as_generic(op)
        for op in walk(module.operation):
            if op.name in ("tensor.extract_slice", "tensor.insert_slice"):
                _drop_unit_strides(op)
        for op in _generics(module):
            if _is_disguised_fill(op):
                _restore_fill(op)
            else:
                _inline_splats(op)
    _move_reshapes(module)


def _move_reshapes(module: Any) -> None:
    """Brings contractions and their surroundings into one iteration space; see `reshapes`."""
    with module.context, ir.Location.unknown():
        for op in _generics(module):
            _repeat(op, (separate_init, expand_batch))
    run_pipeline(module, "builtin.module(canonicalize,cse)")
    with module.context, ir.Location.unknown():
        for op in _generics(module):
            _repeat(op, (*READINGS, fold_result_copy, join_contraction_loops))
        for op in _generics(module):
            _repeat(op, (read_through_unit_reshapes, collapse_like_producer))
        for op in _generics(module):
            split_reduction(op)
    run_pipeline(module, "builtin.module(canonicalize,cse)")


def _generics(module: Any) -> list[Any]:
    return [op for op in walk(module.operation) if is_generic(op)]


def _repeat(op: Any, rewrites: tuple[Rule, ...]) -> None:
    """Applies rewrites that each return the op's successor, until none changes it."""
    changed = True
    while changed:
        changed = False
        for rewrite in rewrites:
            made = rewrite(op)
            changed = changed or made is not op
            op = made


def _drop_unit_strides(op: Any) -> None:
    """A slice of one element along a dimension takes no steps there. A step that is written all the same would be part
    of a buffer's layout, which slices of fewer dimensions must agree with."""
    sizes, steps = (list(ir.DenseI64ArrayAttr(op.attributes[name])) for name in ("static_sizes", "static_strides"))
    plain = [1 if size == 1 and step != DYNAMIC else step for size, step in zip(sizes, steps, strict=True)]
    op.attributes["static_strides"] = ir.DenseI64ArrayAttr.get(plain)


def _generate_as_generic(op: Any) -> None:
    """`tensor.generate` -> a generic without inputs whose body reads its indices."""
    result = op.results[0]
    with ir.InsertionPoint(op), op.location:
        target = tensor.empty([extent(result, i) for i in range(result.type.rank)], result.type.element_type)
        made = elementwise([], target, lambda _: _generated(op))
    result.replace_all_uses_with(made)
    op.erase()


def _generated(op: Any) -> Any:
    block = body(op)
    mapping = {a: linalg.IndexOp(i).result for i, a in enumerate(block.arguments)}
    for inner in body_ops(op)[:-1]:
        clone(inner, mapping)
    value = body_ops(op)[-1].operands[0]
    return mapping.get(value, value)


def _is_disguised_fill(op: Any) -> bool:
    plain = input_count(op) == 1 and len(op.results) == 1 and not is_tensor(op.operands[0])
    if not plain or REDUCTION in iterators(op):
        return False
    ops = body_ops(op)
    return len(ops) == 1 and ops[0].operands[0] == body(op).arguments[0]


def _restore_fill(op: Any) -> None:
    with ir.InsertionPoint(op), op.location:
        filled = linalg.fill(op.operands[0], outs=[op.operands[1]])
    op.results[0].replace_all_uses_with(filled)
    op.erase()


def _inline_splats(op: Any) -> None:
    """Uses of operands that hold one value everywhere (splat constants, fills) become uses of the scalar."""
    for position, value in enumerate(inputs(op)):
        made_by = owner(value) if is_tensor(value) else None
        if made_by is not None and is_fill(made_by):
            body(op).arguments[position].replace_all_uses_with(made_by.operands[0])
            continue
        splat = _splat(made_by) if made_by is not None else None
        if splat is None:
            continue
        argument = body(op).arguments[position]
        if not list(argument.uses):
            continue
        with ir.InsertionPoint(op), op.location:
            scalar = arith.ConstantOp(splat.type, splat).result
        argument.replace_all_uses_with(scalar)
    drop_unread_inputs(op)


def _splat(op: Any) -> Any | None:
    """The one element value of a splat tensor constant."""
    if op.name != "arith.constant" or not isinstance(op.attributes["value"].maybe_downcast(), ir.DenseElementsAttr):
        return None
    elements = ir.DenseElementsAttr(op.attributes["value"])
    return elements.get_splat_value() if elements.is_splat else None
