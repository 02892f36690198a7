"""Hyper-rectangular regions: what `offsets`, `sizes` and `strides` of slice operations mean, with bounds
checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stratagem.compiler.interpreter.attributes import MixedList, integer_list, static_shape
from stratagem.compiler.interpreter.instructions import Instruction
from stratagem.compiler.interpreter.values import Array, Region, Value, map_planes, put, same_planes, shape_of


@dataclass(frozen=True)
class SliceFacts:
    """The three lists of a slice operation whose first `tensors` operands are its tensors."""

    tensors: int
    offsets: MixedList
    sizes: MixedList
    strides: MixedList

    @staticmethod
    def of(op: Any, tensors: int) -> SliceFacts:
        lists = (MixedList(integer_list(op, f"static_{part}")) for part in ("offsets", "sizes", "strides"))
        return SliceFacts(tensors, *lists)

    def resolve(self, operands: Sequence[Value]) -> tuple[list[int], list[int], list[int]]:
        dynamic = operands[self.tensors :]
        first, second = self.offsets.dynamic, self.offsets.dynamic + self.sizes.dynamic
        return (
            self.offsets.resolve(dynamic[:first]),
            self.sizes.resolve(dynamic[first:second]),
            self.strides.resolve(dynamic[second:]),
        )


def region_of(instruction: Instruction, operands: Sequence[Value], shape: Sequence[int], tensors: int) -> Region:
    """The region of a tensor of `shape` that a slice operation names; raises Violation where it leaves the
    tensor.
    """
    if instruction.facts is None:
        instruction.facts = SliceFacts.of(instruction.op, tensors)
    offsets, sizes, strides = instruction.facts.resolve(operands)
    region = []
    for dim, (offset, size, stride, extent) in enumerate(zip(offsets, sizes, strides, shape, strict=True)):
        last = offset + (size - 1) * stride
        if size < 0 or not 0 <= offset <= extent or (size > 0 and not 0 <= last < extent):
            rule = f"offset {offset}, size {size}, stride {stride}"
            raise instruction.violation(f"dimension {dim}: {rule} leaves the {extent} elements of the tensor")
        if stride == 0 and size > 1:
            raise instruction.violation(f"dimension {dim}: {size} elements with stride 0 are all the same one")
        region.append(strided_range(offset, size, stride or 1))
    return tuple(region)


def strided_range(offset: int, size: int, stride: int) -> slice:
    """`size` elements from `offset` on, a negative stride backwards."""
    if stride > 0:
        return slice(offset, offset + (size - 1) * stride + 1 if size else offset, stride)
    stop = offset + size * stride
    return slice(offset, stop if stop >= 0 else None, stride)


def sizes_of(region: Region) -> tuple[int, ...]:
    return tuple(len(range(*part.indices(2**62))) for part in region)


def reduced_shape(instruction: Instruction, region: Region) -> tuple[int, ...]:
    """The shape of a slice in its result type, which may leave out dimensions that are written to have size 1.

    Which: those that do not fit the type's next dimension, from the front, as MLIR tells them.
    """
    wanted, kept = static_shape(instruction.op.results[0].type), list[int]()
    for size, written in zip(sizes_of(region), instruction.facts.sizes.numbers, strict=True):
        if len(kept) < len(wanted) and written == wanted[len(kept)]:
            kept.append(size)
        elif size != 1:
            raise instruction.violation(
                f"a slice of sizes {list(sizes_of(region))} has type {instruction.op.results[0].type}"
            )
    return tuple(kept)


def extract(value: Value, region: Region, shape: Sequence[int] | None = None) -> Value:
    """A region as views, reshaped where a rank-reduced `shape` is given."""
    part = map_planes(lambda plane: plane[region], value)
    if shape is None or len(shape) == len(region):
        return part
    return map_planes(lambda plane: plane.reshape(tuple(shape)), part)


def insert(value: Value, region: Region, part: Value) -> Value:
    """A copy of `value` with `part` (maybe rank-reduced) in a region."""
    whole, part = same_planes([value, part])
    planes = tuple(np.array(plane) for plane in whole)
    write(planes, region, part)
    return planes


def write(planes: Sequence[Array], region: Region, part: Value) -> None:
    """Stores `part` into a region of writable planes."""
    shape = sizes_of(region)
    for plane, source in zip(planes, part, strict=True):
        put(plane, region, np.reshape(source, shape) if np.shape(source) != shape else source)


def same_size(instruction: Instruction, part: Value, region: Region) -> None:
    """Checks that an inserted tensor fills its region exactly; raises Violation otherwise."""
    have, want = shape_of(part), sizes_of(region)
    if [n for n in have if n != 1] != [n for n in want if n != 1]:
        raise instruction.violation(f"a tensor of shape {list(have)} is put into a region of shape {list(want)}")
