"""One compile, from a tensor-level program to code, with every level's IR kept."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stratagem.compiler import knobs
from stratagem.compiler.checks.assurance import check_level, check_pass, refuse_refuted
from stratagem.compiler.checks.verdicts import AssuranceReport, Finding, Verdict
from stratagem.compiler.codegen import Code, generate_code
from stratagem.compiler.driver import AfterPass, PassRecord, StageRunner
from stratagem.compiler.passes.base import PassContext
from stratagem.compiler.pipeline import stage_names, with_options
from stratagem.compiler.program import Program
from stratagem.compiler.schedule.describe import describe_text
from stratagem.compiler.signatures import signature_of
from stratagem.runtime.errors import UsageError
from stratagem.runtime.parameters import ParameterStore
from stratagem.runtime.signature import Signature

if TYPE_CHECKING:
    from stratagem.hwmodels import System

Progress = Callable[[str, str], None]


@dataclass
class Compilation:
    """Everything one compile produced.

    `code` is None when the compile stopped at an earlier level (`until`). `reused`: read back from the compile cache;
    records and seconds are then of the compile that made it.
    """

    machine: System
    levels: dict[str, str]
    signature: Signature
    parameters: ParameterStore
    until: str
    code: Code | None = None
    records: list[PassRecord] = field(default_factory=list)
    seconds: float = 0.0
    report: AssuranceReport = field(default_factory=AssuranceReport)
    reused: bool = False

    @property
    def ranks(self) -> int:
        """How many ranks run the program together."""
        total = 1
        for _, size in self.machine.mesh:
            total *= size
        return total


def compile_program(
    program: Program,
    machine: System,
    until: str | None = None,
    progress: Progress | None = None,
    strategy: str = "auto",
    tune: int = 0,
) -> Compilation:
    """Takes a tensor-level program down to code, or to level `until`.

    `strategy` says how a system with several ranks shares the program: `auto`, `tensor` or `batch`. `tune`: seconds
    for measuring other tiles than the cost model's.

    Raises:
        UsageError: `until` is not a level.
        UnsupportedError: the program breaks the tensor contract.
        PassError, HardwareError, VerificationError: a stage failed; a reproducer was written.
    """
    levels = [*stage_names(), "code"]
    until = until or knobs.current().stop or None
    if until is not None and until not in levels:
        raise UsageError(f"there is no level '{until}'", hint=f"levels: {', '.join(levels)}")
    started = time.perf_counter()
    signature = signature_of(program.module)
    report = AssuranceReport()
    named: set[str] = set()
    check = _after_stage(machine, report)

    def finish_stage(stage: str, now: Program) -> None:
        named.update(spec.name for spec in signature_of(now.module).parameters)
        if progress:
            progress(stage, "checks")
        check(stage, now)

    after_pass = _after_pass(program, machine, report, progress)
    context = PassContext(machine, _teller(progress))
    runner = StageRunner(context, progress, after_stage=finish_stage, after_pass=after_pass)
    runner.run(program, with_options(strategy, tune), until)
    # A level may compute parameters anew or in another layout; every level that is kept stays runnable.
    program.parameters.keep_only(named)
    last = list(runner.levels)[-1]
    code = None
    if until in (None, "code") and last == stage_names()[-1]:
        code = generate_code(program, machine, progress)
        last = "code"
    signature = Signature(signature.inputs, signature.outputs, signature_of(program.module).parameters)
    return Compilation(
        machine,
        runner.levels,
        signature,
        program.parameters,
        last,
        code,
        runner.records,
        time.perf_counter() - started,
        report,
    )


def _teller(progress: Progress | None) -> Callable[[str], None]:
    """What passes say of themselves; those that do work long enough are at the `device` stage."""
    return (lambda what: progress("device", what)) if progress else (lambda what: None)


def _after_pass(
    program: Program, machine: System, report: AssuranceReport, progress: Progress | None
) -> AfterPass | None:
    """Checks each pass, as far as knob `verify` asks for it; a refuted obligation ends the compile."""
    verify = knobs.current().verify
    if verify == "off":
        return None
    compare = _comparison(program, machine, report, progress) if verify == "full" else None

    def check(stage: str, name: str, before: str, now: Program) -> None:
        findings = check_pass(name, before, now.module, machine)
        if compare is not None and not any(f.verdict is Verdict.REFUTED for f in findings):
            findings += compare(stage, name, now)
        report.add(*findings)
        refuse_refuted(findings)

    return check


def _comparison(
    program: Program, machine: System, report: AssuranceReport, progress: Progress | None
) -> Callable[[str, str, Program], list[Finding]]:
    """Compares the program after each pass with what it is now."""
    from stratagem.compiler.checks.pass_validation import PassValidator
    from stratagem.compiler.ir import to_text

    validator = PassValidator(machine.mesh)
    if progress:
        progress("tensor", "reference runs")
    report.add(*validator.start(program, to_text(program.module)))

    def compare(stage: str, name: str, now: Program) -> list[Finding]:
        if progress:
            progress(stage, f"compare after {name}")
        return validator.after_pass(stage, name, now, to_text(now.module))

    return compare


def _after_stage(machine: System, report: AssuranceReport) -> Callable[[str, Program], None]:
    """Checks each level when its stage is done, unless knob `verify` is off; a refuted obligation ends the compile."""

    def check(stage: str, program: Program) -> None:
        if stage == "device" and knobs.current().debug >= 2:
            print(describe_text(program.module), file=sys.stderr)
        if knobs.current().verify == "off":
            return
        findings = check_level(stage, program.module, machine)
        report.add(*findings)
        refuse_refuted(findings)

    return check
