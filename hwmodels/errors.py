"""The one error of this package: everything wrong with a hardware file, told at once.

`hwmodels` stands below the compiler and imports nothing of it, so the error is its own; the command line
gives it the same treatment as the compiler's errors (message only, exit code 4).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Place:
    """A place in a file: 1-based line and column, 0 where unknown."""

    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return ":".join([self.file or "<text>"] + [str(n) for n in (self.line, self.column) if n])


NOWHERE = Place()


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong: where (file and key path), what, and what would be right."""

    place: Place
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        path = f" {self.path}:" if self.path else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{self.place}:{path} {self.message}{hint}"


class HardwareFileError(Exception):
    """A hardware description cannot be used; `problems` lists every reason found, in file order."""

    exit_code = 4

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))
