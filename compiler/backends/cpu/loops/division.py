"""Integer divisions that never trap: processors end a process that divides by zero, or the least number by minus one.

A zero in the data is a failed assertion, which ends the run with the place of the division. The least number by minus
one wraps around, as negation does: it is its own quotient, without remainder.
"""

from __future__ import annotations

from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import arith, cf

from stratagem.compiler.backends.cpu.build import all_lanes, lane_mask
from stratagem.compiler.backends.cpu.loops.access import element_of
from stratagem.compiler.ir import location_text

UNSIGNED = frozenset(["arith.divui", "arith.remui", "arith.ceildivui"])
SIGNED = frozenset(["arith.divsi", "arith.remsi", "arith.floordivsi", "arith.ceildivsi"])


def is_division(op: Any) -> bool:
    return op.name in UNSIGNED or op.name in SIGNED


def safe_divisor(op: Any, dividend: Any, divisor: Any, active: Any) -> Any:
    """The divisor to use in place of `divisor`, behind an assertion that it is not zero.

    Args:
        op: the division, for its name and its place in the model.
        dividend, divisor: scalars, or vectors of lanes.
        active: how many lanes count (i64), None when all do; the others hold zeros.
    """
    if _is_vector(divisor.type) and active is not None:
        divisor = arith.select(lane_mask(active, ir.VectorType(divisor.type).shape[0]), divisor, _same(divisor.type, 1))
    nonzero = arith.cmpi(arith.CmpIPredicate.ne, divisor, _same(divisor.type, 0))
    cf.AssertOp(all_lanes(nonzero), f"integer division by zero at {location_text(op)}")
    if op.name in UNSIGNED:
        return divisor
    least = -(2 ** (_bits(divisor.type) - 1))
    wraps = arith.andi(
        arith.cmpi(arith.CmpIPredicate.eq, dividend, _same(dividend.type, least)),
        arith.cmpi(arith.CmpIPredicate.eq, divisor, _same(divisor.type, -1)),
    )
    return arith.select(wraps, _same(divisor.type, 1), divisor)


def _bits(kind: Any) -> int:
    element = element_of(kind)
    return 64 if isinstance(element, ir.IndexType) else int(ir.IntegerType(element).width)


def _same(kind: Any, value: int) -> Any:
    """The constant in every lane."""
    number = ir.IntegerAttr.get(element_of(kind), value)
    return arith.constant(kind, ir.DenseElementsAttr.get_splat(kind, number) if _is_vector(kind) else number)


def _is_vector(kind: Any) -> bool:
    return isinstance(kind, ir.VectorType)
