"""Verification of an artifact: its proofs derived again from the IR it carries, its code run against the reference."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stratagem.api.code_checks import CodeChecks
from stratagem.api.random_inputs import random_arrays
from stratagem.compiler import knobs
from stratagem.compiler.artifact import level_text, machine_of
from stratagem.compiler.checks.assurance import assurance_of
from stratagem.compiler.checks.pass_validation import PassValidator
from stratagem.compiler.checks.verdicts import AssuranceReport, Finding, Verdict
from stratagem.compiler.ir import parse_module, to_text
from stratagem.compiler.program import Program
from stratagem.runtime.container import Container
from stratagem.runtime.errors import ArtifactError
from stratagem.runtime.parameters import ParameterStore
from stratagem.runtime.signature import Signature

Array = np.ndarray[Any, Any]
Progress = Callable[[str, str], None]


class Verification:
    """The checks of one artifact."""

    def __init__(
        self,
        container: Container,
        machine: Any,
        progress: Progress | None = None,
        owned: Any = None,
        compiled: AssuranceReport | None = None,
    ) -> None:
        """`progress` is called with (stage, what). `owned`: a temporary folder that lives as long as this. `compiled`:
        the report of the compile that made the artifact just now."""
        self._container, self._machine, self._owned, self._compiled = container, machine, owned, compiled
        self._tell = progress or (lambda stage, what: None)
        self.signature = Signature.from_json(container.manifest["signature"])
        modules = {level: parse_module(level_text(container, level)) for level in container.manifest["levels"]}
        member = container.members["params.safetensors"]
        store = ParameterStore.load(container.path, member.offset, member.size)
        self._programs = {level: Program(module, store) for level, module in modules.items()}

    def report(self) -> AssuranceReport:
        """Every proof, from the IR alone; what the compile itself found where it has just been."""
        if self._compiled is not None:
            return AssuranceReport(list(self._compiled.findings))
        return assurance_of({level: p.module for level, p in self._programs.items()}, self._machine, self._tell)

    def level_findings(self) -> list[Finding]:
        """Every level compared with the tensor level in every number domain."""
        levels = iter(self._programs.items())
        validator = PassValidator(self._machine.mesh)
        level, program = next(levels)
        self._tell("levels", f"reference runs of level {level}")
        findings = validator.start(program, to_text(program.module))
        for level, program in levels:
            self._tell("levels", f"level {level}")
            findings += validator.after_pass(level, "main", program, to_text(program.module))
        return findings

    def run_findings(self, inputs: Mapping[str, Array]) -> list[Finding]:
        """The code run on these inputs (`code_checks.py`); nothing where there is none."""
        if self._container.manifest["code"] is None:
            return []
        return CodeChecks(self._container, self._programs, self._machine.mesh, self._tell).findings(inputs)


def open_verification(
    subject: Path, target: str, progress: Progress | None = None, until: str | None = None, full: bool = False
) -> Verification:
    """Opens an artifact, or compiles a model for `target` first, to level `until` or to code; `full`: with every pass
    compared.

    Raises ArtifactError, ModelError, HardwareError.
    """
    from stratagem.api.compiling import compile

    if subject.suffix == ".sgm":
        container = Container(subject)
        return Verification(container, machine_of(container), progress)
    with knobs.scope(verify="full" if full else "fast"):
        compiled = compile(subject, target=target, progress=progress, until=until, run_checks=False)
    return verification_of(compiled, progress)


def verification_of(compiled: Any, progress: Progress | None = None) -> Verification:
    """The verification of a CompiledModel, from an artifact in a temporary folder."""
    folder = tempfile.TemporaryDirectory(prefix="stratagem-verify-")
    path = compiled.save(Path(folder.name) / "model.sgm")
    return Verification(Container(path), compiled.compilation.machine, progress, folder, compiled.report)


def check_code(compiled: Any, progress: Progress | None = None) -> list[Finding]:
    """Runs a compiled model on random inputs, where this machine can."""
    inputs = random_arrays(compiled.signature)
    try:
        return verification_of(compiled, progress).run_findings(inputs)
    except ArtifactError as error:
        return [Finding("code", "main", "reference run", Verdict.NOT_CHECKED, error.problem)]
