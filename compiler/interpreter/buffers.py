"""Buffers of the physical level: planes that are written in place, views that share them, and the arena."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from stratagem.compiler.interpreter.domains.base import Domain
from stratagem.compiler.interpreter.elements import is_float, storage
from stratagem.compiler.interpreter.instructions import Instruction
from stratagem.compiler.interpreter.values import Array, Value, same_planes


class Buffer(tuple[Array, ...]):
    """A memref: writable planes of one shape, and the flat planes of the whole allocation they are part
    of.
    """

    base: tuple[Array, ...]

    @staticmethod
    def of(planes: Sequence[Array], base: Sequence[Array]) -> Buffer:
        buffer = Buffer(planes)
        buffer.base = tuple(base)
        return buffer

    @staticmethod
    def copy_of(value: Value, shape: Sequence[int]) -> Buffer:
        """A new allocation with the contents of `value`; integers get no second plane."""
        flat = [np.array(np.broadcast_to(plane, tuple(shape))).reshape(-1) for plane in value]
        return Buffer.of([plane.reshape(tuple(shape)) for plane in flat], flat)

    def store(self, value: Value) -> None:
        """Overwrites the contents; raises ValueError where the value does not fit."""
        source = same_planes([self, value])[1]
        if len(source) != len(self):
            raise ValueError("a buffer of integers cannot hold numbers in doubt")
        copies = [np.array(plane) for plane in source]
        for plane, numbers in zip(self, copies, strict=True):
            plane[...] = numbers


@dataclass
class Arena:
    """Bytes that are handed out as typed views. Bytes of another type than they were written in hold
    nonsense.

    Every element type has storage of its own over the same bytes. Taking a view is the start of a
    buffer's life: the bytes it covers become unwritten memory in every type, so a plan that gives two
    live buffers the same bytes shows.
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
        self._forget(offset, end)
        base = self.typed[element].base
        part = slice(offset // width, end // width)
        return Buffer.of([plane[part].reshape(tuple(shape)) for plane in base], base)

    def _forget(self, start: int, end: int) -> None:
        for element, buffer in self.typed.items():
            width = storage(element).itemsize
            part = slice(start // width, -(-end // width))
            nonsense = unwritten(self.domain, [len(buffer.base[0][part])], element)
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
        destination.store(result)
    return ()
