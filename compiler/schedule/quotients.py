"""Divides the rows of a softmax where it costs least: after the contraction that reads them, by one reciprocal a row.

Before: `p / s` for every probability of a row, then `(p / s) v`. After: `p v`, and its quotient by `s`, where that has
fewer elements; and what is left of the divisions as products with `1 / s`, computed once a row.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, linalg, tensor

from stratagem.compiler.lemmas.registry import rests_on
from stratagem.compiler.schedule.exponentials import summed_exponentials
from stratagem.compiler.schedule.extents import extent
from stratagem.compiler.schedule.footprint import ASSUMED
from stratagem.compiler.schedule.structured import (
    REDUCTION,
    Access,
    Linear,
    accesses,
    affine_map,
    body,
    body_ops,
    inits,
    input_count,
    inputs,
    is_contraction,
    is_elementwise,
    is_fill,
    is_generic,
    is_permutation,
    iterators,
    loop_extents,
    output_accesses,
    owner,
    places,
)
from stratagem.compiler.schedule.writes import elementwise


def simplify_quotients(block: Any) -> None:
    """Rewrites the divisions by sums of exponentials among the generics of a kernel's block."""
    for op in [view.operation for view in block.operations]:
        if is_contraction(op):
            _divide_afterwards(op)
    for op in [view.operation for view in block.operations]:
        if is_generic(op) and is_elementwise(op):
            _multiply_by_reciprocals(op)


@rests_on("divided-after-contraction")
def _divide_afterwards(op: Any) -> None:
    """`(p / s) v` -> `(p v) / s` where `s` is one number for each sum, and the result has fewer elements than `p`."""
    for position, value in enumerate(inputs(op)):
        quotient = owner(value)
        place = _place_after(op, position, quotient) if quotient is not None and _is_quotient(quotient) else None
        if place is None or not _is_zero_filled(op) or not _saves_divisions(op, position):
            continue
        p, s = inputs(quotient)
        op.operands[position] = p
        target = owner(inits(op)[0]).operands[1]
        with ir.InsertionPoint(op), op.location:
            fresh = tensor.empty([extent(target, i) for i in range(target.type.rank)], target.type.element_type)
            op.operands[2] = linalg.fill(owner(inits(op)[0]).operands[0], outs=[fresh])
        with ir.InsertionPoint.after(op), op.location:
            _quotient(op.results[0], s, place, target)
        quotient.erase()
        return


def _quotient(value: Any, divisor: Any, place: Access, target: Any) -> None:
    """Puts `value / divisor`, written over `target`, in place of `value`. The divisor is the first operand, so that
    tiling computes it first: near the exponentials that it is the sum of."""
    rank = target.type.rank
    identity = ir.AffineMap.get_identity(rank)
    made = linalg.GenericOp(
        [target.type],
        [divisor, value],
        [target],
        ir.ArrayAttr.get([ir.AffineMapAttr.get(m) for m in (affine_map(place, rank), identity, identity)]),
        ir.ArrayAttr.get([ir.Attribute.parse("#linalg.iterator_type<parallel>")] * rank),
    )
    block = made.regions[0].blocks.append(*[target.type.element_type] * 3)
    with ir.InsertionPoint(block):
        linalg.YieldOp([arith.divf(block.arguments[1], block.arguments[0])])
    value.replace_all_uses_except(made.results[0], made.operation)


def _is_quotient(op: Any) -> bool:
    """Whether an op is p / s, read by one op only, with s the sum of the exponentials p."""
    if not is_generic(op) or not is_elementwise(op) or len(inputs(op)) != 2 or len(list(op.results[0].uses)) != 1:
        return False
    names = [o.name for o in body_ops(op)]
    whole = places(op)[0] == places(op)[-1]
    if names != ["arith.divf", "linalg.yield"] or not whole:
        return False
    in_order = list(body_ops(op)[0].operands) == list(body(op).arguments)[:2]
    summed = summed_exponentials(inputs(op)[1]) if in_order else None
    return summed is not None and summed == inputs(op)[0]


def _place_after(op: Any, position: int, quotient: Any) -> Access | None:
    """How the divisor is read in terms of the dimensions of the contraction's result; None where it differs within a
    sum."""
    read, written = accesses(op)[position], output_accesses(op)[0]
    if not is_permutation(read) or not is_permutation(written):
        return None
    loops = {o.loop: r.loop for o, r in zip(output_accesses(quotient)[0], read, strict=True) if o and r}
    dims = {r.loop: i for i, r in enumerate(written) if r}
    place: list[Linear | None] = []
    for r in accesses(quotient)[1]:
        if r is not None and not r.terms:
            place.append(r)
            continue
        dim = dims.get(loops.get(r.loop)) if r is not None and r.loop is not None else None
        if dim is None:
            return None
        place.append(Linear(((dim, 1),)))
    return tuple(place)


def _is_zero_filled(op: Any) -> bool:
    fill = owner(inits(op)[0])
    start = owner(fill.operands[0]) if fill is not None and is_fill(fill) else None
    return start is not None and start.name == "arith.constant" and ir.FloatAttr(start.attributes["value"]).value == 0.0


def _saves_divisions(op: Any, position: int) -> bool:
    """Whether the contraction's result has fewer elements than its operand."""
    sizes = [ASSUMED if n is None else n for n in loop_extents(op)]
    read = {r.loop for r in accesses(op)[position] if r is not None}
    gone = added = 1
    for loop, kind in enumerate(iterators(op)):
        if kind == REDUCTION:
            gone *= sizes[loop]
        elif loop not in read:
            added *= sizes[loop]
    return added < gone


@rests_on("divide-by-reciprocal")
def _multiply_by_reciprocals(op: Any) -> None:
    """`a / s` -> `a r` with `r = 1 / s`, where each sum of exponentials `s` divides several elements."""
    for division in [o for o in body_ops(op) if o.name == "arith.divf"]:
        position = _shared_divisor(op, division)
        if position is None:
            continue
        total = inputs(op)[position]
        with ir.InsertionPoint(op), op.location:
            op.operands[position] = _reciprocals(total)
        with ir.InsertionPoint(division), division.location:
            product = arith.mulf(*division.operands)
        division.results[0].replace_all_uses_with(product)
        division.erase()


def _reciprocals(values: Any) -> Any:
    """A tensor of the reciprocals, made at the insertion point."""
    one = arith.ConstantOp(values.type.element_type, 1.0).result
    target = tensor.empty([extent(values, i) for i in range(values.type.rank)], values.type.element_type)
    return elementwise([values], target, lambda arguments: arith.divf(one, arguments[0]))


def _shared_divisor(op: Any, division: Any) -> int | None:
    """The input that is a division's divisor, when it is a sum of exponentials used for nothing else in the body and
    shared by several elements."""
    arguments = list(body(op).arguments)[: input_count(op)]
    found = [i for i, a in enumerate(arguments) if a == division.operands[1]]
    if not found or len(list(arguments[found[0]].uses)) != 1:
        return None
    read = {r.loop for r in accesses(op)[found[0]] if r is not None}
    shared = any(loop not in read and size != 1 for loop, size in enumerate(loop_extents(op)))
    return found[0] if shared and summed_exponentials(inputs(op)[found[0]]) is not None else None
