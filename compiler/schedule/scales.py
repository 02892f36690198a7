"""Scales of a product's factors move to the smaller one.

Attention scales queries and keys by one number each. With few queries, most of the work of a step would be to write a
scaled copy of all keys; a product of scaled queries with the keys as they are is the same.
"""

from __future__ import annotations

from math import prod
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import tensor

from stratagem.compiler.lemmas.registry import rewrite
from stratagem.compiler.schedule.clone import clone
from stratagem.compiler.schedule.footprint import ASSUMED
from stratagem.compiler.schedule.layouts import is_convolution
from stratagem.compiler.schedule.rebuild import replace
from stratagem.compiler.schedule.structured import (
    accesses,
    body,
    body_ops,
    input_count,
    is_contraction,
    is_elementwise,
    is_tensor,
    iterators,
    owner,
    shape,
)
from stratagem.compiler.schedule.writes import elementwise

MUCH_SMALLER = 4
"""How many elements of the larger factor there must be for each of the smaller."""


@rewrite("scaled-factor")
def move_scale(op: Any) -> Any:
    """A contraction whose much larger factor is another tensor times a number takes that tensor, and its other factor
    times the number; returns the op that stands for `op` (itself if nothing changed)."""
    if not is_contraction(op) or is_convolution(op):
        return op
    for large, small in ((0, 1), (1, 0)):
        scaled = owner(op.operands[large])
        if scaled is not None and _is_scaled(scaled) and _is_much_smaller(op.operands[small], op.operands[large]):
            return _with_moved(op, large, small, scaled)
    return op


def _is_scaled(maker: Any) -> bool:
    """Whether an op multiplies every element of one tensor, in its place, by one float, for a single reader."""
    if not is_elementwise(maker) or len(maker.results) != 1 or input_count(maker) != 1 or len(body_ops(maker)) < 2:
        return False
    if not is_tensor(maker.operands[0]) or len(list(maker.results[0].uses)) != 1:
        return False
    given, unused = body(maker).arguments
    *constants, multiply, returned = body_ops(maker)
    users = [use.owner.operation for use in given.uses]
    alone = users == [multiply] and not list(unused.uses) and returned.operands[0] == multiply.results[0]
    read, written = accesses(maker)
    return bool(alone and multiply.name == "arith.mulf" and read == written and not any(map(_reads_loops, constants)))


def _reads_loops(inner: Any) -> bool:
    """Whether what an op of a body makes may be another value for another element."""
    return bool(inner.name == "linalg.index" or len(inner.regions))


def _is_much_smaller(one: Any, other: Any) -> bool:
    """Whether a tensor of known size has much fewer elements than another of the same element type."""
    sizes = shape(one)
    if None in sizes or one.type.element_type != other.type.element_type:
        return False
    count = prod(size for size in sizes if size is not None)
    return count * MUCH_SMALLER <= prod(ASSUMED if size is None else size for size in shape(other))


def _with_moved(op: Any, large: int, small: int, scaled: Any) -> Any:
    operands = list(op.operands)
    with ir.InsertionPoint(op), scaled.location:
        kind = operands[small].type
        target = tensor.empty(kind.shape, kind.element_type)
        operands[small] = elementwise([operands[small]], target, lambda values: _scale(scaled, values[0]))
    operands[large] = scaled.operands[0]
    loops = iterators(op)
    return replace(op, operands, accesses(op), loops, {i: i for i in range(len(loops))})


def _scale(scaled: Any, element: Any) -> Any:
    """Emits the body of a scaling for another element."""
    mapping = {body(scaled).arguments[0]: element}
    for inner in body_ops(scaled)[:-1]:
        clone(inner, mapping)
    return mapping[body_ops(scaled)[-1].operands[0]]
