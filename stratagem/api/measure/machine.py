"""The machine that a measurement ran on, in a few facts."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stratagem.hwmodels.probe import cpuinfo_values, isa_of, read_facts
from stratagem.runtime.version import VERSION


def machine_facts() -> dict[str, Any]:
    """Processor, instruction set, processors this process may use, caches in bytes, system."""
    facts = read_facts()
    names = list(cpuinfo_values(Path("/proc/cpuinfo").read_text(), "model name"))
    return {
        "processor": names[0] if names else facts.machine,
        "isa": str(isa_of(facts)[1]["like"]),
        "processors": facts.threads,
        "caches": {f"l{c.level}": c.size for c in facts.caches},
        "memory": facts.memory,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "stratagem": VERSION,
        "load": os.getloadavg()[0],
    }


def header(facts: dict[str, Any], versions: Sequence[str], threads: Sequence[int], busy: float) -> list[str]:
    """Lines that stand before a table; `busy` is the share of the processors that others used meanwhile."""
    caches = ", ".join(f"{name.upper()} {size // 1024} KiB" for name, size in facts["caches"].items())
    note = "; others used this machine: take ratios with care, and no absolute time" if busy > 0.05 else ""
    return [
        f"{facts['processor']} ({facts['isa']}), {facts['processors']} processors, {caches}, {facts['system']}",
        f"threads {', '.join(map(str, threads))}; f32; medians; Stratagem {facts['stratagem']}",
        f"peers: {', '.join(dict.fromkeys(versions)) or 'none'}",
        f"other processes used {busy:.0%} of the processors while timing{note}",
    ]
