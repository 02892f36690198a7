"""What one case of a suite came to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """The columns of the table. EXCLUDED: the case has no fixed answer (random numbers) or its own oracle fails."""

    PASSED = "passed"
    REFUSED = "refused"
    WRONG = "wrong"
    CRASHED = "crashed"
    EXCLUDED = "excluded"


@dataclass(frozen=True)
class Outcome:
    """A verdict, and the reason in words where it is not `passed`."""

    suite: str
    case: str
    verdict: Verdict
    reason: str = ""
    seconds: float = 0.0


class Excluded(Exception):
    """Raised by a case that says nothing about a compiler."""


class Wrong(Exception):
    """Raised by a case whose results differ from the expected ones."""
