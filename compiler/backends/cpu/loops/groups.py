"""Operands of dot products laid out group by group: neighbours along the reduction stand together in 32 bits.

A panel holds a group in the place of an element, as the layouts of matrix products for such instructions do ("VNNI
format": Georganas et al. 2020, "Harnessing Deep Learning via a Single Building Block"). Groups that the reduction does
not fill are filled up with zeros, whose products add nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch_mlir.dialects import arith, llvm

from stratagem.compiler.backends.cpu.build import (
    Size,
    add,
    element_pointer,
    i64,
    mul,
    parse_type,
    vector_type,
)
from stratagem.compiler.backends.cpu.loops.access import Access
from stratagem.compiler.backends.cpu.loops.dot import Dot
from stratagem.compiler.backends.cpu.loops.nest import Nest
from stratagem.compiler.backends.cpu.loops.pack import scratch


@dataclass(frozen=True)
class Groups(Access):
    """An operand that is read by groups. Its element is the integer type of one element's bits, its coefficients count
    elements; what is read is an i32, or a vector of neighbouring ones. Vectors are read whole: panels have room."""

    def load(self, offset: Size) -> Any:
        return self._read_groups(offset, parse_type("i32"))

    def load_vector(self, offset: Size, step: Size, lanes: int, active: Any = None) -> Any:
        if isinstance(step, int) and step == 0:
            return self.load(offset)
        return self._read_groups(offset, vector_type(lanes, parse_type("i32")))

    def shifted(self, offset: Size) -> Groups:
        """The same from `offset` elements on."""
        return replace(self, pointer=element_pointer(self.pointer, offset, self.element))

    def _read_groups(self, offset: Size, kind: Any) -> Any:
        address = element_pointer(self.pointer, offset, self.element)
        return llvm.LoadOp(kind, address, alignment=self.stored_bytes).result


@dataclass(frozen=True)
class Packing:
    """What is to be grouped: an operand, the loop along which it is dense or not, and the reduction that is grouped.

    Attributes:
        source: the operand, as integers of its elements' bits. free: the loop whose places become lanes or rows.
        grouped: the reduction whose neighbouring steps form groups. flip: whether sign bits are flipped on the way.
    """

    nest: Nest
    dot: Dot
    source: Access
    free: int
    grouped: int
    lanes: int
    flip: bool = False

    @staticmethod
    def of(nest: Nest, dot: Dot, operand: int, free: int, grouped: int, lanes: int) -> Packing:
        """Packs input `operand`, as it is."""
        source = replace(nest.inputs[operand], element=dot.storage)
        return Packing(nest, dot, source, free, grouped, lanes)

    @property
    def interleaves(self) -> bool:
        """Whether the operand is dense along its own loop, so that rows of it are interleaved."""
        return self.source.is_unit(self.free)

    @property
    def outer(self) -> list[int]:
        """The other reductions along which the operand moves."""
        return [d for d in self.nest.loops(False) if d != self.grouped and self.source.moves_with(d)]

    @property
    def depth(self) -> Size:
        """Groups in a panel for a step of the other reductions: whole vectors of them, unless rows are interleaved."""
        size = self.nest.sizes[self.grouped]
        return ceil_div(size, self.dot.group) if self.interleaves else mul(self.lanes, self._squares())

    @property
    def steps(self) -> Size:
        """All groups of a panel in one place of the free loop."""
        count = self.depth
        for d in self.outer:
            count = mul(count, self.nest.sizes[d])
        return count

    def scratch(self, width: Size) -> Any:
        """The address of scratch memory for so many places of the free loop."""
        return scratch(mul(mul(self.steps, self.dot.group), width), self.dot.storage)

    def panel(self, pointer: Any, width: Size) -> Groups:
        """A dense panel `[outer..., groups, width]`, one group after the other along the free loop."""
        return self._dense(pointer, self.free, self.dot.group, mul(width, self.dot.group))

    def rows(self, pointer: Any) -> Groups:
        """A dense panel `[free, outer..., groups]`, one group after the other along the reduction."""
        return self._dense(pointer, self.free, mul(self.steps, self.dot.group), self.dot.group)

    def in_place(self) -> Groups:
        """The operand itself, dense along a reduction that is a whole number of groups."""
        steps = list(self.source.coefficients)
        steps[self.grouped] = self.dot.group
        return Groups(self.source.element, self.source.pointer, tuple(steps))

    def _dense(self, pointer: Any, free: int, along: Size, step: Size) -> Groups:
        coefficients: list[Size] = [0] * len(self.nest.sizes)
        coefficients[free], coefficients[self.grouped] = along, step
        step = mul(step, self.depth)
        for d in reversed(self.outer):
            coefficients[d] = step
            step = mul(step, self.nest.sizes[d])
        return Groups(self.source.element, pointer, tuple(coefficients))

    def _squares(self) -> Size:
        return ceil_div(self.nest.sizes[self.grouped], self.dot.group * self.lanes)


def ceil_div(size: Size, step: int) -> Size:
    """How many pieces of `step` cover a size."""
    return quotient(add(size, step - 1), step)


def quotient(size: Size, step: int) -> Size:
    return size // step if isinstance(size, int) else arith.divui(size, i64(step))
