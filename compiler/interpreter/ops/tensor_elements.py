"""`tensor` operations on single elements: extract, insert, gather, scatter, and tensors given element by
element.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch_mlir import ir

from stratagem.compiler.interpreter.attributes import MixedList, integer_list, static_shape
from stratagem.compiler.interpreter.elements import is_float, storage
from stratagem.compiler.interpreter.instructions import Frame, Instruction, operation
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.values import (
    Array,
    Shared,
    Undefined,
    Value,
    broadcast,
    doubt_of,
    map_planes,
    put,
    same_planes,
    shape_of,
    with_doubt,
)


def undefined(machine: Machine, shape: Sequence[int], element: str) -> Undefined:
    """Memory nobody has written; in integers it cannot be told from data."""
    if is_float(element):
        return machine.domain.undefined(shape, element)
    number = np.asarray(machine.domain.unwritten_integer(), storage(element))
    return Undefined((np.broadcast_to(number, tuple(shape)),))


def checked_indices(
    instruction: Instruction, indices: Sequence[Array], shape: Sequence[int], mask: Array | None
) -> tuple[Array, ...]:
    """Indices that are all in range; out-of-range ones of elements not taken are clipped, others raise
    Violation.
    """
    checked = []
    for dim, (index, size) in enumerate(zip(indices, shape, strict=True)):
        outside = (np.asarray(index) < 0) | (np.asarray(index) >= size)
        if np.any(outside):
            taken = outside if mask is None else outside & mask
            if np.any(taken):
                worst = int(np.broadcast_to(index, taken.shape)[taken].flat[0])
                raise instruction.violation(f"index {worst} in dimension {dim} of {size} elements")
            index = np.clip(index, 0, max(size - 1, 0))
        checked.append(index)
    return tuple(checked)


def read_elements(
    machine: Machine, source: Value, indices: tuple[Array, ...], element: str, doubt: Array | None
) -> Value:
    """source[indices]; where the address is in doubt, so is the result (a float could be any number)."""
    if 0 in shape_of(source):  # nothing to read: only a branch that is not taken gets here
        nowhere = np.zeros(np.broadcast_shapes(*(np.shape(index) for index in indices)), np.int64)
        indices = tuple(nowhere for _ in indices)
        source = broadcast(tuple(plane.dtype.type(0) for plane in source), [1] * len(indices))
    picked = map_planes(lambda plane: np.asarray(plane[indices]), source)
    if doubt is None:
        return tuple(picked)
    if is_float(element):
        anything = machine.domain.undefined((), element)
        known = tuple(np.where(doubt, unknown, plane) for plane, unknown in zip(picked[1:], anything[1:], strict=True))
        return (picked[0], *known)
    own = doubt_of(picked)
    return with_doubt(picked[0], doubt if own is None else doubt | own)


@operation("tensor.extract")
def extract(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    """One element, or in a vectorised body a gather."""
    source, *where = operands
    if isinstance(source, Shared):
        source.reads.append(tuple(slice(0, n, 1) for n in shape_of(source)))
    indices = checked_indices(instruction, [index[0] for index in where], shape_of(source), frame.mask)
    return (read_elements(machine, source, indices, instruction.element, doubt_of(*where) if where else None),)


@operation("tensor.insert")
def insert(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    machine.certain(instruction, operands[2:])
    part, whole = same_planes(operands[:2])
    where = checked_indices(instruction, [index[0] for index in operands[2:]], shape_of(whole), None)
    planes = tuple(np.array(plane) for plane in whole)
    for plane, number in zip(planes, part, strict=True):
        put(plane, where, number)
    return (planes,)


@operation("tensor.from_elements")
def from_elements(
    machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]
) -> Sequence[Value]:
    shape = tuple(ir.RankedTensorType(instruction.op.results[0].type).shape)
    if not operands:
        return (undefined(machine, shape, instruction.element),)
    parts = same_planes(operands)
    return (tuple(np.array(planes).reshape(shape) for planes in zip(*parts, strict=True)),)


@operation("tensor.generate")
def generate(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    machine.certain(instruction, operands)
    shape = MixedList(static_shape(instruction.op.results[0].type)).resolve(operands)
    grid = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij", sparse=True) if shape else []
    (value,) = machine.run(instruction.bodies[0], frame, [(axis,) for axis in grid])
    return (broadcast(value, shape),)


@operation("tensor.gather")
def gather(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    """Coordinates along `gather_dims`, whole slices along the others (kept as unit dimensions, or dropped)."""
    source, coordinates = operands
    dims = integer_list(instruction.op, "gather_dims")
    shape, batch = shape_of(source), shape_of(coordinates)[:-1]
    chosen = [coordinates[0][..., i] for i in range(len(dims))]
    checked = checked_indices(instruction, chosen, [shape[d] for d in dims], frame.mask)
    rest = [d for d in range(len(shape)) if d not in dims]
    ordered = map_planes(lambda plane: np.transpose(plane, [*dims, *rest]), source)
    doubt = doubt_of(coordinates)
    spread = None if doubt is None else doubt.any(axis=-1).reshape(*batch, *[1] * len(rest))
    picked = read_elements(machine, ordered, checked, instruction.element, spread)
    wanted = (*batch, *(shape[d] if d in rest else 1 for d in range(len(shape))))
    rank = ir.RankedTensorType(instruction.op.results[0].type).rank
    final = wanted if rank == len(wanted) else (*batch, *(shape[d] for d in rest))
    return (map_planes(lambda plane: plane.reshape(final), picked),)


@operation("tensor.scatter")
def scatter(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Value]:
    """The inverse of gather; the operation is `unique` by definition, so a repeated coordinate is an
    error.
    """
    part, whole = same_planes(operands[:2])
    coordinates = operands[2]
    machine.certain(instruction, [coordinates])
    dims = integer_list(instruction.op, "scatter_dims")
    shape, batch = shape_of(whole), shape_of(coordinates)[:-1]
    chosen = [coordinates[0][..., i] for i in range(len(dims))]
    where = checked_indices(instruction, chosen, [shape[d] for d in dims], None)
    flat = np.ravel_multi_index([np.ravel(w) for w in where], [shape[d] for d in dims])
    if len(np.unique(flat)) != len(flat):
        raise instruction.violation("the same element is scattered to twice")
    rest = [d for d in range(len(shape)) if d not in dims]
    order = [*dims, *rest]
    results = []
    for plane, source in zip(whole, part, strict=True):
        ordered = np.array(np.transpose(plane, order))
        ordered[where] = source.reshape(*batch, *(shape[d] for d in rest))
        results.append(np.transpose(ordered, np.argsort(order)))
    return (tuple(results),)
