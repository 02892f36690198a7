"""The table of decompositions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Rule = TypeVar("Rule", bound=Callable[..., Any])
RULES: dict[Any, Callable[..., Any]] = {}


def decomposes(*operators: Any) -> Callable[[Rule], Rule]:
    """Registers a function with the arguments of `operators` (overloads) as what they mean."""

    def register(rule: Rule) -> Rule:
        for operator in operators:
            RULES[operator] = rule
        return rule

    return register
