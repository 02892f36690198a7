"""Translation validation: after every pass, the program is compared with what it was at first, in every number domain.

Passes are not trusted; what they did to this program is tested on this program, at its own sizes, with small primes for
free ones. (The idea is that of Pnueli, Siegel and Singerman, 1998.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

from stratagem.compiler import knobs
from stratagem.compiler.checks.oracles import FAR, TIES, BoundOracle, FieldOracle, Oracle, SymbolicOracle
from stratagem.compiler.checks.program_data import ProgramData, Sizes
from stratagem.compiler.checks.verdicts import Finding, Verdict
from stratagem.compiler.interpreter.spmd import Mesh
from stratagem.compiler.interpreter.values import Array
from stratagem.compiler.interpreter.violation import Violation
from stratagem.compiler.ir import parse_module
from stratagem.compiler.program import Program
from stratagem.runtime.errors import RuntimeInputError, UnsupportedError

FREE_SIZES = (7, 16, 5, 64, 224)
"""Sizes tried in turn for free dimensions, until a program's own assertions accept one: primes first."""
REACHES = (7, 1, 0)
SPREADS = (1, -1, 0)
"""Ranges of integers and differences of free sizes for the further runs, in turn, the same way: some integers are
indices and must be in range, some sizes must be equal."""
ORACLES: tuple[Callable[[], Oracle], ...] = (FieldOracle, BoundOracle, SymbolicOracle)
FURTHER: tuple[Callable[[], Oracle], ...] = (
    *(partial(FieldOracle, seed) for seed in (1, 2)),
    partial(BoundOracle, TIES, 1),
    *(partial(BoundOracle, FAR, seed) for seed in (2, 3, 4)),
)
"""The same on other data: what one run does not reach (the other branch, a tie, an index from the end) another may."""


@dataclass
class _Comparison:
    """One oracle at work. `problem` says why it cannot judge any more. `is_further`: it may refute, but says nothing
    of its own otherwise."""

    oracle: Oracle
    is_further: bool = False
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
        self._comparisons += [_Comparison(make(), is_further=True) for make in FURTHER]
        self._before: Program | None = None
        self._text = ""
        self._stored: dict[str, Array] = {}
        self._left = float(knobs.current().verify_seconds)

    def start(self, program: Program, text: str) -> list[Finding]:
        """Runs the program before the first pass; `text` is its IR. A finding for each domain that cannot judge it."""
        self._before, self._text = _as_it_is(program, text), text
        self._stored = {name: program.parameters[name] for name in program.parameters}
        for one in self._comparisons:
            self._timed(one, partial(_begin, one, self._before))
        lost = [one for one in self._comparisons if one.problem and not one.is_further]
        self._comparisons = [one for one in self._comparisons if not one.problem]
        return [Finding("tensor", "main", one.oracle.obligation, Verdict.NOT_CHECKED, one.problem) for one in lost]

    def after_pass(self, stage: str, name: str, program: Program, text: str) -> list[Finding]:
        """A finding per domain; one where the pass changed nothing."""
        before, self._before = self._before, _as_it_is(program, text)
        changed = self._changed_parameters(stage, name, program)
        if text == self._text:
            return changed or [Finding(stage, name, "program unchanged", Verdict.PROVED)]
        self._text = text
        mesh = self._mesh if stage != "tensor" else None
        found = [(one, self._finding(stage, name, one, before, mesh)) for one in self._comparisons]
        said = {f.obligation: f for one, f in found if not one.is_further}
        for one, finding in found:
            known = said.get(finding.obligation)
            if (
                one.is_further
                and finding.verdict is Verdict.REFUTED
                and (known is None or known.verdict is not Verdict.REFUTED)
            ):
                said[finding.obligation] = finding
        return [*said.values(), *changed]

    def _changed_parameters(self, stage: str, name: str, program: Program) -> list[Finding]:
        """A finding where a parameter that was there before has other bytes under the same name; all are noted."""
        store = program.parameters
        changed = next((p for p, held in self._stored.items() if not _is_still(held, store.get(p))), "")
        self._stored = {p: store[p] for p in store}
        if not changed:
            return []
        detail = f"parameter '{changed}' holds other data than before"
        return [Finding(stage, name, "stored parameters keep their data", Verdict.REFUTED, detail)]

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


def _is_still(held: Array, now: Array | None) -> bool:
    """Whether a parameter is gone, or has the bytes that it had."""
    if now is None or now is held:
        return True
    return now.shape == held.shape and now.dtype == held.dtype and now.tobytes() == held.tobytes()


def _sizes(is_further: bool) -> Iterator[Sizes]:
    reaches, spreads = (REACHES, SPREADS) if is_further else ((0,), (0,))
    for free, reach, spread in product(FREE_SIZES, reaches, spreads):
        yield Sizes(free, spread, reach)


def _begin(one: _Comparison, program: Program) -> None:
    """Finds sizes that the program accepts, and its results."""
    for sizes in _sizes(one.is_further):
        one.data, one.problem = ProgramData(one.oracle.draw(sizes), one.oracle.domain), ""
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
