"""Translation validation: after every pass, the program is compared with what it was at first, in every number domain.

Passes are not trusted; what they did to this program is tested on this program, at its own sizes, with small primes for
free ones. (The idea is that of Pnueli, Siegel and Singerman, 1998.)
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from stratagem.compiler import knobs
from stratagem.compiler.checks.oracles import BoundOracle, FieldOracle, Oracle, SymbolicOracle
from stratagem.compiler.checks.program_data import ProgramData
from stratagem.compiler.checks.verdicts import Finding, Verdict
from stratagem.compiler.interpreter.spmd import Mesh
from stratagem.compiler.interpreter.violation import Violation
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.runtime.errors import RuntimeInputError, UnsupportedError

FREE_SIZES = (7, 16, 5, 64, 224)
"""Sizes tried in turn for free dimensions, until a program's own assertions accept one: primes first."""
ORACLES: tuple[Callable[[], Oracle], ...] = (FieldOracle, BoundOracle, SymbolicOracle)


@dataclass
class _Comparison:
    """One oracle at work. `problem` says why it cannot judge any more."""

    oracle: Oracle
    data: ProgramData | None = None
    first: Any = None
    problem: str = ""
    seconds: float = 0.0


class PassValidator:
    """Holds what the program computed before the first pass."""

    def __init__(self, mesh: Mesh = ()) -> None:
        """`mesh`: the axes over which programs are cut from the device level on."""
        self._mesh = [axis for axis in mesh if axis[1] > 1] or None
        self._comparisons = [_Comparison(make()) for make in ORACLES]
        self._before: Program | None = None
        self._text = ""
        self._left = float(knobs.current().verify_seconds)

    def start(self, program: Program, text: str) -> list[Finding]:
        """Runs the program before the first pass; `text` is its IR. A finding for each domain that cannot judge it."""
        self._before, self._text = _as_it_is(program, text), text
        for one in self._comparisons:
            self._timed(one, partial(_begin, one, self._before))
        lost = [one for one in self._comparisons if one.problem]
        self._comparisons = [one for one in self._comparisons if not one.problem]
        return [Finding("tensor", "main", one.oracle.obligation, Verdict.NOT_CHECKED, one.problem) for one in lost]

    def after_pass(self, stage: str, name: str, program: Program, text: str) -> list[Finding]:
        """A finding per domain; one where the pass changed nothing."""
        before, self._before = self._before, _as_it_is(program, text)
        if text == self._text:
            return [Finding(stage, name, "program unchanged", Verdict.PROVED)]
        self._text = text
        mesh = self._mesh if stage != "tensor" else None
        return [self._finding(stage, name, one, before, mesh) for one in self._comparisons]

    def _finding(self, stage: str, name: str, one: _Comparison, before: Program | None, mesh: Mesh | None) -> Finding:
        judged: list[tuple[Verdict, str]] = []
        self._timed(one, lambda: judged.append(_compared(one, self._before, before, mesh)))
        verdict, detail = judged[0] if judged else (Verdict.NOT_CHECKED, one.problem)
        return Finding(stage, name, one.oracle.obligation, verdict, detail)

    def _timed(self, one: _Comparison, work: Callable[[], None]) -> None:
        """Does the work unless it would, by what the last run took, leave the time that is given."""
        if one.problem:
            return
        if one.seconds > self._left:
            one.problem = (
                f"a run takes {one.seconds:.0f} s, and {max(self._left, 0):.0f} s of STRATAGEM_VERIFY_SECONDS are left"
            )
            return
        started = time.perf_counter()
        work()
        one.seconds = time.perf_counter() - started
        self._left -= one.seconds


def _as_it_is(program: Program, text: str) -> Program:
    """The program as it is now: passes change modules in place. Parameters are only ever added."""
    return Program(parse_module(text), program.parameters)


def _begin(one: _Comparison, program: Program) -> None:
    """Finds sizes that the program accepts, and its results."""
    for size in FREE_SIZES:
        one.data, one.problem = ProgramData(one.oracle.draw(size), one.oracle.domain), ""
        try:
            one.data.extend(program, None)
            one.first = one.oracle.first(program.module, one.data)
            return
        except (Violation, RuntimeInputError) as broken:
            one.problem = f"the program does not take random inputs: {broken}"
        except UnsupportedError as missing:
            one.problem = str(missing)
            return


def _compared(
    one: _Comparison, after: Program | None, before: Program | None, mesh: Mesh | None
) -> tuple[Verdict, str]:
    assert one.data is not None and after is not None
    try:
        one.problem = one.data.extend(after, before)
        if one.problem:
            return Verdict.NOT_CHECKED, one.problem
        return one.oracle.judge(one.first, after.module, one.data, mesh)
    except Violation as broken:
        return Verdict.REFUTED, str(broken)
    except UnsupportedError as missing:
        return Verdict.NOT_CHECKED, str(missing)
