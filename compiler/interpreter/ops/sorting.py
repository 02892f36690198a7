"""`tm_tensor.sort` and `tm_tensor.topk`: stable, by the comparison that their region makes of the first
operand.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stratagem.compiler.interpreter.attributes import integer_attribute
from stratagem.compiler.interpreter.domains.base import PREDICATES
from stratagem.compiler.interpreter.elements import element_of, is_float
from stratagem.compiler.interpreter.instructions import Frame, Instruction, operation
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.ops.integers import PREDICATES as INTEGER_PREDICATES
from stratagem.compiler.interpreter.ops.integers import signed, unsigned
from stratagem.compiler.interpreter.values import Array, Value, broadcast, same_planes, shape_of, with_doubt
from stratagem.runtime.errors import UnsupportedError


@operation("tm_tensor.sort")
def sort(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    """Sorts every operand along one dimension by the first."""
    dim = integer_attribute(instruction.op, "dimension")
    order, spread, doubt = _ordered(machine, instruction, operands[0], dim)
    return [_taken(value, order, dim, spread, doubt, is_key=value is operands[0]) for value in operands]


@operation("tm_tensor.topk")
def topk(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    """The first k of what the outputs hold and the inputs bring, and their positions."""
    dim = integer_attribute(instruction.op, "dimension")
    values, held, positions = operands[0], operands[-2], operands[-1]
    if len(operands) == 4:
        indices = operands[1]
    else:
        shape = [n if d == dim else 1 for d, n in enumerate(shape_of(values))]
        counted = np.arange(shape_of(values)[dim], dtype=positions[0].dtype).reshape(shape)
        indices = broadcast((counted,), shape_of(values))
    count = shape_of(held)[dim]
    both = _joined(held, values, dim)
    places = _joined(positions, indices, dim)
    order, spread, doubt = _ordered(machine, instruction, both, dim)
    first = tuple(slice(0, count) if d == dim else slice(None) for d in range(len(shape_of(values))))
    results = (_taken(value, order, dim, spread, doubt, is_key=value is both) for value in (both, places))
    return [tuple(plane[first] for plane in result) for result in results]


def _joined(left: Value, right: Value, dim: int) -> Value:
    return tuple(np.concatenate(pair, axis=dim) for pair in zip(*same_planes([left, right]), strict=True))


def _descending(instruction: Instruction) -> tuple[bool, bool]:
    """Whether the region orders from the largest down, and whether it reads integers without sign.

    Raises UnsupportedError for a region that is not one comparison of its first two arguments.
    """
    body = instruction.bodies[0]
    comparison = body.instructions[-1] if body.instructions else None
    known = comparison is not None and comparison.name in ("arith.cmpf", "arith.cmpi")
    if comparison is None or not known or len(body.instructions) != 1:
        raise UnsupportedError(f"{instruction.name} whose region is not one comparison", location=instruction.location)
    if sorted(comparison.operands) != sorted(body.arguments[:2]):
        raise UnsupportedError(
            f"{instruction.name} that compares something other than its first operand",
            location=instruction.location,
        )
    table = PREDICATES if comparison.name == "arith.cmpf" else INTEGER_PREDICATES
    predicate = table[integer_attribute(comparison.op, "predicate")]
    swapped = comparison.operands[0] != body.arguments[0]
    return (predicate[1] == "g") != swapped, predicate[0] == "u" and comparison.name == "arith.cmpi"


def _ordered(
    machine: Machine, instruction: Instruction, key: Value, dim: int
) -> tuple[Array, Array | None, Array | None]:
    """The order; how far a sorted key may move; and which sorted positions rounding could exchange.

    Sorting moves no key further than the largest bound among them.
    """
    descending, without_sign = _descending(instruction)
    element = element_of(instruction.op.operands[0].type)
    if is_float(element):
        rank = machine.domain.sort_order(key)
        order = np.argsort(-rank if descending else rank, axis=dim, kind="stable")
    else:
        rank = (unsigned if without_sign else signed)(key[0])
        order = np.argsort(np.invert(rank) if descending else rank, axis=dim, kind="stable")
    if len(key) == 1 or machine.domain.name != "rounding-bound":
        return order, None, None
    bound = np.asarray(key[1], np.float64) if is_float(element) else np.where(key[1], np.inf, 0.0)
    if is_float(element):  # a NaN is not ordered: where it goes, and what it keeps apart, the algorithm decides
        bound = np.where(np.isnan(key[0]).any(axis=dim, keepdims=True), np.inf, bound)
    spread = np.broadcast_to(bound.max(axis=dim, keepdims=True, initial=0.0), order.shape)
    numbers = np.take_along_axis(np.asarray(key[0], np.float64), order, axis=dim)
    gap = np.abs(np.diff(numbers, axis=dim)) <= 2.0 * np.take(spread, range(order.shape[dim] - 1), axis=dim)
    edge = np.zeros_like(np.take(gap, [0], axis=dim)) if gap.size else np.zeros(order.shape, np.bool_)
    if not gap.size:
        return order, spread, edge
    doubt = np.concatenate([edge, gap], axis=dim) | np.concatenate([gap, edge], axis=dim)
    return order, spread, doubt


def _taken(value: Value, order: Array, dim: int, spread: Array | None, doubt: Array | None, *, is_key: bool) -> Value:
    planes = tuple(np.take_along_axis(np.asarray(plane), order, axis=dim) for plane in value)
    if spread is None or doubt is None:
        return planes
    if planes[0].dtype == np.float64:
        return planes[0], (np.maximum(planes[1], spread) if is_key else np.where(doubt, np.inf, planes[1]))
    return with_doubt(planes[0], doubt if len(planes) == 1 else doubt | planes[1])
