"""Recognises tensors with no element less than a constant, `select(x < c, c, x)`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith

from stratagem.compiler.schedule.structured import (
    body,
    body_ops,
    inputs,
    is_elementwise,
    is_tensor,
    owner,
    places,
)


@dataclass(frozen=True)
class Bounded:
    """The tensor that `op` makes: `value`, or `bound` where that is less."""

    op: Any
    value: Any
    bound: float


def at_least(tensor: Any) -> Bounded | None:
    """Reads `select(value < bound, bound, value)`, for each element, of a tensor and a finite constant."""
    op = maker(tensor)
    if op is None or not is_elementwise(op) or len(op.results) != 1 or len(inputs(op)) != 1:
        return None
    element = body(op).arguments[0]
    chosen = owner(body_ops(op)[-1].operands[0])
    if chosen is None or chosen.name != "arith.select" or chosen.operands[2] != element:
        return None
    less, bound = owner(chosen.operands[0]), _constant(chosen.operands[1])
    if less is None or less.name != "arith.cmpf" or bound is None:
        return None
    predicate = ir.IntegerAttr(less.attributes["predicate"]).value
    left, right = (_widened(v) for v in less.operands)
    same = predicate == arith.CmpFPredicate.OLT and left == element and _constant(right) == bound
    return Bounded(op, inputs(op)[0], bound) if same and math.isfinite(bound) and _in_place(op) else None


def _in_place(op: Any) -> bool:
    """Whether an elementwise op of one input reads what it writes: the same dimensions but for those of size 1."""
    read, written = ([r for r in access if r is None or r.terms] for access in places(op))
    return None not in read and read == written


def _widened(value: Any) -> Any:
    """What a value was before it was converted to a wider type, which keeps it."""
    op = owner(value)
    return op.operands[0] if op is not None and op.name == "arith.extf" else value


def _constant(value: Any) -> float | None:
    op = owner(value)
    return float(ir.FloatAttr(op.attributes["value"]).value) if op is not None and op.name == "arith.constant" else None


def maker(tensor: Any) -> Any | None:
    return owner(tensor) if is_tensor(tensor) else None
