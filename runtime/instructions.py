"""Whether this processor has the instructions that a program's code was made of."""

from __future__ import annotations

import ctypes
import platform
from functools import cache
from pathlib import Path

SYMBOL = "sg_instructions"
CPUINFO = Path("/proc/cpuinfo")
KEY = "Features" if platform.machine() == "aarch64" else "flags"
"""An emulator may show the file of the machine it runs on: the key is another one then, and nothing is refused."""


def missing_instructions(library: ctypes.CDLL) -> list[str]:
    """What the code needs and this processor lacks, as /proc/cpuinfo spells it; empty where either is unknown."""
    found = flags(CPUINFO)
    return [flag for flag in _exported(library).split() if flag not in found] if found else []


def _exported(library: ctypes.CDLL) -> str:
    """The text behind the symbol; empty for code that does not say."""
    try:
        return ctypes.string_at(ctypes.addressof(ctypes.c_char.in_dll(library, SYMBOL))).decode()
    except ValueError:
        return ""


@cache
def flags(path: Path) -> frozenset[str]:
    """Flags of the first processor; empty where the system does not tell them."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == KEY:
            return frozenset(value.split())
    return frozenset()
