"""`tensor` operations that make a tensor or change its shape only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir

from stratagem.compiler.interpreter.attributes import MixedList, integer_list, static_shape
from stratagem.compiler.interpreter.instructions import Frame, Instruction, operation
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.ops.tensor_elements import undefined
from stratagem.compiler.interpreter.values import Value, broadcast, integer, map_planes, scalar, shape_of
from stratagem.compiler.ir import DYNAMIC


@operation("tensor.empty", "bufferization.alloc_tensor")
def empty(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    if instruction.facts is None:
        instruction.facts = MixedList(static_shape(instruction.op.results[0].type))
    machine.certain(instruction, operands)
    shape = instruction.facts.resolve(operands)
    if min(shape, default=0) < 0:
        raise instruction.violation(f"negative size in {shape}")
    return (undefined(machine, shape, instruction.element),)


@operation("tensor.splat")
def splat(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    shape = MixedList(static_shape(instruction.op.results[0].type)).resolve(operands[1:])
    return (broadcast(operands[0], shape),)


@operation("tensor.dim", "memref.dim")
def dim(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    machine.certain(instruction, operands[1:])
    which, shape = scalar(operands[1]), shape_of(operands[0])
    if not 0 <= which < len(shape):
        raise instruction.violation(f"dimension {which} of a tensor of rank {len(shape)}")
    return (integer(shape[which]),)


@operation("tensor.rank", "memref.rank")
def rank(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    return (integer(len(shape_of(operands[0]))),)


@operation("tensor.cast", "memref.cast")
def cast(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    """Keeps the value; the sizes that the new type claims must be true."""
    kind = instruction.op.results[0].type
    if not ir.ShapedType(kind).has_rank:
        return (operands[0],)
    claimed, shape = static_shape(kind), shape_of(operands[0])
    if any(c not in (DYNAMIC, n) for c, n in zip(claimed, shape, strict=True)):
        raise instruction.violation(f"a tensor of shape {list(shape)} is cast to {kind}")
    return (operands[0],)


def groups_of(op: Any) -> list[list[int]]:
    """The reassociation attribute: which dimensions of the wider shape make up each one of the narrower."""
    return [
        [int(ir.IntegerAttr(x).value) for x in ir.ArrayAttr(group)]
        for group in ir.ArrayAttr(op.attributes["reassociation"])
    ]


@operation("tensor.collapse_shape")
def collapse(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    if instruction.facts is None:
        instruction.facts = groups_of(instruction.op)
    shape = shape_of(operands[0])
    sizes = []
    for group in instruction.facts:
        size = 1
        for i in group:
            size *= shape[i]
        sizes.append(size)
    return (map_planes(lambda plane: plane.reshape(sizes), operands[0]),)


@operation("tensor.expand_shape")
def expand(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    if instruction.facts is None:
        instruction.facts = (
            MixedList(integer_list(instruction.op, "static_output_shape")),
            groups_of(instruction.op),
        )
    sizes, groups = instruction.facts
    shape, source = sizes.resolve(operands[1:]), shape_of(operands[0])
    for dim, group in enumerate(groups):
        product = 1
        for i in group:
            product *= shape[i]
        if product != source[dim]:
            raise instruction.violation(f"dimension {dim} of size {source[dim]} expands to {[shape[i] for i in group]}")
    return (map_planes(lambda plane: plane.reshape(shape), operands[0]),)


@operation("tensor.reshape")
def reshape(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    machine.certain(instruction, operands[1:])
    shape = [int(n) for n in operands[1][0]]
    size = 1
    for n in shape:
        size *= n
    if size != operands[0][0].size:
        raise instruction.violation(f"{list(shape_of(operands[0]))} cannot be reshaped to {shape}")
    return (map_planes(lambda plane: plane.reshape(shape), operands[0]),)
