"""What microbenchmarks of a near-memory device take: STREAM and its transfers, as programs in C (`programs/`).

They measure single instructions and transfers, so what is predicted must be the measured program and not code that this
compiler would emit in its place. The programs run on the simulator that runs emitted code, with the same estimate.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.validation.near_memory import MEMBER
from stratagem.compiler.backends.upmem.driver import Driver
from stratagem.compiler.backends.upmem.facts import DeviceFacts, device_facts
from stratagem.compiler.backends.upmem.sources import support_files
from stratagem.hwmodels import load_machine

PROGRAMS = Path(__file__).parent / "programs"
BLOCKS = 32
"""Blocks of each tasklet in a run; but for one instruction at the start the estimate is linear in them."""
SATURATED = 0.01
"""How much faster more tasklets may still be, relatively, where a program no longer gains from them."""


@dataclass(frozen=True)
class Kind:
    """What a program does with a block: arrays read from memory, arrays written, and the macro of its work."""

    reads: int
    writes: int
    work: str = ""


KINDS: Mapping[str, Kind] = {
    "read": Kind(1, 0),
    "write": Kind(0, 1),
    "transfer": Kind(1, 1),
    "copy": Kind(1, 1, "SG_COPY"),
    "add": Kind(2, 1, "SG_ADD"),
    "scale": Kind(1, 1, "SG_SCALE"),
    "triad": Kind(2, 1, "SG_TRIAD"),
}
"""Name in a file of rows -> program; words have 64 bits."""


@dataclass(frozen=True)
class Stream:
    """One program: its kind, bytes of a block, and the most tasklets it may run with.

    Attributes:
        free_transfers: whether transfers are left out, as timers around the loop over a block leave them.
    """

    device: str
    kind: str
    block: int
    most: int = 1
    free_transfers: bool = False


def dma_milliseconds(facts: Mapping[str, Any]) -> float:
    """ms of one tasklet that moves blocks one after the other.

    Facts: `device`, `kind` (of KINDS), `bytes` of a block, `blocks`.
    """
    stream = Stream(facts["device"], facts["kind"], facts["bytes"])
    return float(facts["blocks"] * block_cycles(stream, 1) / _facts(stream).clock * 1e3)


def saturating_tasklets(facts: Mapping[str, Any]) -> float:
    """The fewest tasklets with which a program is as fast as with more of them, within SATURATED.

    Facts: `device`, `kind` (of KINDS), `bytes` of a block, `threads` (the most tasklets).
    """
    stream = Stream(facts["device"], facts["kind"], facts["bytes"], facts["threads"])
    times = [block_cycles(stream, threads) for threads in range(1, stream.most + 1)]
    return float(next(n for n, time in enumerate(times, 1) if time <= (1 + SATURATED) * min(times)))


@cache
def block_cycles(stream: Stream, threads: int) -> float:
    """Cycles from one block to the next when `threads` tasklets work on as many blocks each."""
    report = _driver(stream).run("stream", [np.array([threads], np.int32)], [])
    return report.kernel_cycles / (threads * BLOCKS)


@cache
def _driver(stream: Stream) -> Driver:
    if stream.kind not in KINDS:
        raise ValueError(f"there is no microbenchmark '{stream.kind}'; there are {', '.join(KINDS)}")
    facts = _facts(stream)
    entry = {
        "entry": "run_stream",
        "arguments": [{"dtype": "i32", "shape": [1]}],
        "results": 0,
        "tasklets": stream.most,
    }
    files = {
        **support_files(),
        **{path.name: path.read_bytes() for path in PROGRAMS.glob("*.c")},
        "sizes.h": _sizes(stream).encode(),
        "stratagem_machine.h": facts.machine_header().encode(),
        "kernels.json": json.dumps({"stream": entry}).encode(),
    }
    return Driver(files, facts)


def _facts(stream: Stream) -> DeviceFacts:
    facts = device_facts(load_machine(stream.device).members[MEMBER].device)
    if stream.free_transfers:
        return replace(facts, read_latency=0.0, write_latency=0.0, dma_rate=inf)
    return facts


def _sizes(stream: Stream) -> str:
    """`sizes.h`: what the C programs are compiled for."""
    kind = KINDS[stream.kind]
    sizes = {
        "SG_BLOCK_BYTES": stream.block,
        "SG_BLOCKS": BLOCKS,
        "SG_OPERAND_BYTES": 2 * stream.most * BLOCKS * stream.block,
        "SG_READS": kind.reads,
        "SG_WRITES": kind.writes,
    }
    lines = [f"#define {name} {value}u" for name, value in sizes.items()]
    return "\n".join([*lines, *([f"#define {kind.work} 1"] if kind.work else []), ""])
