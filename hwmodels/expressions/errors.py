"""What can be wrong with a tensor expression or with the arrays it is run on."""

from __future__ import annotations


class ExpressionError(ValueError):
    """Text that is no tensor expression; `column` is 1-based, 0 for the expression as a whole."""

    def __init__(self, message: str, column: int = 0) -> None:
        self.column = column
        super().__init__(message)


class EvaluationError(ValueError):
    """Arrays that do not fit the expression: missing, wrong rank, sizes that disagree or are unknown."""
