"""Is a mutant real, and who notices it? The two questions are answered by different means on different data.

*Real*: in float64, on inputs of several kinds and at several sizes, the results differ from those of the program that
was not broken, or a rule of execution is broken while it runs, or the edit breaks one by construction (`Edit.breaks`).
*Noticed*: by what runs in ordinary use (the checks of the level) or with `verify=full` (`PassValidator`), on data and
at sizes of its own.
"""

from __future__ import annotations

import copy
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stratagem.api.compiling import load_target
from stratagem.compiler import knobs
from stratagem.compiler.checks.assurance import check_level, check_pass
from stratagem.compiler.checks.oracles import SymbolicOracle
from stratagem.compiler.checks.pass_validation import PassValidator
from stratagem.compiler.checks.verdicts import Finding, Verdict
from stratagem.compiler.interpreter.api import reference, run_spmd
from stratagem.compiler.interpreter.signature import arguments_of, results_of
from stratagem.compiler.interpreter.violation import Violation
from stratagem.compiler.ir import clone_module, find_function, parse_module, to_text
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.passes.registry import parse
from stratagem.compiler.program import Program
from stratagem.runtime.errors import StratagemError
from tests.mutation.subjects import Array, Mesh, Snapshot, draw_inputs

Results = list[dict[str, Array]]
"""Per rank: name -> array."""
KINDS_OF_DATA = ("normal", "negative", "large", "whole", "zeros", "small")
RULES = {
    "nobody wrote": "unwritten memory",
    "is written by unit": "race",
    "written by unit": "race",
    "is never written": "element never written",
    "leaves the": "out of bounds",
    "is read at": "out of bounds",
    "are outside": "out of bounds",
    "of an allocation": "out of bounds",
    "failed:": "assertion",
}
"""Words of a violation -> the rule, for the table."""
VIOLATION = re.compile(r"\b([a-z_]+\.[a-z_.]+|collective): (.*)")
"""The operation and the rule, behind a location where there is one."""
JUDGE_SEED = 101


@dataclass
class Court:
    """What the mutants of one snapshot have in common: data, and the results of the unbroken program.

    `false_alarms`: checks that refute the unbroken program; they are no witnesses against mutants.
    """

    snapshot: Snapshot

    def __post_init__(self) -> None:
        self.machine = load_target(self.snapshot.subject.machine)
        sound = self.snapshot.program()
        self._cases = list(self._judged(sound))
        self._validator = _validator(self.snapshot, self.machine)
        self.false_alarms = [name for name, notice in self._noticers() if notice(self.snapshot.program())]

    # ---- is it real?

    def _judged(self, sound: Program) -> Iterator[tuple[dict[str, Array], Results | str]]:
        """Inputs, and what the unbroken program makes of them."""
        subject = self.snapshot.subject
        ports = arguments_of(find_function(sound.module, "main"))
        sizes = list(subject.shapes[1:]) or [subject.shapes[0]]
        runs = [(how, sizes[i % len(sizes)]) for i, how in enumerate(KINDS_OF_DATA)]
        for number, (how, shapes) in enumerate([*runs, *(("normal", s) for s in self._unrelated())]):
            inputs = draw_inputs(subject, ports, shapes, JUDGE_SEED + number, how)
            yield inputs, outcome_of(sound, inputs, self.snapshot.mesh)

    def _unrelated(self) -> list[Mapping[str, tuple[int, ...]]]:
        """Sizes that one input has to itself, for programs that ask how sizes are related."""
        given = dict(self.snapshot.subject.shapes[0])
        return [{**given, name: tuple(n + 2 for n in shape)} for name, shape in given.items() if len(given) > 1]

    def difference(self, mutant: Program) -> str:
        """What shows that the mutant is not equivalent; empty where nothing does."""
        for inputs, wanted in self._cases:
            found = outcome_of(mutant, inputs, self.snapshot.mesh)
            if isinstance(wanted, str) and isinstance(found, str):
                continue  # both refuse these inputs
            if isinstance(found, str):
                return found
            if isinstance(wanted, str):
                return f"runs, where the program stops: {wanted}"
            if (named := _first_difference(wanted, found)) is not None:
                return f"result '{named}' differs"
        return ""

    # ---- who notices?

    def killer(self, mutant: Program) -> str:
        """The first check that notices the mutant; empty where none does. Checks that notice the unbroken program too
        do not count."""
        for name, notice in self._noticers():
            if name not in self.false_alarms and (said := _said(notice, mutant)):
                return said
        return ""

    def _noticers(self) -> Iterator[tuple[str, Callable[[Program], str]]]:
        yield "check of the pass", self._of_pass
        if not self.snapshot.rest:
            yield "checks", self._refuted
        yield "validation", self._compared
        if self.snapshot.rest:  # further passes have to run first: what is found without them is found sooner
            yield "checks", self._refuted

    def _of_pass(self, mutant: Program) -> str:
        """What every compile says of a pass that leaves the mutant."""
        snapshot = self.snapshot
        findings = check_pass(snapshot.one, snapshot.history[-1][2], mutant.module, self.machine)
        bad = next((f for f in findings if f.verdict is Verdict.REFUTED), None)
        return f"proof: {bad.obligation}" if bad else ""

    def _refuted(self, mutant: Program) -> str:
        """What a compile says that goes on with the mutant to the end of the level."""
        final = Program(clone_module(mutant.module), copy.deepcopy(mutant.parameters))
        for one in self.snapshot.rest:
            try:
                parse(one).apply(final, PassContext(self.machine))
                final.module.operation.verify()
            except Exception:  # the driver ends the compile whatever a pass raises, with a reproducer
                return f"pass: {parse(one).name}"
        findings = check_level(self.snapshot.level, final.module, self.machine)
        bad = next((f for f in findings if f.verdict is Verdict.REFUTED), None)
        return f"proof: {_obligation(bad)}" if bad else ""

    def _compared(self, mutant: Program) -> str:
        """What `verify=full` says of a pass that leaves the mutant."""
        text = to_text(mutant.module)
        try:
            findings = _fork(self._validator).after_pass(self.snapshot.level, self.snapshot.one, mutant, text)
        except StratagemError as problem:
            return f"run: {_reason(problem)}"
        bad = next((f for f in findings if f.verdict is Verdict.REFUTED), None)
        if bad is None:
            return ""
        broken = VIOLATION.search(bad.detail)
        return f"run: {_rule(broken[1], broken[2])}" if broken else bad.obligation


def _validator(snapshot: Snapshot, machine: Any) -> PassValidator:
    """As it is before the pass; passes that make no parameters are left out, for they leave no trace in it."""
    with knobs.scope(verify_seconds=10**6):
        validator = PassValidator(machine.mesh)
    # Where normal forms differ nothing is refuted: this oracle takes long and notices nothing that others do not.
    validator._comparisons = [one for one in validator._comparisons if not isinstance(one.oracle, SymbolicOracle)]
    first, *later = [Program(parse_module(text), store) for _, _, text, store in snapshot.history]
    validator.start(first, snapshot.history[0][2])
    stores = [*(store for _, _, _, store in snapshot.history), snapshot.parameters]
    for number, (program, (level, one, text, store)) in enumerate(zip(later, snapshot.history[1:], strict=True), 1):
        if store.keys() != stores[number - 1].keys() or store.keys() != stores[number + 1].keys():
            validator.after_pass(level, one, program, text)
    return validator


def _fork(validator: PassValidator) -> PassValidator:
    """A validator in the same state, for one mutant: what it learns of that one is forgotten."""
    made = copy.copy(validator)
    made._comparisons = [
        replace(one, data=replace(one.data, values=dict(one.data.values)) if one.data else None)
        for one in validator._comparisons
    ]
    return made


def _said(notice: Callable[[Program], str], mutant: Program) -> str:
    """What a check says. One that fails with a Python exception says nothing that a user could read: not noticed."""
    try:
        return notice(mutant)
    except Exception as problem:  # the mutant survives with its diff, unless another check notices it
        traceback.print_exception(problem, limit=-2)
        return ""


def _obligation(finding: Finding) -> str:
    return finding.obligation if finding.obligation != "level contract" else f"contract of level {finding.level}"


def outcome_of(program: Program, inputs: Mapping[str, Array], mesh: Mesh | None) -> Results | str:
    """Results in float64 of every rank, by name, or what stopped the run."""
    names = [port.name for port in results_of(find_function(program.module, "main"))]
    try:
        if mesh is None:
            return [dict(zip(names, reference(program, inputs), strict=True))]
        ranks = run_spmd(program, [inputs] * int(np.prod([size for _, size in mesh])), mesh)
        return [{name: np.asarray(v[0]) for name, v in zip(names, values, strict=True)} for values in ranks]
    except StratagemError as problem:
        return _reason(problem)
    except Exception as problem:  # a fault of the interpreter: no reference semantics says what the mutant means
        return f"crash: {type(problem).__name__}: {problem}"


def _reason(problem: StratagemError) -> str:
    if isinstance(problem, Violation):
        return _rule(problem.operation, problem.problem)
    return type(problem).__name__


def _rule(operation: str, problem: str) -> str:
    """The broken rule without names and numbers, so that a table has few rows."""
    return next((rule for words, rule in RULES.items() if words in problem), f"rule of {operation}")


def _first_difference(wanted: Results, found: Results) -> str | None:
    for one, two in zip(wanted, found, strict=True):
        for name, value in one.items():
            if name not in two or _differs(value, two[name]):
                return name
    return None


def _differs(wanted: Any, found: Any) -> bool:
    if wanted.shape != found.shape or wanted.dtype != found.dtype:
        return True
    if wanted.dtype.kind != "f":
        return not np.array_equal(wanted, found)
    scale = np.abs(wanted[np.isfinite(wanted)]).max(initial=0.0)
    return not np.allclose(wanted, found, rtol=1e-9, atol=1e-12 * scale, equal_nan=True)
