"""What this backend needs to know of a device, read once from the hardware description; importable without
MLIR.

Nothing here is a default for a product: what the description leaves out is an error where code depends on it,
and "unknown" where only the time estimate does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from stratagem.compiler.backends.upmem.operations import FUNCTIONS, OPERATIONS, macro_name
from stratagem.runtime.errors import HardwareError

if TYPE_CHECKING:
    from stratagem.hwmodels import Device


@dataclass(frozen=True)
class DeviceFacts:
    """Sizes in bytes, times in seconds or cycles of `clock`.

    Attributes:
        unit_tier, thread_tier: names of the two group levels; units, threads: how many of each (threads per
        unit).
        granule, burst: least and greatest DMA transfer. host_granules: multiples for host copies to memory,
        scratch.
        read_latency, write_latency: cycles of a DMA before its bytes; dma_rate: bytes per cycle.
        to_rate, from_rate, broadcast_rate: B/s of the host link, all units together; unit_to_rate, unit_from_rate:
            B/s that one unit takes and gives at most; to_latency, from_latency: seconds per transfer; launch:
            seconds to start a program.
        costs: instructions per operation, by name of operations.OPERATIONS; missing where unknown.
        uncertainty: relative error of the figures that times rest on, as the description states it.
    """

    name: str
    unit_tier: str
    thread_tier: str
    units: int
    threads: int
    threads_for_peak: int
    memory: str
    memory_bytes: int
    scratch: str
    scratch_bytes: int
    granule: int
    burst: int
    host_memory_granule: int
    host_scratch_granule: int
    stack_bytes: int
    instructions: int
    clock: float
    barrier_limit: int = 0
    read_latency: float = 0.0
    write_latency: float = 0.0
    dma_rate: float = 0.0
    to_rate: float = 0.0
    from_rate: float = 0.0
    broadcast_rate: float = 0.0
    unit_to_rate: float = 0.0
    unit_from_rate: float = 0.0
    to_latency: float = 0.0
    from_latency: float = 0.0
    launch: float = 0.0
    costs: Mapping[str, float] = field(default_factory=dict)
    uncertainty: float | None = None

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @staticmethod
    def from_json(text: str | bytes) -> DeviceFacts:
        return DeviceFacts(**json.loads(text))

    def machine_header(self) -> str:
        """`stratagem_machine.h`: the constants that emitted C and the support headers use."""
        lines = [
            f"/* Generated from the hardware description of {self.name}. */",
            "#ifndef STRATAGEM_MACHINE_H",
            "#define STRATAGEM_MACHINE_H",
            "",
            f"#define SG_NR_DPUS {self.units}",
            f"#define SG_DMA_GRANULE {self.granule}u",
            f"#define SG_DMA_BURST {self.burst}u",
            "",
            "/* Counters of the time estimate. */",
        ]
        lines += [f"#define {macro_name(name)} {number}" for number, name in enumerate(OPERATIONS)]
        return "\n".join([*lines, "", "#endif", ""])


def device_facts(device: Device, operand_bits: int | None = None) -> DeviceFacts:
    """Reads `device`; HardwareError names the first thing that is missing or of the wrong kind.

    Args:
        operand_bits: bits of the smaller factor of products of integers, where the caller knows them: multiplying
            takes a step for each. Without it a product costs what the description's rate says.
    """
    groups = device.groups()
    if len(groups) < 2:
        raise HardwareError(
            f"device {device.name} has {len(groups)} group levels, this backend needs two: units and their threads"
        )
    unit, thread = groups[0], groups[1]
    memories = device.memories()
    memory = _only(device, [m for m in memories if m.access == "dma"], "memory level with `access: dma`")
    scratch = _only(device, [m for m in memories if m.kind == "scratchpad"], "scratchpad level")
    host = next((level for level in device.levels if level.kind == "external"), None)
    alignment = device.target.get("host-alignment", {})
    link = _link(host)
    return DeviceFacts(
        name=device.name,
        unit_tier=unit.name,
        thread_tier=thread.name,
        units=unit.count,
        threads=thread.count,
        threads_for_peak=thread.threads_for_peak or unit.threads_for_peak or 1,
        memory=memory.name,
        memory_bytes=_need(device, memory.size, f"size of level {memory.name}"),
        scratch=scratch.name,
        scratch_bytes=_need(device, scratch.size, f"size of level {scratch.name}"),
        granule=memory.granule,
        burst=_need(device, memory.burst, f"burst of level {memory.name}"),
        host_memory_granule=int(alignment.get(memory.name, memory.granule)),
        host_scratch_granule=int(alignment.get(scratch.name, scratch.granule)),
        stack_bytes=_target(device, "stack-bytes"),
        instructions=_target(device, "iram-instructions"),
        clock=device.clock,
        barrier_limit=int(device.target.get("barrier-limit", 0)),
        read_latency=(_directed(memory.latencies, "in", memory.latency) or 0.0) * device.clock,
        write_latency=(_directed(memory.latencies, "out", memory.latency) or 0.0) * device.clock,
        dma_rate=(memory.bandwidth or 0.0) / device.clock,
        to_rate=link.get("to_rate", 0.0),
        from_rate=link.get("from_rate", 0.0),
        broadcast_rate=link.get("broadcast_rate", 0.0),
        unit_to_rate=_path(device, host, memory),
        unit_from_rate=_path(device, memory, host),
        to_latency=link.get("to_latency", 0.0),
        from_latency=link.get("from_latency", 0.0),
        launch=float(getattr(device, "launch", None) or 0.0),
        costs=_costs(device, operand_bits),
        uncertainty=_uncertainty(device),
    )


def _only(device: Device, found: list[Any], what: str) -> Any:
    if not found:
        raise HardwareError(f"device {device.name} has no {what}, which this backend needs")
    return found[-1]


def _need(device: Device, value: int | None, what: str) -> int:
    if value is None:
        raise HardwareError(f"device {device.name} does not say the {what}", hint="add it to the device file")
    return int(value)


def _target(device: Device, key: str) -> int:
    if key not in device.target:
        raise HardwareError(f"device {device.name} has no `target: {{{key}: ...}}`", hint="add it to the device file")
    return int(device.target[key])


def _directed(values: Mapping[str, float], direction: str, otherwise: float | None) -> float | None:
    return values.get(direction, otherwise)


def _link(host: Any | None) -> dict[str, float]:
    if host is None:
        return {}
    into, out = host.bandwidths.get("in", host.bandwidth), host.bandwidths.get("out", host.bandwidth)
    return {
        "to_rate": into or 0.0,
        "from_rate": out or 0.0,
        "broadcast_rate": host.bandwidths.get("broadcast", into) or 0.0,
        "to_latency": host.latencies.get("in", host.latency) or 0.0,
        "from_latency": host.latencies.get("out", host.latency) or 0.0,
    }


def _path(device: Device, source: Any | None, target: Any | None) -> float:
    """B/s of the path that joins the host and the memory of one unit; 0 where the description has none."""
    ends = (getattr(source, "name", ""), getattr(target, "name", ""))
    return next((e.link.bandwidth or 0.0 for e in device.links if (e.source, e.target) == ends), 0.0)


def _costs(device: Device, operand_bits: int | None) -> dict[str, float]:
    """Instructions per operation: one per cycle is the most a unit issues, so cycles stand for instructions."""
    costs: dict[str, float] = {}
    for kind, function in FUNCTIONS.items():
        for dtype in ("i32", "i64", "f32", "f64"):
            unit = device.unit_for(function, dtype)
            if unit is not None and unit.rate.get(dtype):
                costs[f"{kind}_{dtype.upper()}"] = device.clock / unit.rate[dtype]
    if "loop-instructions" in device.target:
        costs["LOOP"] = float(device.target["loop-instructions"])
    if operand_bits is not None:
        costs["MUL_I32"] = _multiplication(device, operand_bits)
    return costs


def _multiplication(device: Device, bits: int) -> float:
    """Instructions of a product of 32-bit integers whose smaller factor has `bits` bits."""
    if not 0 <= bits <= 32:
        raise HardwareError(f"a factor of {bits} bits is asked for; 32-bit integers have 0 to 32")
    steps = device.target.get("multiply-instructions")
    if not isinstance(steps, Mapping) or not {"call", "bit"} <= set(steps):
        raise HardwareError(
            f"device {device.name} does not say what multiplying costs for each bit",
            hint="add `target: {multiply-instructions: {call: ..., bit: ...}}` to the device file",
        )
    return float(steps["call"]) + bits * float(steps["bit"])


def _uncertainty(device: Device) -> float | None:
    return max((p.spread for p in device.provenance.values() if p.spread), default=None)
