"""The result of compiling a module to machine code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ObjectCode:
    """A relocatable object file.

    Attributes:
        data: the file's bytes. symbols: the functions it defines for others, as the linker sees them.
        report: seconds per step, bytes, and what was chosen per kernel; JSON-able.
    """

    data: bytes
    symbols: tuple[str, ...]
    report: Mapping[str, Any] = field(default_factory=dict)
