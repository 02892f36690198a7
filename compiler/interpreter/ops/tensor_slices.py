"""`tensor` operations on regions: slices, padding, concatenation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch_mlir import ir

from stratagem.compiler.interpreter.attributes import MixedList, integer_attribute, integer_list, segments
from stratagem.compiler.interpreter.instructions import Frame, Instruction, operation
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.slices import extract, insert, reduced_shape, region_of, same_size, sizes_of
from stratagem.compiler.interpreter.values import Region, Shared, Value, broadcast, same_planes, shape_of


@operation("tensor.extract_slice")
def extract_slice(
    machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]
) -> Sequence[Value]:
    source = operands[0]
    machine.certain(instruction, operands[1:])
    region = region_of(instruction, operands, shape_of(source), 1)
    if isinstance(source, Shared):
        source.reads.append(region)
    rank = ir.RankedTensorType(instruction.op.results[0].type).rank
    shape = reduced_shape(instruction, region) if rank < len(region) else None
    return (extract(source, region, shape),)


@operation("tensor.insert_slice")
def insert_slice(
    machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]
) -> Sequence[Value]:
    part, whole = operands[0], operands[1]
    machine.certain(instruction, operands[2:])
    region = region_of(instruction, operands, shape_of(whole), 2)
    same_size(instruction, part, region)
    if sizes_of(region) == shape_of(whole):
        return (tuple(plane.reshape(shape_of(whole)) for plane in part),)
    return (insert(whole, region, part),)


@operation("tensor.pad")
def pad(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    """The region gives the padding, as a function of the position in the result."""
    source, low, high = _padding(instruction, operands)
    if min([*low, *high], default=0) < 0:
        raise instruction.violation(f"negative padding: low {low}, high {high}")
    shape = tuple(a + n + b for a, n, b in zip(low, shape_of(source), high, strict=True))
    grid = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij", sparse=True) if shape else []
    (padding,) = machine.run(instruction.bodies[0], frame, [(axis,) for axis in grid])
    region: Region = tuple(slice(a, a + n, 1) for a, n in zip(low, shape_of(source), strict=True))
    return (insert(broadcast(padding, shape), region, source),)


def _padding(instruction: Instruction, operands: Sequence[Value]) -> tuple[Value, list[int], list[int]]:
    parts = segments(instruction.op)
    lists = [MixedList(integer_list(instruction.op, name)) for name in ("static_low", "static_high")]
    low, high = (numbers.resolve(operands[part]) for numbers, part in zip(lists, parts[1:], strict=True))
    return operands[0], low, high


@operation("tensor.concat")
def concat(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    dim = integer_attribute(instruction.op, "dim")
    parts = same_planes(operands)
    return (tuple(np.concatenate(planes, axis=dim) for planes in zip(*parts, strict=True)),)


@operation("tensor.parallel_insert_slice")
def misplaced(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    raise instruction.violation("stands outside scf.forall.in_parallel")
