"""Ways to compare a program with what it was before a pass: each runs both in a number domain of the interpreter."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np

from stratagem.compiler.checks.program_data import Draw, ProgramData, Sizes
from stratagem.compiler.checks.verdicts import Verdict
from stratagem.compiler.interpreter.compare import Bounded, compare
from stratagem.compiler.interpreter.domains import Domain, ExactField, NativeFloat, RoundingBound, SymbolicReals
from stratagem.compiler.interpreter.elements import is_float
from stratagem.compiler.interpreter.equality import difference, other_draw
from stratagem.compiler.interpreter.machine import Machine
from stratagem.compiler.interpreter.per_call import bounded_result
from stratagem.compiler.interpreter.signature import Port, results_of
from stratagem.compiler.interpreter.spmd import Mesh, Rank
from stratagem.compiler.interpreter.spmd_api import ranks_of, run_on_ranks
from stratagem.compiler.interpreter.values import Array, Value
from stratagem.compiler.ir import find_function
from stratagem.runtime.errors import UnsupportedError

Judgement = tuple[Verdict, str]
"""A verdict, and the first difference or why there is none better."""


class Oracle(ABC):
    """One number domain, and what agreement means in it. `obligation` is its name in reports."""

    obligation: ClassVar[str]
    domain: Callable[[], Domain]

    @abstractmethod
    def draw(self, sizes: Sizes) -> Draw:
        """The inputs."""

    @abstractmethod
    def first(self, module: Any, data: ProgramData) -> Any:
        """The results that all later ones are compared with. Raises Violation where the program does not take the
        data, UnsupportedError where the domain cannot judge it."""

    @abstractmethod
    def judge(self, first: Any, module: Any, data: ProgramData, mesh: Mesh | None) -> Judgement:
        """Whether the program still computes them, on every rank of a mesh. Raises Violation."""


class _Field(Draw):
    def __init__(self, sizes: Sizes, seed: int) -> None:
        super().__init__(sizes, seed)
        self._field = ExactField(2**16 + seed)

    def floats(self, port: Port) -> Value:
        return self._field.random(self.shape(port))


class FieldOracle(Oracle):
    """Equal as functions over the reals, up to an accident of probability degree / 2^31 (Schwartz 1980, Zippel 1979;
    for programs of tensors, Wu et al. 2025)."""

    obligation = "same results in the exact field"

    def __init__(self, seed: int = 0) -> None:
        """Another seed is another order of the field's elements, too: what a maximum begins with shows in some."""
        self._seed, self.domain = seed, partial(ExactField, seed)

    def draw(self, sizes: Sizes) -> Draw:
        return _Field(sizes, self._seed)

    def first(self, module: Any, data: ProgramData) -> list[Value]:
        return run_main(module, data, self.domain, None)[0]

    def judge(self, first: Any, module: Any, data: ProgramData, mesh: Mesh | None) -> Judgement:
        for results in run_main(module, data, partial(other_draw, self._seed), mesh):
            for port, want, got in zip(results_of(find_function(module, "main")), first, results, strict=True):
                found = difference(port.name, want, got, self._seed)
                if found is not None:
                    return Verdict.REFUTED, str(found)
        return Verdict.TESTED, ""


NORMAL, TIES, FAR = range(3)
"""Kinds of numbers: normal random ones; whole ones near 0, many of them equal; per input, all small, large or far below
0, so that what a maximum begins with matters."""
FAR_AWAY = ((1.0, 0.0), (0.01, 0.0), (10.0, 0.0), (1.0, -20.0), (0.01, -3.0))
"""Scale and shift of an input."""


class _Numbers(Draw):
    """Random numbers of one kind, and a program's own parameters."""

    takes_own_data = True

    def __init__(self, sizes: Sizes, kind: int, seed: int) -> None:
        super().__init__(sizes, seed)
        self._kind = kind

    def floats(self, port: Port) -> Value:
        made = self.numbers.standard_normal(self.shape(port))
        if self._kind == TIES:
            made = np.clip(np.round(made), -1.0, 1.0)
        if self._kind == FAR:
            scale, shift = FAR_AWAY[self.numbers.integers(len(FAR_AWAY))]
            made = made * scale + shift
        return NativeFloat().lift(made, port.element)

    def parameter(self, port: Port, stored: Array) -> Value:
        return NativeFloat().lift(stored, port.element) if is_float(port.element) else (port.inside(stored),)


class BoundOracle(Oracle):
    """Evaluated in its element types, within the rounding bound that the first program allows."""

    obligation = "results within the derived bound"
    domain = NativeFloat

    def __init__(self, kind: int = NORMAL, seed: int = 0) -> None:
        self._kind, self._seed = kind, seed

    def draw(self, sizes: Sizes) -> Draw:
        return _Numbers(sizes, self._kind, self._seed)

    def first(self, module: Any, data: ProgramData) -> list[Bounded]:
        machine = Machine(module, RoundingBound())
        values = machine.call("main", _with_bounds(data).arguments(module, machine.domain))
        ports = results_of(find_function(module, "main"))
        certain = not machine.undecided
        bounds = [bounded_result(v, p, certain=certain) for v, p in zip(values, ports, strict=True)]
        if not any(np.isfinite(one.bound).any() for one in bounds):
            raise UnsupportedError("the rounding bound of the whole program says nothing about any element")
        return bounds

    def judge(self, first: Any, module: Any, data: ProgramData, mesh: Mesh | None) -> Judgement:
        worst: Judgement = (Verdict.TESTED, "")
        ports = results_of(find_function(module, "main"))
        for results in run_main(module, data, NativeFloat, mesh):
            for port, want, got in zip(ports, first, results, strict=True):
                if np.shape(got[0]) != np.shape(want.value):
                    return Verdict.REFUTED, _shapes(port, got[0], want.value)
                found = compare(port.outside(got), *want)
                if found.outcome == "outside bound":
                    return Verdict.REFUTED, f"result '{port.name}': {found.detail}"
                if found.outcome == "not checked":
                    worst = Verdict.NOT_CHECKED, f"result '{port.name}': {found.detail}"
        return worst


def _with_bounds(data: ProgramData) -> ProgramData:
    """The same numbers with errors of zero."""
    domain = RoundingBound()
    return ProgramData(
        data.draw,
        RoundingBound,
        {name: domain.lift(v[0], "f64") if v[0].dtype.kind == "f" else v for name, v in data.values.items()},
    )


class _Symbols(Draw):
    def floats(self, port: Port) -> Value:
        return SymbolicReals.symbols(port.name, self.shape(port))


class SymbolicOracle(Oracle):
    """The same expressions of the inputs, brought to a normal form: a proof over the reals at these sizes."""

    obligation = "same expressions over the reals"
    domain = SymbolicReals

    def draw(self, sizes: Sizes) -> Draw:
        return _Symbols(sizes)

    def first(self, module: Any, data: ProgramData) -> list[Value]:
        return run_main(module, data, SymbolicReals, None)[0]

    def judge(self, first: Any, module: Any, data: ProgramData, mesh: Mesh | None) -> Judgement:
        for results in run_main(module, data, SymbolicReals, mesh):
            for port, want, got in zip(results_of(find_function(module, "main")), first, results, strict=True):
                if np.shape(want[0]) != np.shape(got[0]):
                    return Verdict.REFUTED, _shapes(port, got[0], want[0])
                if not np.all(want[0] == got[0]):
                    return Verdict.NOT_CHECKED, f"result '{port.name}': the normal forms differ, which proves nothing"
        return Verdict.PROVED_HERE, ""


def _shapes(port: Port, got: Array, want: Array) -> str:
    return f"result '{port.name}' has shape {np.shape(got)}, not {np.shape(want)}"


def run_main(module: Any, data: ProgramData, domain: Callable[[], Domain], mesh: Mesh | None) -> Sequence[list[Value]]:
    """The results of `main`, on every rank where there is a mesh."""
    if mesh is None:
        own = domain()
        return [Machine(module, own).call("main", data.arguments(module, own))]

    def arguments(rank: Rank, own: Domain) -> list[Any]:
        return data.arguments(module, own, rank)

    return run_on_ranks(module, ranks_of(mesh), domain, arguments, "main")
