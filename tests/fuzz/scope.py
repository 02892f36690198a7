"""What a program under construction offers to the next operation: values, sizes, numbers, and inputs on demand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.fuzz.description import FLOATS, INTEGERS, Description, Dim, Input, Region, Shape, Step, Type, Value, size_of

VALUE_LIMIT = 3000
"""Most elements of a value: programs are small, their shapes are odd."""
WORK_LIMIT = 12000
"""Most points of an operation; the interpreter runs unusual reductions point by point."""
DRAWS = 100
"""Shapes drawn before a program is said to have none of a kind."""
MOST_INPUTS = 8


class DoesNotFit(Exception):
    """A drawn operation is undefined for the sizes there are."""


@dataclass
class Scope:
    """`steps` receives what is drawn, `draw` appends one more step; a region's scope shares everything else with the
    one around it.
    """

    rng: Random
    program: Description
    elements: Sequence[str]
    draw: Callable[[Scope], None]
    values: list[Value] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    scalars: list[int] = field(default_factory=list)
    counter: list[int] = field(default_factory=lambda: [0])
    depth: int = 0

    def number(self) -> int:
        self.counter[0] += 1
        return self.counter[0]

    def inner(self, arguments: Sequence[Value] = ()) -> Scope:
        """A scope for a region of an operation that is being drawn."""
        tensors = [v for v in arguments if v.type.shape is not None]
        indices = [v.number for v in arguments if v.type.shape is None]
        return Scope(
            self.rng, self.program, self.elements, self.draw, [*self.values, *tensors], [], [*self.scalars, *indices],
            self.counter, self.depth + 1,
        )  # fmt: skip

    def region(self, inner: Scope, arguments: Sequence[Value], yields: Sequence[Value]) -> Region:
        return Region(list(arguments), inner.steps, [v.number for v in yields])

    def add(self, kind: str, operands: Sequence[Value], results: Sequence[Type], **more: Any) -> list[Value]:
        """Appends a step; `needs` and `regions` are its fields, everything else is an attribute.

        Raises DoesNotFit when sizes are below what is needed.
        """
        values = [Value(self.number(), t) for t in results]
        needs, regions = more.pop("needs", []), more.pop("regions", [])
        if any(self.size(dim) < least for dim, least in needs):
            raise DoesNotFit(kind)
        self.steps.append(Step(kind, [v.number for v in operands], values, more, list(regions), list(needs)))
        self.values += [v for v in values if v.type.shape is not None]
        return values

    def element(self) -> str:
        return self.rng.choice(list(self.elements))

    def dim(self) -> Dim:
        """A size the program has."""
        known = [d for v in self.values for d in v.type.dims]
        if known and self.rng.random() < 0.5:
            return self.rng.choice(known)
        return ("b", self.rng.randrange(len(self.program.bases)))

    def shape(self, least: int = 0, most: int = 4) -> Shape:
        """Sizes of a value. Raises DoesNotFit when all that are drawn are too large together."""
        for _ in range(DRAWS):
            shape = tuple(self.dim() for _ in range(self.rng.randint(least, most)))
            if self.count(shape) <= VALUE_LIMIT:
                return shape
            least, most = min(least, 2), min(most, 2)
        raise DoesNotFit(f"a shape of at least {least} dimensions")

    def size(self, dim: Dim) -> int:
        return size_of(dim, [b.size for b in self.program.bases])

    def count(self, shape: Sequence[Dim]) -> int:
        total = 1
        for dim in shape:
            total *= self.size(dim)
        return total

    def fits(self, shape: Sequence[Dim], work: Sequence[Dim] = ()) -> bool:
        return self.count(shape) <= VALUE_LIMIT and self.count(work) <= WORK_LIMIT

    def value(self, fits: Callable[[Type], bool] = lambda t: True) -> Value | None:
        """A value that fits, mostly a late one."""
        found = [v for v in self.values if fits(v.type)]
        if not found:
            return None
        late = found[-4:]
        return self.rng.choice(late if self.rng.random() < 0.7 else found)

    def of_type(self, kind: Type, fresh: float = 0.25) -> Value:
        """A value of exactly this type: one there is, or a new input."""
        found = self.value(lambda t: t == kind)
        full = len(self.program.inputs) >= MOST_INPUTS
        return found if found and (full or self.rng.random() > fresh) else self.input(kind)

    def input(self, kind: Type) -> Value:
        """A new argument of the program. Raises DoesNotFit when a size of it would be negative."""
        if any(self.size(dim) < 0 for dim in kind.dims):
            raise DoesNotFit(str(kind))
        rng = self.rng
        is_integer = kind.element in INTEGERS
        fixed = not any(self.program.is_dynamic(d) for d in kind.dims)
        is_parameter = fixed and kind.element != "index" and rng.random() < 0.3
        made = Input(
            self.number(),
            kind,
            is_parameter,
            is_integer and not is_parameter and rng.random() < 0.3,
            rng.choice(["wide", "small", "small"])
            if is_integer
            else rng.choice(["unit", "unit", "unit", "large", "whole"]),
        )
        self.program.inputs.append(made)
        value = Value(made.number, kind)
        self.values.append(value)
        return value

    def any(self, least: int = 0, most: int = 4) -> Value:
        """A value of a rank in this range, of one of the program's element types."""
        found = self.value(lambda t: least <= len(t.dims) <= most)
        full = len(self.program.inputs) >= MOST_INPUTS
        if found and (full or self.rng.random() < 0.85):
            return found
        return self.input(Type(self.element(), self.shape(least, most)))


def is_float(kind: Type) -> bool:
    return kind.element in FLOATS
