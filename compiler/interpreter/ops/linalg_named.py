"""`linalg` operations without indexing maps: softmax, pack and unpack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stratagem.compiler.interpreter.attributes import MixedList, integer_attribute, integer_list, segments
from stratagem.compiler.interpreter.buffers import store_results
from stratagem.compiler.interpreter.domains.base import Domain
from stratagem.compiler.interpreter.instructions import Frame, Instruction, operation
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.slices import insert
from stratagem.compiler.interpreter.values import Array, Value, broadcast, map_planes, shape_of


@operation("linalg.softmax")
def softmax(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    machine.note_reads(instruction, operands[:1])
    dim = integer_attribute(instruction.op, "dimension")
    result = normalised_exponentials(machine.domain, instruction.element, operands[0], dim)
    return store_results(instruction, operands[1:], [result])


def normalised_exponentials(domain: Domain, element: str, x: Value, dim: int) -> Value:
    """exp(x - max x) / sum exp(x - max x) along one dimension."""
    kept = tuple(n for d, n in enumerate(shape_of(x)) if d != dim)
    low, zero = (broadcast(domain.constant(np.asarray(c), element), kept) for c in (-np.inf, 0.0))

    def reduced(function: str, value: Value, init: Value) -> Value:
        result = domain.reduce(function, element, value, (dim,), init)
        return map_planes(lambda plane: np.expand_dims(plane, dim), result)

    shifted = domain.apply("sub", element, x, reduced("maximum", x, low))
    weights = domain.apply("exp", element, shifted)
    return domain.apply("div", element, weights, reduced("add", weights, zero))


def _tiles(op: Any, operands: Sequence[Value]) -> tuple[list[int], list[int], list[int]]:
    """Inner dimensions, their tile sizes, and the outer permutation."""
    parts = segments(op)
    sizes = MixedList(integer_list(op, "static_inner_tiles")).resolve(operands[parts[-1]])
    return list(integer_list(op, "inner_dims_pos")), sizes, list(integer_list(op, "outer_dims_perm"))


@operation("linalg.pack")
def pack(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    """Cuts dimensions into tiles that become inner dimensions; a ragged edge takes the padding value."""
    source, parts = operands[0], segments(instruction.op)
    dims, sizes, order = _tiles(instruction.op, operands)
    padding = operands[parts[2]]
    shape = list(shape_of(source))
    for dim, size in zip(dims, sizes, strict=True):
        shape[dim] = -(-shape[dim] // size) * size
    if shape != list(shape_of(source)):
        if not padding:
            raise instruction.violation(
                f"tiles {sizes} do not divide {list(shape_of(source))}, and there is no padding value"
            )
        region = tuple(slice(0, n, 1) for n in shape_of(source))
        source = insert(broadcast(padding[0], shape), region, source)
    return (map_planes(lambda plane: _packed(plane, dims, sizes, order), source),)


def _packed(plane: Array, dims: list[int], sizes: list[int], order: list[int]) -> Array:
    split: list[int] = []
    outer, inner = [], {}
    for d, n in enumerate(plane.shape):
        outer.append(len(split))
        if d in dims:
            size = sizes[dims.index(d)]
            inner[d] = len(split) + 1
            split += [n // size, size]
        else:
            split.append(n)
    outer = [outer[d] for d in order] if order else outer
    return np.transpose(plane.reshape(split), [*outer, *(inner[d] for d in dims)])


@operation("linalg.unpack")
def unpack(machine: Machine, instruction: Instruction, frame: Frame, operands: Sequence[Value]) -> Sequence[Value]:
    """The inverse of pack; what lies beyond the destination's shape is dropped."""
    source, destination = operands[0], operands[1]
    dims, sizes, order = _tiles(instruction.op, operands)
    rank = len(shape_of(destination))

    def unpacked(plane: Array) -> Array:
        outer = np.argsort(order).tolist() if order else list(range(rank))
        axes: list[int] = []
        shape: list[int] = []
        for d in range(rank):
            axes.append(outer[d])
            shape.append(plane.shape[outer[d]])
            if d in dims:
                axes.append(rank + dims.index(d))
                shape[-1] *= sizes[dims.index(d)]
        whole = np.transpose(plane, axes).reshape(shape)
        return whole[tuple(slice(0, n) for n in shape_of(destination))]

    return (map_planes(unpacked, source),)
