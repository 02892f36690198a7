"""Splits reductions of a whole tensor in two, so that units can share the work.

Before: one value from all elements, which one unit computes alone. After: one value per outermost row (rows are
independent, so they are shared out), then one value from these. Only for reductions whose order does not matter.
"""

from __future__ import annotations

from math import prod
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import linalg, tensor

from stratagem.compiler.lemmas.registry import rewrite
from stratagem.compiler.schedule.clone import clone
from stratagem.compiler.schedule.extents import extent
from stratagem.compiler.schedule.rebuild import indexed_loops, rebuild
from stratagem.compiler.schedule.structured import (
    PARALLEL,
    REDUCTION,
    Linear,
    accesses,
    affine_map,
    body,
    body_ops,
    inits,
    inputs,
    is_fill,
    is_tensor,
    iterators,
    loop_extents,
    owner,
)

NEUTRAL: dict[str, tuple[float, ...]] = {
    "arith.addf": (0.0,),
    "arith.addi": (0,),
    "arith.mulf": (1.0,),
    "arith.muli": (1,),
    "arith.maximumf": (float("-inf"),),
    "arith.minimumf": (float("inf"),),
}
"""Combining ops, and the start values that may be used once per part instead of once."""
LEAST_ELEMENTS = 2**14
LEAST_ROWS = 8


@rewrite("sum-in-parts", "product-in-parts", "extreme-in-parts")
def split_reduction(op: Any) -> Any:
    """Splits `op` where that applies; returns the op that reduces the rows (`op` if unchanged)."""
    combine = _combiner(op)
    if combine is None or not _large(loop_extents(op)):
        return op
    kinds, reads, start = iterators(op), accesses(op), owner(inits(op)[0])
    with ir.InsertionPoint(op), op.location:
        source, position = _bare_read(op, 0)
        rows = extent(source, position)
        element = op.results[0].type.element_type
        target = linalg.fill(start.operands[0], outs=[tensor.empty([rows], element)])
        loops = {i: i for i in range(len(kinds))}
        per_row = (Linear(((0, 1),)),)
        made = rebuild(op, [*inputs(op), target], [*reads[:-1], per_row], [PARALLEL, *kinds[1:]], loops)
        final = _combine_rows(made.results[0], op, combine)
    op.results[0].replace_all_uses_with(final)
    op.erase()
    return made


def _large(extents: list[int | None]) -> bool:
    if len(extents) < 2 or (extents[0] is not None and extents[0] < LEAST_ROWS):
        return False
    return None in extents or prod(e for e in extents if e is not None) >= LEAST_ELEMENTS


def _combiner(op: Any) -> Any | None:
    """The op that combines the accumulator with an element, when the whole reduction may be split."""
    kinds = iterators(op)
    if not kinds or PARALLEL in kinds or len(op.results) != 1 or indexed_loops(op):
        return None
    accumulator = list(body(op).arguments)[-1]
    last = owner(body_ops(op)[-1].operands[0])
    uses = [use.owner.operation for use in accumulator.uses]
    if last is None or last.name not in NEUTRAL or uses != [last] or _bare_read(op, 0) is None:
        return None
    start = owner(inits(op)[0])
    if start is None or not is_fill(start) or _number(start.operands[0]) not in NEUTRAL[last.name]:
        return None
    return last


def _number(value: Any) -> float | int | None:
    made_by = owner(value)
    if made_by is None or made_by.name != "arith.constant":
        return None
    attribute = made_by.attributes["value"].maybe_downcast()
    return attribute.value if isinstance(attribute, (ir.FloatAttr, ir.IntegerAttr)) else None


def _bare_read(op: Any, loop: int) -> Any:
    """An input and the dimension of it that runs exactly over `loop`; None where there is none."""
    for value, read in zip(inputs(op), accesses(op), strict=False):
        for position, result in enumerate(read):
            if is_tensor(value) and result is not None and result.loop == loop:
                return value, position
    return None


def _combine_rows(rows: Any, op: Any, combine: Any) -> Any:
    """One value from one per row, with the combining op of `op`."""
    init = inits(op)[0]
    written = tuple(Linear() for _ in range(init.type.rank))
    maps = [affine_map((Linear(((0, 1),)),), 1), affine_map(written, 1)]
    made = linalg.GenericOp(
        [init.type],
        [rows],
        [init],
        ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in maps]),
        ir.ArrayAttr.get([ir.Attribute.parse(f"#linalg.iterator_type<{REDUCTION}>")]),
    )
    element = init.type.element_type
    block = made.regions[0].blocks.append(element, element)
    accumulator = list(body(op).arguments)[-1]
    operands = {v: block.arguments[1] if v == accumulator else block.arguments[0] for v in combine.operands}
    with ir.InsertionPoint(block):
        linalg.YieldOp([clone(combine, operands).results[0]])
    return made.results[0]
