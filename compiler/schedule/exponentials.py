"""Recognises exponentials of rows less their largest value, and their sums: what a softmax divides.

Such exponentials lie between 0 and 1, and their sum between 1 and the number of them, so that neither dividing by the
sum later nor multiplying by its reciprocal overflows or loses digits where the division as written does not. Floats of
16 bits are left alone: they have too little range for the one and too few digits for the other.
"""

from __future__ import annotations

import math
from typing import Any

from torch_mlir import ir

from stratagem.compiler.lemmas.registry import rests_on
from stratagem.compiler.schedule.bounded import at_least, maker
from stratagem.compiler.schedule.correspondence import Loops, read_before, run_together
from stratagem.compiler.schedule.structured import (
    REDUCTION,
    body,
    body_ops,
    dtype,
    inits,
    inputs,
    is_elementwise,
    is_fill,
    is_generic,
    iterators,
    loop_extents,
    owner,
    places,
)

WIDE = ("f32", "f64")


@rests_on("exponentials-of-a-row", "at-least-one")
def summed_exponentials(total: Any) -> Any | None:
    """The tensor of exponentials whose sum over whole rows `total` is, or one where that is less; None where it is
    anything else."""
    bounded = at_least(total)
    if bounded is not None and bounded.bound != 1.0:
        return None
    op = maker(total if bounded is None else bounded.value)
    if op is None or dtype(total) not in WIDE or not _reduces(op, "arith.addf", 0.0) or len(inputs(op)) != 1:
        return None
    values = inputs(op)[0]
    if owner(body_ops(op)[-1].operands[0]) != body_ops(op)[0] or len(body_ops(op)) != 2:
        return None
    if body(op).arguments[0] not in list(body_ops(op)[0].operands):
        return None
    rows = _loops_of_largest(values, may_be_more=bounded is not None)
    loops: Loops = {}
    if rows is None or not run_together(places(op)[0], places(owner(values))[-1], loops):
        return None
    summed = {loops[i] for i, kind in enumerate(iterators(op)) if kind == REDUCTION and i in loops}
    return values if rows <= summed else None


def _loops_of_largest(values: Any, may_be_more: bool) -> set[int] | None:
    """Where `values` is exp(x - m) with m the largest x: the loops of its op over which m is the largest. If it
    `may_be_more`, m is that or a constant where that is less."""
    op = maker(values)
    if op is None or not is_elementwise(op) or len(op.results) != 1:
        return None
    power = owner(body_ops(op)[-1].operands[0])
    shifted = owner(power.operands[0]) if power is not None and power.name == "math.exp" else None
    if shifted is None or shifted.name != "arith.subf":
        return None
    x, shift = shifted.operands
    position = _argument(op, shift)
    largest = inputs(op)[position] if position is not None else None
    bounded = at_least(largest) if may_be_more and largest is not None else None
    source = maker(largest if bounded is None else bounded.value)
    if position is None or source is None or not _reduces(source, "arith.maximumf", -math.inf):
        return None
    loops: Loops = {}
    last, accumulator = owner(body_ops(source)[-1].operands[0]), body(source).arguments[len(inputs(source))]
    term = next(v for v in last.operands if v != accumulator)
    read = places(op)[position] if bounded is None else read_before(bounded.op, places(op)[position])
    same_place = read is not None and run_together(places(source)[-1], read, loops)
    if not same_place or not _equal(term, x, source, op, loops):
        return None
    sizes = loop_extents(source)
    reduced = [i for i, kind in enumerate(iterators(source)) if kind == REDUCTION and sizes[i] != 1]
    return {loops[i] for i in reduced} if all(i in loops for i in reduced) else None


def _reduces(op: Any, combiner: str, start: float) -> bool:
    """Whether `op` reduces with `combiner` from the constant `start`, and does nothing else with what it has so far."""
    if not is_generic(op) or len(op.results) != 1 or REDUCTION not in iterators(op):
        return False
    fill = owner(inits(op)[0])
    begin = owner(fill.operands[0]) if fill is not None and is_fill(fill) else None
    if begin is None or begin.name != "arith.constant" or ir.FloatAttr(begin.attributes["value"]).value != start:
        return False
    last, accumulator = owner(body_ops(op)[-1].operands[0]), body(op).arguments[len(inputs(op))]
    if last is None or last.name != combiner or len(list(accumulator.uses)) != 1:
        return False
    return accumulator in list(last.operands)


def _argument(op: Any, value: Any) -> int | None:
    """The input that a value of the body is."""
    found = [i for i, a in enumerate(list(body(op).arguments)[: len(inputs(op))]) if a == value]
    return found[0] if found else None


def _equal(a: Any, b: Any, of_a: Any, of_b: Any, loops: Loops) -> bool:
    """Whether value `a` of one body and `b` of another are the same expression of the same elements."""
    if a == b:
        return True
    first, second = _argument(of_a, a), _argument(of_b, b)
    if first is not None and second is not None:
        same = inputs(of_a)[first] == inputs(of_b)[second]
        return same and run_together(places(of_a)[first], places(of_b)[second], loops)
    one, other = owner(a), owner(b)
    if one is None or other is None or one.name != other.name or len(one.operands) != len(other.operands):
        return False
    if one.name == "linalg.index":
        mine, theirs = (int(ir.IntegerAttr(o.attributes["dim"]).value) for o in (one, other))
        return loops.setdefault(mine, theirs) == theirs
    if len(one.regions) or {n: one.attributes[n] for n in one.attributes} != {
        n: other.attributes[n] for n in other.attributes
    }:
        return False
    return all(_equal(x, y, of_a, of_b, loops) for x, y in zip(one.operands, other.operands, strict=True))
