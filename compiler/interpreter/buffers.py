"""Buffers of the physical level: planes that are written in place, views that share them, and the arena."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from stratagem.compiler.interpreter.domains.base import Domain
from stratagem.compiler.interpreter.elements import is_float, storage
from stratagem.compiler.interpreter.instructions import Instruction
from stratagem.compiler.interpreter.values import Array, Value, put, same_planes


class Buffer(tuple[Array, ...]):
    """A memref: writable planes of one shape, the flat planes of the whole allocation they are part of,
    and where that allocation is storage of an arena, the arena and its element type.
    """

    base: tuple[Array, ...]
    home: tuple[Arena, str] | None

    @staticmethod
    def of(planes: Sequence[Array], base: Sequence[Array], home: tuple[Arena, str] | None = None) -> Buffer:
        buffer = Buffer(planes)
        buffer.base, buffer.home = tuple(base), home
        return buffer

    @staticmethod
    def copy_of(value: Value, shape: Sequence[int]) -> Buffer:
        """A new allocation with the contents of `value`."""
        flat = [np.array(np.broadcast_to(plane, tuple(shape))).reshape(-1) for plane in value]
        return Buffer.of([plane.reshape(tuple(shape)) for plane in flat], flat)

    def view(self, planes: Sequence[Array]) -> Buffer:
        """Other planes over the same allocation."""
        return Buffer.of(planes, self.base, self.home)

    def store(self, value: Value, where: Any = ...) -> None:
        """Overwrites the contents, or a part of them; raises ValueError where the value does not fit."""
        source = same_planes([self, value])[1]
        if len(source) != len(self):
            raise ValueError("a buffer of integers cannot hold numbers in doubt")
        copies = [np.array(plane) for plane in source]
        for plane, numbers in zip(self, copies, strict=True):
            put(plane, where, numbers)
        if self.home is not None and self[0].size:
            arena, element = self.home
            arena.overwritten(element, *_range_of(self[0], self.base[0]))


def _range_of(plane: Array, base: Array) -> tuple[int, int]:
    """First and last-but-one element of an allocation that a view of it spans."""
    start = base.__array_interface__["data"][0]
    low, high = byte_bounds(plane)
    return (low - start) // base.itemsize, (high - start) // base.itemsize


@dataclass
class Arena:
    """Bytes that are handed out as typed views.

    Every element type has storage of its own over the same bytes. Buffers of one type in one place overwrite each
    other, as they would in memory; what is written in one type makes the same bytes nonsense in all others.
    """

    size: int
    domain: Domain
    typed: dict[str, Buffer] = field(default_factory=dict)

    def view(self, instruction: Instruction, offset: int, shape: Sequence[int], element: str) -> Buffer:
        width = storage(element).itemsize
        end = offset + prod(shape) * width
        if offset < 0 or end > self.size:
            raise instruction.violation(f"bytes {offset}..{end} are outside the arena of {self.size} bytes")
        if offset % width:
            raise instruction.violation(f"byte offset {offset} is no multiple of {width}, the size of {element}")
        if element not in self.typed:
            self.typed[element] = unwritten(self.domain, [self.size // width], element)
        base = self.typed[element].base
        part = slice(offset // width, end // width)
        return Buffer.of([plane[part].reshape(tuple(shape)) for plane in base], base, (self, element))

    def overwritten(self, element: str, start: int, end: int) -> None:
        """Elements `start` to `end` of the storage for `element` have been written."""
        width = storage(element).itemsize
        for other, buffer in self.typed.items():
            if other == element:
                continue
            size = storage(other).itemsize
            part = slice(start * width // size, -(-end * width // size))
            nonsense = unwritten(self.domain, [len(buffer.base[0][part])], other)
            for plane, numbers in zip(buffer.base, nonsense, strict=True):
                plane[part] = numbers


def unwritten(domain: Domain, shape: Sequence[int], element: str) -> Buffer:
    """A fresh allocation; unwritten integers cannot be told from data."""
    if is_float(element):
        return Buffer.copy_of(domain.undefined(shape, element), shape)
    return Buffer.copy_of((np.asarray(domain.unwritten_integer(), storage(element)),), shape)


def store_results(instruction: Instruction, destinations: Sequence[Value], results: Sequence[Value]) -> Sequence[Value]:
    """An operation's results; on buffers there are none, and the destinations receive them."""
    if instruction.results:
        return results
    for destination, result in zip(destinations, results, strict=True):
        if not isinstance(destination, Buffer):
            raise instruction.violation("has neither results nor buffers to write to")
        try:
            destination.store(result)
        except ValueError as problem:
            raise instruction.violation(str(problem)) from None
    return ()
