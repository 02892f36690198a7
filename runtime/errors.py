"""Every error Stratagem raises on purpose: one small tree, by cause.

A message has three parts: what was asked, what stands in the way (with the numbers), what to do. The command line
prints the message alone and exits with `exit_code`; nothing of our own call stack reaches a user.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceLocation:
    """A place in a user's file: 1-based line and column, 0 where unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        parts = [self.file] + [str(n) for n in (self.line, self.column) if n]
        return ":".join(parts)


class StratagemError(Exception):
    """Base of all errors meant for the user.

    Args:
        problem: what was asked and what stands in the way, one sentence, with the numbers.
        hint: what to do about it; empty when there is nothing useful to say.
        location: where in the user's input, if known.
    """

    exit_code = 1

    def __init__(self, problem: str, *, hint: str = "", location: SourceLocation | str | None = None) -> None:
        self.problem, self.hint, self.location = problem, hint, location
        super().__init__(str(self))

    def __str__(self) -> str:
        where = f"{self.location}: " if self.location else ""
        return f"{where}{self.problem}" + (f"\n  hint: {self.hint}" if self.hint else "")


class UsageError(StratagemError):
    """The request itself makes no sense: unknown target or level, missing file, contradictory options."""

    exit_code = 2


class ModelError(StratagemError):
    """The model file or function cannot be read: truncated, not the format it claims, unsafe paths."""

    exit_code = 3


class UnsupportedError(ModelError):
    """The model is well formed but uses something outside the tensor contract; names the operation and its place."""


class HardwareError(StratagemError):
    """A hardware description is wrong or a program does not fit the hardware it was given."""

    exit_code = 4


class PassError(StratagemError):
    """A pass failed. The message names the pass, the stage and the command that replays it."""

    exit_code = 5


class VerificationError(StratagemError):
    """A checker refuted a claim; the message holds the counterexample."""

    exit_code = 6


class RuntimeInputError(StratagemError):
    """Arguments of a compiled program have the wrong count, shape or dtype."""

    exit_code = 7


class ArtifactError(StratagemError):
    """A saved artifact is damaged, of another version, or made for another machine."""

    exit_code = 8


class ResourceError(StratagemError):
    """The machine ran out of something: disk space, memory, or a needed tool is not installed."""

    exit_code = 9
