"""Verification of an artifact: its proofs derived again from the IR it carries, its code run against the reference."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch_mlir import ir

from stratagem.api.session import open_session
from stratagem.compiler.artifact import level_text, machine_of
from stratagem.compiler.checks.assurance import assurance_of
from stratagem.compiler.checks.verdicts import AssuranceReport, Finding, Verdict
from stratagem.compiler.interpreter.api import Violation, bound_per_call, compare, reference_with_bound
from stratagem.compiler.ir import find_function, parse_module
from stratagem.compiler.program import Program
from stratagem.runtime.container import Container
from stratagem.runtime.executable import load_executable
from stratagem.runtime.parameters import ParameterStore
from stratagem.runtime.signature import Signature

Array = np.ndarray[Any, Any]
Progress = Callable[[str, str], None]
OUTCOMES = {
    "within bound": Verdict.TESTED,
    "not checked": Verdict.NOT_CHECKED,
    "outside bound": Verdict.REFUTED,
}


class Verification:
    """The checks of one artifact."""

    def __init__(self, container: Container, machine: Any, owned: Any = None, progress: Progress | None = None) -> None:
        """`owned`: a temporary folder that lives as long as this. `progress` is called with (stage, what)."""
        self._container, self._machine, self._owned = container, machine, owned
        self._tell = progress or (lambda stage, what: None)
        self.signature = Signature.from_json(container.manifest["signature"])
        self._modules = {level: parse_module(level_text(container, level)) for level in container.manifest["levels"]}

    def report(self) -> AssuranceReport:
        """Every proof, from the IR alone."""
        return assurance_of(self._modules, self._machine, self._tell)

    def run_findings(self, inputs: Mapping[str, Array]) -> list[Finding]:
        """The code's results against the float64 reference: each kernel for itself, then the whole program.

        The tolerance is the rounding bound derived from the IR. For deep programs the bound of the whole says nothing
        any more; that counts as not checked, and the kernels' own bounds are what is left.
        """
        if self._container.manifest["code"] is None:
            return []
        arrays = self.signature.bind(inputs)
        named = {spec.name: a for spec, a in zip(self.signature.inputs, arrays, strict=True)}
        member = self._container.members["params.safetensors"]
        store = ParameterStore.load(self._container.path, member.offset, member.size)
        try:
            return [*self._kernels(named, store), *self._whole(named, store)]
        except Violation as broken:
            why = f"the program does not take these inputs ({broken}): give others (--size, --inputs)"
            return [Finding("code", "main", "reference run", Verdict.NOT_CHECKED, why)]

    @property
    def _ranks(self) -> int:
        return int(self._container.manifest["ranks"])

    def _kernels(self, named: dict[str, Array], store: ParameterStore) -> list[Finding]:
        if self._ranks > 1:
            why = "kernels of a program cut over ranks are run together with the others only"
            return [Finding("code", "kernels", "results within the derived bound", Verdict.NOT_CHECKED, why)]
        executable, module = load_executable(self._container), self._modules["device"]

        def execute(name: str, arguments: Sequence[Array]) -> list[Array]:
            self._tell("kernels", name)
            kind = ir.FunctionType(ir.TypeAttr(find_function(module, name).attributes["function_type"]).value)
            scalars = {i for i, t in enumerate(kind.inputs) if not isinstance(t, ir.RankedTensorType)}
            return executable.run_kernel(name, arguments, scalars)[len(arguments) - len(kind.results) :]

        _, checks = bound_per_call(Program(module, store), named, execute=execute)
        worst: dict[str, Finding] = {}
        for check in checks:
            for verdict in check.verdicts:
                found = Finding(
                    "code",
                    check.kernel,
                    "results within the derived bound",
                    OUTCOMES[verdict.outcome],
                    "" if verdict.outcome == "within bound" else verdict.detail,
                    check.location,
                )
                if check.kernel not in worst or _rank(found) > _rank(worst[check.kernel]):
                    worst[check.kernel] = found
        return list(worst.values())

    def _whole(self, named: dict[str, Array], store: ParameterStore) -> list[Finding]:
        self._tell("whole", "code and reference")
        results = open_session(self._container.path).run(named)
        bounded = reference_with_bound(Program(self._modules["tensor"], store), named)
        findings = []
        for spec, result, (value, bound) in zip(self.signature.outputs, results, bounded, strict=True):
            verdict = compare(result, value, bound)
            outcome = OUTCOMES[verdict.outcome]
            findings.append(
                Finding("code", "main", f"output {spec.name} within the derived bound", outcome, verdict.detail)
            )
        return findings


def _rank(finding: Finding) -> int:
    return list(Verdict).index(finding.verdict)


def open_verification(
    subject: Path, target: str, progress: Progress | None = None, until: str | None = None
) -> Verification:
    """Opens an artifact, or compiles a model for `target` first, to level `until` or to code.

    Raises ArtifactError, ModelError, HardwareError.
    """
    from stratagem.api.compiling import compile

    if subject.suffix == ".sgm":
        container = Container(subject)
        return Verification(container, machine_of(container), progress=progress)
    compiled = compile(subject, target=target, progress=progress, until=until)
    folder = tempfile.TemporaryDirectory(prefix="stratagem-verify-")
    path = compiled.save(Path(folder.name) / "model.sgm")
    return Verification(Container(path), compiled.compilation.machine, folder, progress)
