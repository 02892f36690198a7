"""Runs of an artifact's code: each kernel alone, the whole, and the whole under conditions that must not matter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch_mlir import ir

from stratagem.api.session import open_session
from stratagem.compiler import knobs
from stratagem.compiler.checks.verdicts import WITHIN_BOUND, Finding, Verdict
from stratagem.compiler.interpreter.api import (
    CallCheck,
    Violation,
    bound_per_call,
    bound_per_call_on_ranks,
    compare,
    reference_with_bound,
)
from stratagem.compiler.interpreter.per_call import Execute
from stratagem.compiler.interpreter.spmd import Mesh
from stratagem.compiler.ir import find_function
from stratagem.compiler.program import Program
from stratagem.runtime.bindings import load_runtime
from stratagem.runtime.container import Container
from stratagem.runtime.errors import VerificationError
from stratagem.runtime.executable import Executable, load_executable
from stratagem.runtime.signature import Signature

Array = np.ndarray[Any, Any]
Tell = Callable[[str, str], None]
OUTCOMES = {
    "within bound": Verdict.TESTED,
    "not checked": Verdict.NOT_CHECKED,
    "outside bound": Verdict.REFUTED,
}
NANS, ZEROS = 0xFF, 0x00
"""Bytes for scratch memory: not-a-number in every float type and -1 in every integer type; and zeros."""


@dataclass(frozen=True)
class CodeChecks:
    """Runs of one artifact. `programs`: its levels, with its parameters. `mesh`: the axes that its ranks form."""

    container: Container
    programs: Mapping[str, Program]
    mesh: Mesh
    tell: Tell

    def findings(self, inputs: Mapping[str, Array]) -> list[Finding]:
        """The code's results against the float64 reference: each kernel for itself, then the whole program.

        The tolerance is the rounding bound derived from the IR. For deep programs the bound of the whole says nothing
        any more; that counts as not checked, and the kernels' own bounds are what is left.
        """
        signature = Signature.from_json(self.container.manifest["signature"])
        arrays = signature.bind(inputs)
        named = {spec.name: a for spec, a in zip(signature.inputs, arrays, strict=True)}
        try:
            return [*self._kernels(named), *self._conditions(arrays), *self._whole(named, signature)]
        except Violation as broken:
            why = f"the program does not take these inputs ({broken}): give others (--size, --inputs)"
            return [Finding("code", "main", "reference run", Verdict.NOT_CHECKED, why)]

    @property
    def _ranks(self) -> int:
        return int(self.container.manifest["ranks"])

    def _kernels(self, named: Mapping[str, Array]) -> list[Finding]:
        obligation = "only destinations are written"
        try:
            checks = self._kernel_checks(named)
        except Violation:
            raise
        except VerificationError as error:
            return [Finding("code", "kernels", obligation, Verdict.REFUTED, error.problem)]
        return [Finding("code", "kernels", obligation, Verdict.TESTED), *_worst_of_each(checks)]

    def _kernel_checks(self, named: Mapping[str, Array]) -> list[CallCheck]:
        program = self.programs["device"]
        execute = [self._execute(load_executable(self.container, rank)) for rank in range(self._ranks)]
        if self._ranks == 1:
            return bound_per_call(program, named, execute=execute[0])[1]
        return bound_per_call_on_ranks(program, named, self.mesh, execute)

    def _execute(self, executable: Executable) -> Execute:
        """Runs one kernel of a loaded program."""
        module = self.programs["device"].module

        def execute(name: str, arguments: Sequence[Array]) -> list[Array]:
            self.tell("kernels", name)
            kind = ir.FunctionType(ir.TypeAttr(find_function(module, name).attributes["function_type"]).value)
            scalars = {i for i, t in enumerate(kind.inputs) if not isinstance(t, ir.RankedTensorType)}
            return executable.run_kernel(name, arguments, len(kind.results), scalars)

        return execute

    def _conditions(self, arrays: Sequence[Array]) -> list[Finding]:
        if self._ranks > 1:
            return []
        self.tell("conditions", "other scratch contents, one thread")
        return changed_conditions(load_executable(self.container), arrays, knobs.current().threads)

    def _whole(self, named: Mapping[str, Array], signature: Signature) -> list[Finding]:
        self.tell("whole", "code and reference")
        results = open_session(self.container.path).run(named)
        bounded = reference_with_bound(self.programs["tensor"], named)
        findings = []
        for spec, result, (value, bound) in zip(signature.outputs, results, bounded, strict=True):
            verdict = compare(result, value, bound)
            obligation = f"output {spec.name} within the derived bound"
            findings.append(Finding("code", "main", obligation, OUTCOMES[verdict.outcome], verdict.detail))
        return findings


def _worst_of_each(checks: Sequence[Any]) -> list[Finding]:
    """The worst verdict of each kernel over its calls and results."""
    worst: dict[str, Finding] = {}
    for check in checks:
        for verdict in check.verdicts:
            found = Finding(
                "code",
                check.kernel,
                WITHIN_BOUND,
                OUTCOMES[verdict.outcome],
                "" if verdict.outcome == "within bound" else verdict.detail,
                check.location,
            )
            if check.kernel not in worst or _rank(found) > _rank(worst[check.kernel]):
                worst[check.kernel] = found
    return list(worst.values())


def _rank(finding: Finding) -> int:
    return list(Verdict).index(finding.verdict)


def changed_conditions(executable: Executable, inputs: Sequence[Array], threads: int) -> list[Finding]:
    """Runs the program three times and compares the results to the bit.

    Scratch memory first holds not-a-numbers, then zeros; the second run is like the first, the third has one thread
    instead of `threads` (0: one per processor). Memory before and behind the arena is watched.
    """
    try:
        first = executable.run_with_scratch(inputs, NANS)
        again = executable.run_with_scratch(inputs, NANS)
        with _threads(1, threads):
            other = executable.run_with_scratch(inputs, ZEROS)
    except VerificationError as error:
        return [Finding("code", "main", "nothing written outside the arena", Verdict.REFUTED, error.problem)]
    return [
        Finding("code", "main", "nothing written outside the arena", Verdict.TESTED),
        _same("same results in a second run", first, again),
        _same("same results with other scratch contents and one thread", first, other),
    ]


@contextmanager
def _threads(few: int, usual: int) -> Iterator[None]:
    runtime = load_runtime()
    runtime.set_threads(few)
    try:
        yield
    finally:
        runtime.set_threads(usual)


def _same(obligation: str, first: Sequence[Array], second: Sequence[Array]) -> Finding:
    for number, (a, b) in enumerate(zip(first, second, strict=True)):
        if a.shape != b.shape or a.tobytes() != b.tobytes():
            where = _first_difference(a, b)
            return Finding("code", "main", obligation, Verdict.REFUTED, f"result {number} differs{where}")
    return Finding("code", "main", obligation, Verdict.TESTED)


def _first_difference(a: Array, b: Array) -> str:
    if a.shape != b.shape:
        return f": shapes {list(a.shape)} and {list(b.shape)}"
    unequal = (np.ravel(a).view(np.uint8) != np.ravel(b).view(np.uint8)).reshape(a.size, -1).any(axis=1)
    where = np.unravel_index(int(np.argmax(unequal)), a.shape)
    return f" in {int(unequal.sum())} of {a.size} elements, first {[int(i) for i in where]}: {a[where]} and {b[where]}"
