"""Tensor expressions: the meaning of hardware functions as a small typed language."""

from __future__ import annotations

from stratagem.hwmodels.expressions.errors import EvaluationError, ExpressionError
from stratagem.hwmodels.expressions.parse import parse_expression
from stratagem.hwmodels.expressions.tree import (
    Access,
    Binary,
    Call,
    Constant,
    Expression,
    Index,
    IndexTerm,
    Negate,
    TensorExpression,
)

__all__ = [
    "Access",
    "Binary",
    "Call",
    "Constant",
    "Expression",
    "EvaluationError",
    "ExpressionError",
    "Index",
    "IndexTerm",
    "Negate",
    "TensorExpression",
    "parse_expression",
]
