"""`tm_tensor`: scan, scatter and attention. Sorting is in `sorting.py`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch_mlir import ir

from stratagem.compiler.interpreter.attributes import integer_attribute, integer_list
from stratagem.compiler.interpreter.instructions import Frame, Instruction, operation
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.ops.linalg_named import normalised_exponentials
from stratagem.compiler.interpreter.ops.tensor_elements import checked_indices
from stratagem.compiler.interpreter.values import Array, Value, broadcast, map_planes, same_planes, shape_of


@operation("tm_tensor.scan")
def scan(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    """Running combination along one dimension: the results, and the last accumulator.

    Inclusive scans start from the first element, exclusive ones from the accumulator operand.
    """
    source, _, accumulator = operands
    machine.note_reads(instruction, [source])
    dim = integer_attribute(instruction.op, "dimension")
    inclusive = bool(ir.BoolAttr(instruction.op.attributes["inclusive"]).value)
    count = shape_of(source)[dim]
    steps: list[Value] = [tuple(np.take(plane, k, axis=dim) for plane in source) for k in range(count)]
    if not steps:
        return source, accumulator
    total, rest = (steps[0], steps[1:]) if inclusive else (accumulator, steps)
    seen = [total]
    for step in rest:
        (total,) = machine.run(instruction.bodies[0], frame, [total, step])
        seen.append(total)
    kept = seen if inclusive else seen[:-1]
    stacked = tuple(np.stack(planes, axis=dim) for planes in zip(*same_planes(kept), strict=True))
    return stacked, total


@operation("tm_tensor.scatter")
def scatter(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    """Combines updates into the elements that index rows name; a repeated element is combined in row
    order.
    """
    updates, rows, original = operands
    machine.certain(instruction, [rows])
    updates, original = same_planes([updates, original])
    where = _addresses(instruction, updates, rows, shape_of(original))
    flat = np.ravel_multi_index([np.ravel(index) for index in where], shape_of(original))
    if bool(ir.BoolAttr(instruction.op.attributes["unique_indices"]).value) and len(np.unique(flat)) != len(flat):
        raise instruction.violation("claims unique indices, but the same element is scattered to twice")
    planes = [np.array(plane).reshape(-1) for plane in original]
    for turn in _turns(flat):
        part = tuple(np.reshape(plane, -1)[turn] for plane in updates)
        current = tuple(plane[flat[turn]] for plane in planes)
        (combined,) = machine.run(instruction.bodies[0], frame, [part, current])
        for plane, numbers in zip(planes, broadcast(combined, turn.shape), strict=True):
            plane[flat[turn]] = numbers
    return (tuple(plane.reshape(shape_of(original)) for plane in planes),)


def _addresses(instruction: Instruction, updates: Value, rows: Value, shape: Sequence[int]) -> tuple[Array, ...]:
    """One index array of the updates' shape per dimension of the original.

    The first axis of the updates counts rows; the others are the last dimensions of the original. A row
    gives offsets in the dimensions of `dimension_map`.
    """
    sizes = shape_of(updates)
    offsets = dict(zip(integer_list(instruction.op, "dimension_map"), np.moveaxis(rows[0], 1, 0), strict=True))
    indices = []
    for dim in range(len(shape)):
        index = np.zeros(sizes, np.int64)
        if dim in offsets:
            index = index + offsets[dim].astype(np.int64).reshape(-1, *[1] * (len(sizes) - 1))
        axis = dim - (len(shape) - len(sizes))
        if axis > 0:
            index = index + np.arange(sizes[axis]).reshape([-1 if a == axis else 1 for a in range(len(sizes))])
        indices.append(index)
    return checked_indices(instruction, indices, shape, None)


def _turns(flat: Array) -> list[Array]:
    """Positions grouped so that no group holds an address twice; earlier occurrences come in earlier
    groups.
    """
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    starts = np.r_[True, ordered[1:] != ordered[:-1]] if len(flat) else np.zeros(0, np.bool_)
    first = np.maximum.accumulate(np.where(starts, np.arange(len(flat)), 0)) if len(flat) else starts
    occurrence = np.arange(len(flat)) - first
    return [np.sort(order[occurrence == n]) for n in range(int(occurrence.max(initial=-1)) + 1)]


@operation("tm_tensor.attention")
def attention(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    """softmax(Q K^T / sqrt(d) + mask) V, over any leading batch dimensions."""
    domain, element = machine.domain, instruction.element
    query, key, value, *rest = operands
    mask = rest[0] if len(rest) > 1 else None
    *batch, rows, depth = shape_of(query)
    columns = shape_of(key)[-2]
    query, key, value = (map_planes(lambda plane: plane.reshape(-1, *plane.shape[-2:]), v) for v in (query, key, value))
    zero = domain.constant(np.asarray(0.0), element)
    count = shape_of(query)[0]
    flipped = map_planes(lambda plane: np.swapaxes(plane, 1, 2), key)
    scores = domain.contract(element, query, flipped, broadcast(zero, (count, rows, columns)))
    scale = domain.constant(np.asarray(1.0 / np.sqrt(depth)), element)
    scores = domain.apply("mul", element, scores, scale)
    if mask is not None:
        full = broadcast(mask, (*batch, rows, columns))
        scores = domain.apply("add", element, scores, map_planes(lambda p: p.reshape(count, rows, columns), full))
    weights = normalised_exponentials(domain, element, scores, 2)
    result = domain.contract(element, weights, value, broadcast(zero, (count, rows, shape_of(value)[-1])))
    return (map_planes(lambda plane: plane.reshape(*batch, rows, plane.shape[-1]), result),)
