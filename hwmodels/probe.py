"""This machine as a device description: what the kernel tells, in the schema's own text.

Reads /proc and /sys only (no measuring, no compiler), so it takes a few milliseconds. What the kernel does
not tell is inherited from the generic model of the same instruction set, whose numbers say that they are
assumed.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stratagem.hwmodels.instructions import isa_table

LIBRARY = Path(__file__).parent / "library"
LEAST_CLOCK = 0.8e9  # a lower reading is a core that was idle when asked
SUM_BITS = 32
MOST_MEMORY_CORES = 12  # cores that together use all of the main memory's bandwidth (assumed)


@dataclass(frozen=True)
class Cache:
    """One level of data cache: bytes and line bytes of a piece, and the pieces the usable CPUs touch."""

    level: int
    size: int
    line: int
    pieces: int


@dataclass(frozen=True)
class Facts:
    """What could be read; None or empty where the kernel does not say."""

    machine: str
    cores: int
    threads: int
    clock: float | None
    memory: int | None
    caches: tuple[Cache, ...]
    flags: frozenset[str]


def read_facts(root: Path = Path("/"), machine: str = "", cpus: frozenset[int] | None = None) -> Facts:
    """Facts of the machine whose /proc and /sys lie under `root`.

    Args:
        machine: architecture as `uname -m` says; this process's by default.
        cpus: CPUs that may be used; those this process may run on by default.
    """
    usable = usable_cpus() if cpus is None else cpus
    system = root / "sys/devices/system/cpu"
    text = read_text(root / "proc/cpuinfo")
    cores = {read_text(system / f"cpu{n}/topology/thread_siblings_list") or str(n) for n in usable}
    return Facts(
        machine=machine or platform.machine(),
        cores=len(cores),
        threads=len(usable),
        clock=read_clock(system, text, usable),
        memory=read_memory(root),
        caches=tuple(read_caches(system, usable)),
        flags=frozenset(cpu_flags(text)),
    )


def usable_cpus() -> frozenset[int]:
    """CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def read_text(path: Path) -> str:
    """The text of a small file; empty when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def read_number(path: Path) -> int | None:
    """The number in a small file, or None."""
    text = read_text(path)
    return int(text) if text.isdigit() else None


def read_clock(system: Path, cpuinfo: str, usable: frozenset[int]) -> float | None:
    """The highest clock in Hz: the limit of the frequency driver, else what /proc/cpuinfo shows."""
    limits = [read_number(system / f"cpu{n}/cpufreq/cpuinfo_max_freq") for n in usable]
    known = [limit * 1e3 for limit in limits if limit]
    if known:
        return max(known)
    shown = [float(value) * 1e6 for value in cpuinfo_values(cpuinfo, "cpu MHz") if is_float(value)]
    highest = max(shown, default=0.0)
    return highest if highest >= LEAST_CLOCK else None


def is_float(text: str) -> bool:
    """Whether a text is a plain positive decimal number."""
    return text.replace(".", "", 1).isdigit() and float(text) > 0


def cpuinfo_values(cpuinfo: str, key: str) -> Iterator[str]:
    """Values of a key of /proc/cpuinfo."""
    for line in cpuinfo.splitlines():
        name, separator, value = line.partition(":")
        if separator and name.strip() == key:
            yield value.strip()


def cpu_flags(cpuinfo: str) -> list[str]:
    """Instruction-set flags of the first CPU."""
    for key in ("flags", "Features"):
        for value in cpuinfo_values(cpuinfo, key):
            return value.split()
    return []


def read_memory(root: Path) -> int | None:
    """Bytes of main memory, or the control group's limit when that is lower."""
    total = None
    for line in read_text(root / "proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            total = int(line.split()[1]) * 1024
    limit = read_number(root / "sys/fs/cgroup/memory.max")
    known = [value for value in (total, limit) if value]
    return min(known) if known else None


def read_caches(system: Path, usable: frozenset[int]) -> Iterator[Cache]:
    """Data and unified caches of the usable CPUs, innermost first."""
    pieces: dict[int, set[str]] = {}
    sizes: dict[int, tuple[int, int]] = {}
    for cpu in sorted(usable):
        for index in sorted((system / f"cpu{cpu}/cache").glob("index*")):
            level, size = read_number(index / "level"), parse_size(read_text(index / "size"))
            if level is None or size is None or read_text(index / "type") == "Instruction":
                continue
            pieces.setdefault(level, set()).add(read_text(index / "shared_cpu_list") or str(cpu))
            sizes[level] = size, read_number(index / "coherency_line_size") or 64
    for level in sorted(sizes):
        yield Cache(level, *sizes[level], pieces=len(pieces[level]))


def parse_size(text: str) -> int | None:
    """The kernel's `32K` or `8M` in bytes."""
    scale = {"K": 1024, "M": 1024**2, "G": 1024**3}.get(text[-1:], 1)
    digits = text.rstrip("KMG")
    return int(digits) * scale if digits.isdigit() and int(digits) else None


def isa_of(facts: Facts) -> tuple[dict[str, Any], dict[str, Any]]:
    """The entry of this architecture in `isa.json`, and the highest of its levels that the flags allow."""
    table = isa_table()
    entry = table.get(facts.machine) or table["x86_64"]
    level = next(level for level in entry["levels"] if facts.flags.issuperset(level["flags"]))
    return entry, level


def probe_text(facts: Facts | None = None) -> str:
    """The description of this machine (or of the given facts) as YAML text that `load_device` reads."""
    facts = facts or read_facts()
    entry, level = isa_of(facts)
    features = ",".join(f"+{name}" for flag, name in entry["features"].items() if flag in facts.flags)
    lines = [
        "hw: 1",
        "device: cpu",
        f"extends: {level['like']}",
        "note: this machine, as its operating system describes it",
        "source: {kind: measured, id: /proc and /sys, note: levels and clock read; the rest is inherited}",
        *([f"clock: {facts.clock / 1e6:.6g} MHz"] if facts.clock else []),
        "levels:",
        *level_lines(facts, level),
        *dot_lines(facts, entry["dots"], level["vector-bits"] // SUM_BITS),
        *peak_lines(),
        "target:",
        f"  triple: {entry['triple']}",
        f"  cpu: {level['cpu']}",
        f'  features: "{features}"',
        f"  vector-bits: {level['vector-bits']}",
        f"  threads: {facts.threads}",
    ]
    return "\n".join(lines) + "\n"


def level_lines(facts: Facts, level: dict[str, Any]) -> Iterator[str]:
    """The levels whose numbers were read; bandwidths that cannot be read are assumed, and say so."""
    caches = nested(facts.caches)
    share = level["dram-bytes-per-cycle"] * min(facts.cores, MOST_MEMORY_CORES)
    memory = max([facts.memory or 0, *(cache.size for cache in facts.caches)])
    size = f", size: {memory // 1024} KiB" if facts.memory else ""
    yield f"  - {{name: dram{size}, bandwidth: {assumed(share)}}}"
    if "l3" in caches:
        share = level["l3-bytes-per-cycle"] * max(1, facts.cores // caches["l3"].pieces)
        yield cache_line("l3", caches["l3"], f", bandwidth: {assumed(share)}")
    elif caches:
        yield "  - {name: l3, remove: true}"
    else:
        yield f"  - {{name: l3, bandwidth: {assumed(level['l3-bytes-per-cycle'] * facts.cores)}}}"
    yield f"  - {{name: core, count: {facts.cores}}}"
    for name in ("l2", "l1"):
        if name in caches:
            yield cache_line(name, caches[name], "", pieces=1)


def nested(found: tuple[Cache, ...]) -> dict[str, Cache]:
    """Caches by level name; an outer one that is not larger than the inner ones is left out."""
    caches: dict[str, Cache] = {}
    largest = 0
    for cache in found:
        if cache.size > largest and cache.level <= 3:
            caches[f"l{cache.level}"] = cache
            largest = cache.size
    return caches


def assumed(share: int) -> str:
    """A bandwidth that nobody told."""
    return f"{{value: {share} B/cy, kind: assumed, spread: 60%}}"


def cache_line(name: str, cache: Cache, more: str, pieces: int | None = None) -> str:
    """One cache level."""
    count = cache.pieces if pieces is None else pieces
    return f"  - {{name: {name}, count: {count}, size: {cache.size // 1024} KiB, granule: {cache.line} B{more}}}"


def dot_lines(facts: Facts, dots: Mapping[str, Mapping[str, int]], sums: int) -> Iterator[str]:
    """The unit that adds products of groups to `sums` sums at once, where there is one: as many of it are assumed as
    there are units that multiply and add."""
    groups = {dtype: group for flag, found in dots.items() if flag in facts.flags for dtype, group in found.items()}
    if not groups:
        return
    yield "units:"
    yield "  - name: dot"
    yield "    at: vreg"
    yield "    count: 2"
    yield "    functions: [matmul, batch_matmul, conv_1d, conv_2d, conv_3d]"
    yield f"    lanes: {{{', '.join(f'{dtype}: {sums * group}' for dtype, group in groups.items())}}}"
    yield f"    tile: {{{', '.join(f'{dtype}: [1, {sums}, {group}]' for dtype, group in groups.items())}}}"


def peak_lines() -> list[str]:
    """The parent's declared peaks and power are of another part: leave them out."""
    return ["peak: !replace {}", "power: !replace {}"]
