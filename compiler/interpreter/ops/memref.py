"""`memref`: allocation, views, loads and stores; and the `bufferization` operations between tensors and
buffers.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from torch_mlir import ir

from stratagem.compiler.interpreter.attributes import MixedList, integer_list, segments, static_shape
from stratagem.compiler.interpreter.buffers import Arena, Buffer, unwritten
from stratagem.compiler.interpreter.elements import element_of, is_float
from stratagem.compiler.interpreter.instructions import Frame, Instruction, operation
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.ops.constants import array_constant
from stratagem.compiler.interpreter.ops.tensor_elements import checked_indices
from stratagem.compiler.interpreter.ops.tensor_shapes import groups_of
from stratagem.compiler.interpreter.slices import SliceFacts, reduced_shape, region_of
from stratagem.compiler.interpreter.values import Array, Value, scalar, shape_of
from stratagem.runtime.errors import UnsupportedError


@operation("memref.alloc", "memref.alloca")
def allocate(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    sizes = operands[segments(instruction.op)[0]]
    shape = MixedList(static_shape(instruction.op.results[0].type)).resolve(sizes)
    return (unwritten(machine.domain, shape, instruction.element),)


@operation("memref.assume_alignment", "bufferization.dealloc_tensor")
def keep(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    return operands[:1] if instruction.results else ()


@operation("memref.dealloc")
def release(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    """What was there is gone: whoever reads it afterwards reads memory that nobody wrote."""
    buffer: Buffer = operands[0]
    gone = unwritten(machine.domain, [len(buffer.base[0])], element_of(instruction.op.operands[0].type))
    for plane, numbers in zip(buffer.base, gone, strict=True):
        plane[...] = numbers
    return ()


@operation("memref.get_global")
def constant(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    if instruction.facts is None:
        name = str(ir.FlatSymbolRefAttr(instruction.op.attributes["name"]).value)
        source = machine.global_value(name)
        if source is None or "initial_value" not in source.attributes:
            raise UnsupportedError(f"global '{name}' has no value here", location=instruction.location)
        value = array_constant(machine, source.attributes["initial_value"], instruction.element)
        instruction.facts = Buffer.copy_of(value, shape_of(value))
    return (instruction.facts,)


@operation("memref.view")
def typed_view(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    arena, offset, *sizes = operands
    if not isinstance(arena, Arena):
        raise UnsupportedError("memref.view of a buffer that is not the arena argument", location=instruction.location)
    shape = MixedList(static_shape(instruction.op.results[0].type)).resolve(sizes)
    return (arena.view(instruction, scalar(offset), shape, instruction.element),)


@operation("memref.subview")
def subview(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    source: Buffer = operands[0]
    machine.certain(instruction, operands[1:])
    region = region_of(instruction, operands, shape_of(source), 1)
    shape = reduced_shape(instruction, region)
    planes = [_reshaped(instruction, plane[region], shape) for plane in source]
    return (source.view(planes),)


@operation("memref.reinterpret_cast")
def reinterpret(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    """Any strided window of the allocation; it must lie within it."""
    source: Buffer = operands[0]
    if instruction.facts is None:
        instruction.facts = SliceFacts.of(instruction.op, 1)
    (offset, *_), sizes, strides = instruction.facts.resolve(operands)
    last = offset + sum((n - 1) * s for n, s in zip(sizes, strides, strict=True))
    if prod(sizes) and not 0 <= offset <= last < len(source.base[0]):
        raise instruction.violation(f"elements {offset}..{last} of an allocation of {len(source.base[0])}")
    planes = [
        np.lib.stride_tricks.as_strided(plane[offset:], sizes, [s * plane.itemsize for s in strides])
        for plane in source.base
    ]
    return (source.view(planes),)


@operation("memref.collapse_shape")
def collapse(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    source: Buffer = operands[0]
    shape = [prod(shape_of(source)[i] for i in group) for group in groups_of(instruction.op)]
    return (source.view([_reshaped(instruction, plane, shape) for plane in source]),)


@operation("memref.expand_shape")
def expand(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    source: Buffer = operands[0]
    shape = MixedList(integer_list(instruction.op, "static_output_shape")).resolve(operands[1:])
    if prod(shape) != source[0].size:
        raise instruction.violation(f"{list(shape_of(source))} does not expand to {shape}")
    return (source.view([_reshaped(instruction, plane, shape) for plane in source]),)


@operation("memref.transpose")
def transpose(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    source: Buffer = operands[0]
    results = ir.AffineMapAttr(instruction.op.attributes["permutation"]).value.results
    order = [e.maybe_downcast().position for e in results]
    return (source.view([np.transpose(plane, order) for plane in source]),)


def _reshaped(instruction: Instruction, plane: Array, shape: Sequence[int]) -> Array:
    """The same memory in another shape; refuses what would need a copy."""
    result = plane.reshape(tuple(shape))
    if plane.size and not np.shares_memory(plane, result):
        raise instruction.violation(f"strided buffer of shape {list(plane.shape)} is no view of shape {list(shape)}")
    return result


@operation("memref.load")
def load(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Value]:
    source, *where = operands
    machine.certain(instruction, where)
    indices = checked_indices(instruction, [index[0] for index in where], shape_of(source), frame.mask)
    return (tuple(np.array(plane[indices]) for plane in source),)


@operation("memref.store")
def store(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    value, target, *where = operands
    machine.certain(instruction, [*where, value] if not is_float(instruction.element) else where)
    indices = checked_indices(instruction, [index[0] for index in where], shape_of(target), None)
    target.store(value[: len(target)], indices)
    return ()


@operation("memref.copy", "linalg.copy")
def copy(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    source, target = operands[:2]
    if shape_of(source) != shape_of(target):
        raise instruction.violation(f"copies shape {list(shape_of(source))} to {list(shape_of(target))}")
    if instruction.results:
        return (tuple(source),)
    target.store(tuple(source))
    return ()


@operation("bufferization.to_tensor")
def to_tensor(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Value]:
    return (tuple(np.array(plane) for plane in operands[0]),)


@operation("bufferization.to_buffer")
def to_buffer(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Any]:
    return (Buffer.copy_of(operands[0], shape_of(operands[0])),)


@operation("bufferization.clone")
def clone(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    return (Buffer.copy_of(tuple(operands[0]), shape_of(operands[0])),)


@operation("bufferization.materialize_in_destination")
def materialize(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Any]) -> Sequence[Any]:
    if instruction.results:
        return (operands[0],)
    operands[1].store(operands[0])
    return ()
