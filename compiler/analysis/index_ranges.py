"""Between which numbers an index lies, as its computation tells: interval arithmetic on integers (Moore, 1966)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import DYNAMIC


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`, both included; infinities where nothing is known."""

    low: float = -math.inf
    high: float = math.inf

    def joined(self, other: Interval) -> Interval:
        return Interval(min(self.low, other.low), max(self.high, other.high))

    def inside(self, size: int) -> bool:
        """Whether all of it indexes a dimension of this size."""
        return self.low >= 0 and self.high <= size - 1


ANY = Interval()
BIT = Interval(-1, 0)
"""An i1 with its sign, as a cast to wider types takes it."""
Loops = Sequence[int]
"""Extents of the loops around a body; DYNAMIC where not known."""


def interval_of(value: Any, loops: Loops) -> Interval:
    """The interval of an integer or index computed in a body of these loops."""
    unknown = BIT if str(value.type) == "i1" else ANY
    if isinstance(value.owner, ir.Block):
        return unknown
    op = value.owner.operation
    if op.name == "arith.constant":
        return _constant(op)
    if op.name == "linalg.index":
        extent = loops[ir.IntegerAttr(op.attributes["dim"]).value]
        return Interval(0, math.inf if extent == DYNAMIC else extent - 1)
    rule = _RULES.get(op.name)
    if rule is None:
        return unknown
    numbers = list(op.operands)[1:] if op.name == "arith.select" else op.operands
    return rule(*(interval_of(v, loops) for v in numbers))


def _constant(op: Any) -> Interval:
    attribute = op.attributes["value"].maybe_downcast()
    if not isinstance(attribute, ir.IntegerAttr):
        return ANY
    number = int(attribute.value)
    return Interval(number, number)


def _add(a: Interval, b: Interval) -> Interval:
    return Interval(a.low + b.low, a.high + b.high)


def _subtract(a: Interval, b: Interval) -> Interval:
    return Interval(a.low - b.high, a.high - b.low)


def _multiply(a: Interval, b: Interval) -> Interval:
    if any(math.isinf(end) for end in (a.low, a.high, b.low, b.high)):
        return Interval(0) if a.low >= 0 and b.low >= 0 else ANY
    ends = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    return Interval(min(ends), max(ends))


def _remainder(a: Interval, b: Interval) -> Interval:
    """Has the sign of the dividend and is smaller than the divisor."""
    if b.low <= 0:
        return ANY
    below = b.high - 1
    return Interval(0 if a.low >= 0 else -below, min(below, a.high) if a.high >= 0 else 0)


def _quotient(a: Interval, b: Interval) -> Interval:
    return Interval(0, a.high // b.low if math.isfinite(a.high) else a.high) if a.low >= 0 and b.low > 0 else ANY


def _greatest(a: Interval, b: Interval) -> Interval:
    return Interval(max(a.low, b.low), max(a.high, b.high))


def _least(a: Interval, b: Interval) -> Interval:
    return Interval(min(a.low, b.low), min(a.high, b.high))


def _same(a: Interval) -> Interval:
    return a


def _flag(a: Interval) -> Interval:
    """What is widened without sign: of an i1 0 or 1, anything wider may have been negative."""
    if a.low >= 0:
        return a
    return Interval(0, 1) if (a.low, a.high) == (BIT.low, BIT.high) else Interval(0)


_RULES: dict[str, Callable[..., Interval]] = {
    "arith.addi": _add,
    "arith.subi": _subtract,
    "arith.muli": _multiply,
    "arith.remsi": _remainder,
    "arith.divsi": _quotient,
    "arith.maxsi": _greatest,
    "arith.minsi": _least,
    "arith.select": Interval.joined,
    "arith.index_cast": _same,
    "arith.extsi": _same,
    "arith.extui": _flag,
}
"""Overflow is not followed: a value that wraps where these rules say it is inside would have to pass the ends of its
type, which sums and products of sizes do not."""
