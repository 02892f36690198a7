"""What one call on the simulator cost: the C structures shared with it, and a record for people.

Every figure is simulated. Times are estimates; their relative error is at least what the hardware description
states for the numbers they are made of.
"""

from __future__ import annotations

import ctypes
from dataclasses import asdict, dataclass
from typing import Any

from stratagem.compiler.backends.upmem.facts import DeviceFacts
from stratagem.compiler.backends.upmem.operations import OPERATIONS

_LIMIT_NUMBERS = (
    "mram_bytes",
    "wram_bytes",
    "stack_bytes",
    "wram_reserved",
    "dma_granule",
    "dma_burst",
    "host_mram_granule",
    "host_wram_granule",
    "dpus",
    "max_tasklets",
    "threads_for_peak",
    "max_barriers",
)
_LIMIT_RATES = (
    "clock",
    "read_latency_cycles",
    "write_latency_cycles",
    "dma_bytes_per_cycle",
    "to_bandwidth",
    "from_bandwidth",
    "broadcast_bandwidth",
    "unit_to_bandwidth",
    "unit_from_bandwidth",
    "to_latency",
    "from_latency",
)
_COUNTS = (
    "launches",
    "instructions",
    "loads",
    "stores",
    "dma_reads",
    "dma_writes",
    "dma_bytes",
    "bytes_to",
    "bytes_from",
    "bytes_broadcast",
    "transfers",
    "peak_wram",
    "mram_used",
    "tasklets",
    "dpus_used",
)
_TIMES = ("kernel_cycles", "kernel_seconds", "to_seconds", "from_seconds")
_ROOM = 32  # SG_OPERATIONS in sim.h


class Limits(ctypes.Structure):
    """`struct sg_limits` of the simulator."""

    _fields_ = [  # read by ctypes
        *((name, ctypes.c_uint64) for name in _LIMIT_NUMBERS),
        *((name, ctypes.c_double) for name in _LIMIT_RATES),
        ("operation_cycles", ctypes.c_double * _ROOM),
    ]


class SimulatorReport(ctypes.Structure):
    """`struct sg_report` of the simulator."""

    _fields_ = [  # read by ctypes
        *((name, ctypes.c_uint64) for name in _COUNTS),
        *((name, ctypes.c_double) for name in _TIMES),
    ]


def limits_of(facts: DeviceFacts) -> Limits:
    """The machine that the simulator is to be."""
    costs = [facts.costs.get(name, 0.0) for name in OPERATIONS]
    return Limits(
        facts.memory_bytes,
        facts.scratch_bytes,
        facts.stack_bytes,
        0,
        facts.granule,
        facts.burst,
        facts.host_memory_granule,
        facts.host_scratch_granule,
        facts.units,
        facts.threads,
        facts.threads_for_peak,
        facts.barrier_limit,
        facts.clock,
        facts.read_latency,
        facts.write_latency,
        facts.dma_rate,
        facts.to_rate,
        facts.from_rate,
        facts.broadcast_rate,
        facts.unit_to_rate,
        facts.unit_from_rate,
        facts.to_latency,
        facts.from_latency,
        (ctypes.c_double * _ROOM)(*costs),
    )


@dataclass(frozen=True)
class RunReport:
    """One kernel call on the simulator; seconds are estimates for the described device, not time spent here.

    `uncertainty` is the largest relative error among the description's numbers; `unpriced` names kinds of
    operations that the description has no cost for (they count as free).
    """

    kernel: str
    where: str
    device_ran: bool
    seconds: float
    kernel_seconds: float
    to_seconds: float
    from_seconds: float
    kernel_cycles: float
    counts: dict[str, int]
    uncertainty: float | None
    unpriced: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    def __str__(self) -> str:
        error = "unknown error" if self.uncertainty is None else f"within {self.uncertainty:.0%} at best"
        times = (self.to_seconds, self.kernel_seconds, self.from_seconds)
        to, inside, back = (f"{t * 1e3:.3f}" for t in times)
        return (
            f"{self.kernel}: {self.where}, {self.seconds * 1e3:.3f} ms estimated ({error}): "
            f"to devices {to}, kernel {inside}, back {back} ms"
        )


def run_report(kernel: str, raw: SimulatorReport, facts: DeviceFacts) -> RunReport:
    """The record of a finished call."""
    inside = raw.kernel_seconds + raw.launches * facts.launch
    return RunReport(
        kernel=kernel,
        where=f"simulated on {raw.dpus_used} of {facts.units} units of {facts.name}",
        device_ran=False,
        seconds=inside + raw.to_seconds + raw.from_seconds,
        kernel_seconds=inside,
        to_seconds=raw.to_seconds,
        from_seconds=raw.from_seconds,
        kernel_cycles=raw.kernel_cycles,
        counts={name: int(getattr(raw, name)) for name in _COUNTS},
        uncertainty=facts.uncertainty,
        unpriced=tuple(name for name in OPERATIONS if name not in facts.costs),
    )
