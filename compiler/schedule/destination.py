"""Where a value is finally written."""

from __future__ import annotations

from typing import Any

from stratagem.compiler.schedule.structured import inits, is_structured, owner


def destination_of(value: Any) -> Any:
    """The tensor that `value` overwrites: the end of its chain of inits."""
    op = owner(value)
    while op is not None and is_structured(op):
        value = inits(op)[next(i for i, r in enumerate(op.results) if r == value)]
        op = owner(value)
    return value
