"""Every `linalg` operation with indexing maps and a region, `linalg.generic` first: vectorised over the
iteration space.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np

from stratagem.compiler.interpreter.access import grid_of, iteration_sizes
from stratagem.compiler.interpreter.attributes import integer_attribute
from stratagem.compiler.interpreter.buffers import store_results
from stratagem.compiler.interpreter.contraction import contract
from stratagem.compiler.interpreter.elements import is_float
from stratagem.compiler.interpreter.instructions import Frame, Instruction, operation
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.ops.reductions import reduce_values
from stratagem.compiler.interpreter.patterns import UNIT, Combiner, Structure
from stratagem.compiler.interpreter.values import Value, broadcast, map_planes, same_planes, shape_of
from stratagem.runtime.errors import UnsupportedError

_LARGEST = 2**24
"""Iteration points evaluated at once; larger iteration spaces are cut along a parallel dimension."""


@operation("linalg.*")
def run_structured(
    machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]
) -> Sequence[Value]:
    if instruction.facts is None:
        instruction.facts = Structure.of(instruction)
    structure: Structure = instruction.facts
    sizes = iteration_sizes(instruction, structure.accesses, operands)
    machine.note_reads(instruction, [operand for operand, used in zip(operands, structure.used, strict=True) if used])
    views = [
        access.view(operand, sizes, instruction) if used else None
        for access, operand, used in zip(structure.accesses, operands, structure.used, strict=True)
    ]
    outer = frame.grid, frame.mask
    frame.mask = None
    parts = [_evaluate(machine, instruction, frame, *piece) for piece in _pieces(structure, views, sizes)]
    frame.grid, frame.mask = outer
    results = [
        _assembled(structure, position, [part[position] for part in parts]) for position in range(structure.outputs)
    ]
    return store_results(instruction, operands[structure.inputs :], results)


Views = list[Value | None]


def _pieces(
    structure: Structure, views: Views, sizes: tuple[int, ...]
) -> Iterator[tuple[Views, tuple[int, ...], list[int]]]:
    """The iteration space in pieces of bounded size: views, sizes, and where the piece starts."""
    points = prod(sizes)
    if structure.contraction is not None:
        points = max(prod(shape_of(view)) for view in views if view is not None)
    cut = structure.parallel[0] if structure.parallel else None
    origin = [0] * len(sizes)
    if points <= _LARGEST or cut is None:
        yield views, sizes, origin
        return
    step = max(1, sizes[cut] * _LARGEST // points)
    for start in range(0, sizes[cut], step):
        stop = min(start + step, sizes[cut])
        narrowed = [None if view is None else _narrow(view, cut, start, stop) for view in views]
        yield (
            narrowed,
            (*sizes[:cut], stop - start, *sizes[cut + 1 :]),
            [start if d == cut else 0 for d in range(len(sizes))],
        )


def _narrow(view: Value, dim: int, start: int, stop: int) -> Value:
    if np.ndim(view[0]) <= dim or shape_of(view)[dim] == 1:
        return view
    region = (*[slice(None)] * dim, slice(start, stop))
    return map_planes(lambda plane: plane[region], view)


def _evaluate(
    machine: Machine,
    instruction: Instruction,
    frame: Frame,
    views: Views,
    sizes: tuple[int, ...],
    origin: list[int],
) -> list[Value]:
    """One value per output, over the parallel dimensions in order."""
    structure: Structure = instruction.facts
    if structure.uses_index:
        frame.grid = [axis + start for axis, start in zip(grid_of(sizes), origin, strict=True)]
    if not structure.reduction:
        results = machine.run(instruction.bodies[0], frame, _arguments(structure, views))
        return [broadcast(result, sizes) for result in results]
    kept = [sizes[d] for d in structure.parallel]
    inits = [_over_parallel(structure, view, kept) for view in views[structure.inputs :]]
    if structure.combiners is None:
        return _in_sequence(machine, instruction, frame, views, inits, sizes)
    return _combined(machine, instruction, frame, views, inits, sizes)


def _arguments(structure: Structure, views: Views) -> list[Value | None]:
    return views[: structure.arguments]


def _over_parallel(structure: Structure, view: Value | None, kept: Sequence[int]) -> Value:
    """An output's initial value over the parallel dimensions."""
    assert view is not None, "reductions read their initial value"
    return map_planes(lambda plane: np.broadcast_to(np.squeeze(plane, structure.reduction), tuple(kept)), view)


def _combined(
    machine: Machine,
    instruction: Instruction,
    frame: Frame,
    views: Views,
    inits: list[Value],
    sizes: tuple[int, ...],
) -> list[Value]:
    """Outputs that are each one reduction of a term: evaluate the terms, then reduce."""
    structure: Structure = instruction.facts
    body = instruction.bodies[0]
    for slot, view in zip(body.arguments, _arguments(structure, views), strict=False):
        frame.slots[slot] = view
    machine.run_instructions(structure.terms, frame)
    results = []
    for combiner, init in zip(structure.combiners or (), inits, strict=True):
        result = _contracted(machine, structure, combiner, frame, init, sizes)
        if result is None:
            result = _reduced(machine, structure, combiner, frame, init, sizes)
        results.append(result)
    return results


def _contracted(
    machine: Machine,
    structure: Structure,
    combiner: Combiner,
    frame: Frame,
    init: Value,
    sizes: tuple[int, ...],
) -> Value | None:
    if structure.contraction is None:
        return None
    left, right = (frame.slots[slot] for slot in structure.contraction.operands)
    result = contract(machine.domain, combiner.element, left, right, init, sizes, structure.reduction)
    if result is None:
        machine.run_instructions([structure.contraction], frame)
    return result


def _reduced(
    machine: Machine,
    structure: Structure,
    combiner: Combiner,
    frame: Frame,
    init: Value,
    sizes: tuple[int, ...],
) -> Value:
    term = broadcast(frame.slots[combiner.term], sizes)
    if any(sizes[d] == 0 for d in structure.reduction):  # an extreme of nothing has no value to begin with
        return broadcast(init, tuple(n for d, n in enumerate(sizes) if d not in structure.reduction))
    if is_float(combiner.element):
        return machine.domain.reduce(combiner.function, combiner.element, term, structure.reduction, init)
    return reduce_values(combiner.function, term, structure.reduction, init)


def _in_sequence(
    machine: Machine,
    instruction: Instruction,
    frame: Frame,
    views: Views,
    inits: list[Value],
    sizes: tuple[int, ...],
) -> list[Value]:
    """Any other reduction: one reduction point after the other, all parallel points at once."""
    structure: Structure = instruction.facts
    state = [map_planes(lambda plane: np.expand_dims(plane, structure.reduction), init) for init in inits]
    grid = frame.grid
    for point in np.ndindex(*(sizes[d] for d in structure.reduction)):
        here = views[: structure.inputs]
        for dim, index in zip(structure.reduction, point, strict=True):
            here = [None if view is None else _narrow(view, dim, index, index + 1) for view in here]
        if structure.uses_index:
            frame.grid = list(grid)
            for dim, index in zip(structure.reduction, point, strict=True):
                frame.grid[dim] = grid[dim][(*[slice(None)] * dim, slice(index, index + 1))]
        state = machine.run(instruction.bodies[0], frame, [*here, *state])
    kept = tuple(1 if d in structure.reduction else n for d, n in enumerate(sizes))
    return [map_planes(lambda plane: np.squeeze(plane, structure.reduction), broadcast(value, kept)) for value in state]


def _assembled(structure: Structure, position: int, parts: list[Value]) -> Value:
    """Joins the pieces and puts the dimensions in the order of the output's map."""
    planes = parts[0]
    if len(parts) > 1:
        planes = tuple(np.concatenate(pieces, axis=0) for pieces in zip(*same_planes(parts), strict=True))
    order = structure.orders[position]
    if order == tuple(range(len(order))):
        return planes
    present = [position for position in order if position != UNIT]
    kept = tuple(np.newaxis if position == UNIT else slice(None) for position in order)
    return tuple(np.transpose(plane, present)[kept] for plane in planes)


@operation("linalg.index")
def index(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    if instruction.facts is None:
        instruction.facts = integer_attribute(instruction.op, "dim")
    if not frame.grid:
        raise UnsupportedError("linalg.index outside a structured operation", location=instruction.location)
    return ((frame.grid[instruction.facts],),)


@operation("linalg.fill")
def fill(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    """A broadcast view: a fill of any size costs nothing."""
    return store_results(instruction, operands[1:], [broadcast(tuple(operands[0]), shape_of(operands[1]))])
