"""What the interpreter raises when a program breaks a rule of its own semantics while it runs."""

from __future__ import annotations

from stratagem.runtime.errors import VerificationError


class Violation(VerificationError):
    """A run-time rule is broken: out of bounds, written twice, never written, divided by zero, failed
    assertion.

    Args:
        operation: name of the operation at fault, e.g. `tensor.extract_slice`.
        problem: what happened, with the numbers.
        location: source location of the operation.
    """

    def __init__(self, operation: str, problem: str, location: str = "") -> None:
        self.operation = operation
        super().__init__(f"{operation}: {problem}", location=location or None)
