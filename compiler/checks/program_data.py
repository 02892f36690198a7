"""Data for the arguments of a program while passes change it, in one number domain.

Inputs are drawn once. A parameter that a pass makes anew must go with what it replaces, so its data is derived: that
of a stored view's source from the parameter that is a view of it, that of a folded value from the value of the program
before that has its numbers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from stratagem.compiler.interpreter.buffers import Arena, Buffer
from stratagem.compiler.interpreter.domains import Domain, RoundingBound
from stratagem.compiler.interpreter.elements import is_float
from stratagem.compiler.interpreter.instructions import Frame
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.signature import Port, arguments_of
from stratagem.compiler.interpreter.spmd import Rank
from stratagem.compiler.interpreter.spmd_api import local_part
from stratagem.compiler.interpreter.values import Array, Value, map_planes
from stratagem.compiler.ir import DYNAMIC, find_function
from stratagem.compiler.program import Program

TOGETHER = 2**16
"""The first so many elements are compared first: nearly every candidate is ruled out by them."""


@dataclass(frozen=True)
class Sizes:
    """What inputs of unknown size and range become.

    Attributes:
        free: the first free dimension. spread: by how much each further one is larger.
        reach: integers are drawn from -reach to reach; zeros and ones where it is 0.
    """

    free: int
    spread: int = 0
    reach: int = 0


class Draw(ABC):
    """How a domain's inputs are made. `takes_own_data`: parameters are the program's own, not made up."""

    takes_own_data: ClassVar[bool] = False

    def __init__(self, sizes: Sizes, seed: int = 0) -> None:
        """Flags of an odd seed are the opposite of those of the even one below."""
        self._sizes, self._seed = sizes, seed
        self._free_before: dict[tuple[str, int], int] = {}
        self.numbers = np.random.default_rng(seed)
        self._flags = np.random.default_rng(seed // 2)

    def shape(self, port: Port) -> tuple[int, ...]:
        return tuple(self._free(port.name, d) if n == DYNAMIC else n for d, n in enumerate(port.shape))

    def _free(self, name: str, dim: int) -> int:
        before = self._free_before.setdefault((name, dim), len(self._free_before))
        return max(1, self._sizes.free + self._sizes.spread * before)

    def integers(self, port: Port) -> Value:
        """Zeros and ones, which serve as indices, masks and flags alike, or what `reach` allows."""
        if port.element == "i1":
            return (port.inside(self._flags.integers(0, 2, self.shape(port)) ^ self._seed % 2),)
        reach = self._sizes.reach
        low, high = (-reach, reach + 1) if reach else (0, 2)
        return (port.inside(self.numbers.integers(low, high, self.shape(port))),)

    @abstractmethod
    def floats(self, port: Port) -> Value:
        """Values for a float argument."""

    def parameter(self, port: Port, stored: Array) -> Value:
        """Values for a parameter whose data is known: any floats will do, integers mean something."""
        return self.floats(port) if is_float(port.element) else (port.inside(stored),)


@dataclass
class ProgramData:
    """Name -> value of every argument met so far, in the domains that `domain` makes."""

    draw: Draw
    domain: Callable[[], Domain]
    values: dict[str, Value] = field(default_factory=dict)

    def extend(self, program: Program, before: Program | None) -> str:
        """Finds data for the arguments that are new; returns why there is none, else an empty text."""
        for port in arguments_of(find_function(program.module, "main")):
            if port.is_arena or port.name in self.values:
                continue
            stored = program.parameters.get(port.name) if port.is_parameter else None
            if stored is None:
                self.values[port.name] = self.draw.floats(port) if is_float(port.element) else self.draw.integers(port)
            elif before is None or self.draw.takes_own_data or not is_float(port.element):
                self.values[port.name] = self.draw.parameter(port, stored)
            else:
                value = self._replaced(program, port) or self._computed(before, stored)
                if value is None:
                    return f"parameter '{port.name}' is new, and no value of the program before holds its data"
                self.values[port.name] = value
        return ""

    def arguments(self, module: Any, domain: Domain, rank: Rank | None = None) -> list[Any]:
        """One per argument of `main`, each in the form that its type asks for."""
        made: list[Any] = []
        for port in arguments_of(find_function(module, "main")):
            if port.is_arena:
                made.append(Arena(port.shape[0], domain))
                continue
            value = self.values[port.name]
            if rank is not None:
                value = tuple(local_part(port, plane, rank) for plane in value)
            made.append(Buffer.copy_of(value, np.shape(value[0])) if port.is_buffer else value)
        return made

    def _replaced(self, program: Program, port: Port) -> Value | None:
        """From a parameter that is a view of this one."""
        for name, order, _ in program.parameters.views_of(port.name):
            if name in self.values:
                held = program.parameters[port.name].shape
                turned, back = [held[i] for i in order], np.argsort(order)
                return map_planes(lambda p: p.reshape(turned).transpose(back), self.values[name])  # noqa: B023
        return None

    def _computed(self, before: Program, stored: Array) -> Value | None:
        """The value of the program before whose numbers, run on its own parameters, are those stored."""
        own = ProgramData(_Stored(self.draw, before), RoundingBound)
        own.extend(before, None)
        for slot, value in _all_values(before.module, own):
            if len(value) == 2 and _holds(value, stored):
                return dict(_all_values(before.module, self)).get(slot)
        return None


class _Stored(Draw):
    """Parameters as they are, other floats normal random numbers, with bounds on their errors of zero."""

    takes_own_data = True

    def __init__(self, like: Draw, program: Program) -> None:
        super().__init__(like._sizes)
        self._domain, self._known = RoundingBound(), program.parameters

    def floats(self, port: Port) -> Value:
        return self._domain.lift(self.numbers.standard_normal(self.shape(port)), port.element)

    def parameter(self, port: Port, stored: Array) -> Value:
        return self._domain.lift(stored, port.element) if is_float(port.element) else (port.inside(stored),)


def _all_values(module: Any, data: ProgramData) -> Iterator[tuple[int, Value]]:
    """Slot and value of everything that `main` computes outside regions."""
    machine = Machine(module, data.domain())
    function = machine.function("main")
    frame = Frame([None] * function.slots)
    with np.errstate(all="ignore"):
        machine.run(function.body, frame, data.arguments(module, machine.domain))
    for slot, value in enumerate(frame.slots):
        if isinstance(value, tuple) and value and isinstance(value[0], np.ndarray):
            yield slot, value


def _holds(bounded: Value, stored: Array) -> bool:
    """Whether `stored` is this value, up to the rounding that its bound allows."""
    value, bound = bounded
    if np.shape(value) != stored.shape or value.dtype.kind != "f" or not np.all(np.isfinite(bound)):
        return False
    few = np.ravel(stored)[:TOGETHER].astype(np.float64)
    if not _within(np.ravel(value)[:TOGETHER], few, np.ravel(np.broadcast_to(bound, stored.shape))[:TOGETHER]):
        return False
    return _within(value, stored.astype(np.float64), bound)


def _within(value: Array, stored: Array, bound: Array) -> bool:
    return bool(np.all((np.abs(value - stored) <= bound) | (np.isnan(value) & np.isnan(stored))))
