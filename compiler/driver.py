"""Runs stages of passes over a program, with one hook between passes: verify, dump, time, stop, override.

A failed pass leaves a reproducer: the IR before it, the hardware, and the one command that replays it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch_mlir import ir

from stratagem.compiler import knobs
from stratagem.compiler.ir import parse_module, to_text
from stratagem.compiler.passes.base import Pass, PassContext
from stratagem.compiler.passes.registry import parse
from stratagem.compiler.pipeline import Stage
from stratagem.compiler.program import Program
from stratagem.hwmodels.dump import dump
from stratagem.runtime.errors import PassError, ResourceError, StratagemError, VerificationError

Progress = Callable[[str, str], None]
AfterPass = Callable[[str, str, str, Program], None]
"""(stage, pass, the program before it as text, and after it); raises VerificationError where the pass did wrong."""


@dataclass
class PassRecord:
    """One executed pass, for `--time-passes`, `explain` and progress bars."""

    stage: str
    name: str
    seconds: float


@dataclass
class StageRunner:
    """Runs stages in order and keeps each stage's IR.

    `levels` maps a stage name to the text of the program after it.
    """

    context: PassContext
    progress: Progress | None = None
    after_stage: Callable[[str, Program], None] | None = None
    after_pass: AfterPass | None = None
    records: list[PassRecord] = field(default_factory=list)
    levels: dict[str, str] = field(default_factory=dict)

    def run(self, program: Program, stages: Iterable[Stage], until: str | None = None) -> Program:
        """Applies each stage's passes; stops after stage `until`."""
        for stage, passes in stages:
            for text in passes:
                self._run_pass(program, stage, parse(text))
            self._finish_stage(stage, program)
            if stage == until:
                break
        return program

    def _run_pass(self, program: Program, stage: str, one: Pass) -> None:
        if self.progress:
            self.progress(stage, one.name)
        before = to_text(program.module)
        started = time.perf_counter()
        try:
            one.apply(program, self.context)
            _verify(program, one)
            seconds = time.perf_counter() - started
            if self.after_pass:
                self.after_pass(stage, one.name, before, program)
        except (PassError, VerificationError) as error:
            raise self._with_reproducer(error, stage, one, before) from None
        except StratagemError:
            raise
        except Exception as error:
            wrapped = PassError(f"{type(error).__name__}: {error}")
            raise self._with_reproducer(wrapped, stage, one, before) from error
        self.records.append(PassRecord(stage, one.name, seconds))
        self._dump(program, stage, one)

    def _finish_stage(self, stage: str, program: Program) -> None:
        override = knobs.current().override
        if override and (edited := Path(override) / f"{stage}.mlir").exists():
            program.module = _read_override(edited, program.module.context)
        self.levels[stage] = to_text(program.module)
        if knobs.current().debug >= 3:
            print(f"// ---- after {stage}\n{program.module}", file=sys.stderr)
        if self.after_stage:
            self.after_stage(stage, program)

    def _dump(self, program: Program, stage: str, one: Pass) -> None:
        settings = knobs.current()
        if settings.debug >= 4:
            print(f"// ---- after {stage}/{one}\n{program.module}", file=sys.stderr)
        elif settings.debug >= 1:
            print(f"{stage:10s} {one.name:40s} {self.records[-1].seconds * 1e3:8.1f} ms", file=sys.stderr)
        if settings.dump:
            path = Path(settings.dump) / f"{len(self.records):02d}-{stage}-{one.name}.mlir"
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(to_text(program.module))
            except OSError as error:
                problem = f"cannot write {path}: {error.strerror}"
                raise ResourceError(problem, hint="STRATAGEM_DUMP names the folder for dumps") from None

    def _with_reproducer(self, error: StratagemError, stage: str, one: Pass, before: str) -> StratagemError:
        """Writes the IR before the pass and the hardware, and says how to replay it.

        A full disk must not hide the first error.
        """
        path = Path(knobs.current().reproducers) / f"{stage}-{one.name}.mlir"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(before)
            replay = f"replay with: stratagem opt {path} --passes '{one}'{self._target_option(path)}"
        except OSError as problem:
            replay = f"no reproducer was written to {path}: {problem.strerror}"
        kind = VerificationError if isinstance(error, VerificationError) else PassError
        return kind(f"pass '{one}' of stage '{stage}' failed: {error.problem}", hint=replay, location=error.location)

    def _target_option(self, path: Path) -> str:
        """` --target FILE`, with the resolved hardware written beside the IR; empty where there is none."""
        if self.context.machine is None:
            return ""
        target = path.with_suffix(".yaml")
        target.write_text(dump(self.context.machine))
        return f" --target {target}"


def _read_override(path: Path, context: Any) -> Any:
    """The edited program in `path`; raises PassError with its name and place when it does not parse."""
    try:
        return parse_module(path.read_text(), context)
    except (PassError, UnicodeDecodeError) as error:
        raise PassError(f"{path}: {error}", hint="STRATAGEM_OVERRIDE names the folder with edited IR") from None


def _verify(program: Program, one: Pass) -> None:
    try:
        program.module.operation.verify()
    except ir.MLIRError as error:
        from stratagem.compiler.ir import first_diagnostic

        raise PassError(f"the result is not valid IR: {first_diagnostic(error)}") from None
