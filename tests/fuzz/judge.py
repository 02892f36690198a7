"""Takes one case down the whole ladder and compares every level, and the code, with the reference interpreter."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stratagem.api.compiling import CompiledModel, compile
from stratagem.api.session import open_session
from stratagem.api.verifying import Verification
from stratagem.compiler.checks.verdicts import Verdict
from stratagem.compiler.interpreter.api import (
    Bounded,
    Violation,
    compare,
    equal_in_field,
    reference,
    reference_with_bound,
    run_spmd,
)
from stratagem.compiler.interpreter.signature import Port, arguments_of, results_of
from stratagem.compiler.interpreter.spmd import Mesh
from stratagem.compiler.ir import find_function, parse_module
from stratagem.compiler.program import Program
from stratagem.runtime.container import Container
from stratagem.runtime.errors import HardwareError, StratagemError, UnsupportedError
from stratagem.runtime.parameters import ParameterStore
from tests.fuzz.case import Array, Case

PASSED, REFUSED, UNDEFINED, FAILED = "passed", "refused", "undefined", "failed"


@dataclass
class Outcome:
    """`kind` of a failure stays the same while a program shrinks; `counts` says what was compared."""

    status: str
    kind: str = ""
    detail: str = ""
    counts: Counter[str] = field(default_factory=Counter)


class Failure(Exception):
    """The compiler is wrong: `kind` says in what, `detail` shows the numbers."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind, self.detail = kind, detail


class Subject:
    """A case with its module parsed, its parameters drawn, and the reference of every run."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.module = parse_module(case.text)
        self.ports = arguments_of(find_function(self.module, "main"))
        self.parameters = {p.name: case.data(p, 0) for p in self.ports if p.is_parameter}
        self.inputs = [{p.name: case.data(p, run) for p in self._inputs} for run in range(len(case.runs))]

    @property
    def _inputs(self) -> list[Port]:
        return [p for p in self.ports if not p.is_parameter]

    def program(self) -> Program:
        """The program, with a store of its own: compiling changes both."""
        return Program(parse_module(self.case.text), ParameterStore(self.parameters))

    def integers(self, run: int) -> dict[str, Array]:
        """Data that also the exact field takes as it is."""
        given = {**self.inputs[run], **self.parameters}
        return {name: array for name, array in given.items() if array.dtype.kind in "iub"}


def judge(case: Case) -> Outcome:
    """The outcome of one case. Errors that no refusal explains are failures, whatever raised them."""
    counts: Counter[str] = Counter()
    try:
        return _judge(case, counts)
    except Failure as failure:
        return Outcome(FAILED, failure.kind, failure.detail, counts)
    except StratagemError as error:
        return Outcome(FAILED, f"{type(error).__name__} while running", str(error), counts)
    except Exception as error:
        return Outcome(FAILED, f"{type(error).__name__} while judging", repr(error), counts)


def _judge(case: Case, counts: Counter[str]) -> Outcome:
    subject = Subject(case)
    try:
        wanted = [reference_with_bound(subject.program(), inputs) for inputs in subject.inputs]
    except Violation as broken:
        return Outcome(UNDEFINED, "", str(broken), counts)
    try:
        compiled = compile(subject.program(), target=case.machine())
    except (UnsupportedError, HardwareError) as refusal:
        return Outcome(REFUSED, type(refusal).__name__, refusal.problem, counts)
    except StratagemError as error:
        raise Failure(f"compile: {type(error).__name__}{_pass_of(error)}", str(error)) from None
    _check_levels(subject, compiled, wanted, counts)
    with tempfile.TemporaryDirectory(prefix="stratagem-fuzz-") as folder:
        path = compiled.save(Path(folder) / "model.sgm")
        _check_code(subject, path, compiled, wanted, counts)
        _check_verification(subject, path, compiled, counts)
    return Outcome(PASSED, counts=counts)


def _pass_of(error: StratagemError) -> str:
    """Which pass failed: part of what makes two failures alike."""
    words = error.problem.split("'")
    return f" in {words[1]}" if error.problem.startswith("pass '") and len(words) > 2 else ""


def _check_levels(
    subject: Subject, compiled: CompiledModel, wanted: Sequence[Sequence[Bounded]], counts: Counter[str]
) -> None:
    """Every level is the same function as the program: exactly in the field, or, where numbers were folded or an
    identity of real functions was used that the field does not know, in float64 within the program's own bound.
    """
    for run in {0, len(subject.inputs) - 1}:
        shapes, values = subject.case.runs[run], subject.integers(run)
        for level in compiled.levels:
            found = Program(parse_module(compiled.ir(level)), compiled.compilation.parameters)
            mesh = compiled.compilation.machine.mesh
            several = mesh if compiled.compilation.ranks > 1 and level != "tensor" else None
            counts["levels"] += 1
            try:
                different = equal_in_field(subject.program(), found, shapes=shapes, values=values, mesh=several)
                if different is None:
                    continue
                results = _in_float64(found, subject.inputs[run], several)
            except Violation as broken:
                raise Failure(f"level {level}: violation", f"run {run}: {broken}") from None
            counts["levels in float64 only"] += 1
            for result, bounded in zip(results, wanted[run], strict=True):
                if _is_wrong(result, bounded).any() or compare(result, *bounded).outcome == "outside bound":
                    raise Failure(f"level {level}: different", f"run {run}: {different}")


def _in_float64(program: Program, inputs: dict[str, Array], mesh: Mesh | None) -> list[Array]:
    """The results of a level, on the first rank where there are several."""
    if mesh is None:
        return reference(program, inputs)
    ranks = math.prod(size for _, size in mesh)
    ports = results_of(find_function(program.module, "main"))
    return [port.outside(v) for port, v in zip(ports, run_spmd(program, [inputs] * ranks, mesh)[0], strict=True)]


def _check_code(
    subject: Subject, path: Path, compiled: CompiledModel, wanted: Sequence[Sequence[Bounded]], counts: Counter[str]
) -> None:
    """The code's results, twice: within the bound, the same both times, and inputs as they were."""
    session = open_session(path)
    for run, inputs in enumerate(subject.inputs):
        given = {name: array.copy() for name, array in inputs.items()}
        results, again = ([np.array(r) for r in session.run(given)] for _ in range(2))
        for name, array in inputs.items():
            if not _same_bits(array, given[name]):
                raise Failure("code: input written", f"run {run}: input {name}")
        for spec, result, other, bounded in zip(compiled.signature.outputs, results, again, wanted[run], strict=True):
            where = f"run {run}: output {spec.name}"
            if result.dtype != spec.numpy_dtype or result.shape != bounded.value.shape:
                raise Failure("code: type", f"{where} is {result.dtype}{list(result.shape)}, not {bounded.value.shape}")
            if not _same_bits(result, other):
                raise Failure("code: not deterministic", where)
            _check_result(result, bounded, where, counts)


def _same_bits(a: Array, b: Array) -> bool:
    return a.tobytes() == b.tobytes()


def _check_result(result: Array, bounded: Bounded, where: str, counts: Counter[str]) -> None:
    wrong = _is_wrong(result, bounded)
    if wrong.any():
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        numbers = f"{result[first]} instead of {bounded.value[first]}"
        raise Failure("code: wrong", f"{where}: {int(wrong.sum())} of {wrong.size}, first {list(first)}: {numbers}")
    verdict = compare(result, *bounded)
    if verdict.outcome == "outside bound":
        raise Failure("code: wrong", f"{where}: {verdict}")
    counts["outputs"] += 1
    counts["outputs not checked"] += verdict.outcome == "not checked"


def _is_wrong(result: Array, bounded: Bounded) -> Array:
    """Integers that rounding does not excuse: as integers, since f64 does not hold all of 64 bits."""
    if result.dtype.kind not in "iub":
        return np.zeros(result.shape, np.bool_)
    return np.asarray((result != bounded.value) & ~np.isinf(bounded.bound))


def _check_verification(subject: Subject, path: Path, compiled: CompiledModel, counts: Counter[str]) -> None:
    """What `stratagem verify` says: proofs derived again from the artifact, kernels against their own bounds."""
    verification = Verification(Container(path), compiled.compilation.machine)
    findings = list(verification.report().findings)
    for inputs in subject.inputs[:1]:
        findings += verification.run_findings(inputs)
    for finding in findings:
        counts[f"findings {finding.verdict.value}"] += 1
        if finding.verdict is Verdict.REFUTED:
            raise Failure(f"verify: {finding.obligation}", str(finding))
