"""Which instructions code for a processor needs, in the words of /proc/cpuinfo."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_TABLE = Path(__file__).parent / "library" / "isa.json"


@cache
def isa_table() -> Mapping[str, Any]:
    """By architecture: levels of its instruction set, the highest first, and what LLVM calls each further flag, and the
    element types of which each flag's instructions add the products of so many to one sum of 32 bits."""
    table: Mapping[str, Any] = json.loads(_TABLE.read_text(encoding="utf-8"))
    return table


def needed_flags(target: Mapping[str, Any]) -> list[str]:
    """The flags that a processor must have to run code for the `target` facts of a description; empty where nothing
    is known of them."""
    triple = str(target.get("triple", "")) or platform.machine()
    entry = isa_table().get(triple.partition("-")[0])
    if entry is None:
        return []
    # A name that is no level's is of one processor: its vectors tell at least which level that has.
    key = "cpu" if any(level["cpu"] == target.get("cpu") for level in entry["levels"]) else "vector-bits"
    level = next((level for level in entry["levels"] if level[key] == target.get(key)), None)
    features = str(target.get("features", "")).split(",")
    further = [flag for flag, name in entry["features"].items() if f"+{name}" in features]
    return [*(level["flags"] if level else []), *further]
