"""What one run of a compiled program costs, call by call, from its IR at level `device` and the hardware description.

Seconds, their range and bytes by memory level are claims of the kernels (`device.seconds`, `device.traffic`), written
when their tiles were chosen. A kernel without them, which one unit runs as one sequence, costs its operations at that
unit's rate or its bytes from main memory, whichever takes longer. Weights that together fit no cache come from where
all of them lie: between two reads of one lie all others. Energy is actions times energy (operations of the claimed
unit, bytes of each level), and idle power for as long as the run takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from torch_mlir import ir

from stratagem.compiler.ir import argument_attributes, find_function, functions, location_text, symbol_name, walk
from stratagem.compiler.schedule import kernel
from stratagem.compiler.schedule.assign import working_dtype
from stratagem.compiler.schedule.cost import Seconds
from stratagem.compiler.schedule.estimate import TRAFFIC, Estimate, holding_level, read_estimate, read_numbers
from stratagem.compiler.schedule.footprint import units
from stratagem.compiler.schedule.structured import dtype_bytes, owner
from stratagem.hwmodels import Device, Provenance, System, least_trusted
from stratagem.hwmodels.scaled import changeable
from stratagem.hwmodels.trust import UNKNOWN

WORK = "device.work"
VIEWS = ("tensor.collapse_shape", "tensor.expand_shape", "tensor.cast", "tensor.extract_slice")


@dataclass(frozen=True)
class Weights:
    """Weights that a call reads: bytes, how many places of tables it looks up; and bytes of all weights there are."""

    read: int
    lookups: int
    total: int


NO_WEIGHTS = Weights(0, 0, 0)


@dataclass(frozen=True)
class CallCost:
    """One call of a kernel.

    Attributes:
        kernel, function, device, unit: names. location: of the model's operation. seconds: split by what takes them;
        low, high: ends of their total's range. operations: None where they do not follow from sizes. traffic: level ->
        bytes. joules: unit or level -> J, as far as the description gives energies. weights: those that it
        reads. claimed: the kernel's own seconds, where those weights come from further away.
    """

    kernel: str
    function: str
    device: str
    unit: str
    location: str
    seconds: Seconds
    low: float
    high: float
    operations: int | None = None
    traffic: Mapping[str, int] = field(default_factory=dict)
    joules: Mapping[str, float] = field(default_factory=dict)
    weights: Weights = NO_WEIGHTS
    claimed: Seconds | None = None

    @property
    def by_itself(self) -> Seconds:
        """What the kernel claims, wherever its weights come from."""
        return self.claimed or self.seconds


@dataclass(frozen=True)
class ProgramCost:
    """One run: its calls in order, and what none of them can be blamed for.

    Attributes:
        idle: W that the devices draw doing nothing; None where a description does not say. weakest: key and origin of
        the least trusted number that times rest on. parameters: bytes of all weights.
    """

    calls: tuple[CallCost, ...]
    idle: float | None
    weakest: tuple[str, Provenance]
    parameters: int = 0

    @property
    def seconds(self) -> float:
        """Kernels run one after the other."""
        return sum(call.seconds.total for call in self.calls)

    @property
    def low(self) -> float:
        return sum(call.low for call in self.calls)

    @property
    def high(self) -> float:
        return sum(call.high for call in self.calls)

    @property
    def joules(self) -> float | None:
        """Of actions and of idling; None where the idle power is not given."""
        if self.idle is None:
            return None
        return self.idle * self.seconds + sum(sum(call.joules.values()) for call in self.calls)

    def traffic(self) -> dict[str, int]:
        """Level -> bytes of the whole run."""
        return _added(call.traffic for call in self.calls)

    def joules_by(self) -> dict[str, float]:
        """Unit or level -> J of the whole run, idling apart."""
        return _added(call.joules for call in self.calls)


def program_cost(module: Any, machine: System) -> ProgramCost:
    """Costs a program of one rank at level `device` or `system`; what loops repeat counts once.

    Raises KeyError for a kernel of a device that the system does not have.
    """
    devices = {member.device.name: member.device for member in machine.members.values()}
    kernels = {symbol_name(f): f for f in functions(module) if symbol_name(f) != "main"}
    main = find_function(module, "main")
    parameters = _parameters(main)
    total, calls = sum(_bytes(value) for value in parameters), []
    for op in walk(main):
        if op.name == "func.call":
            name = ir.FlatSymbolRefAttr(op.attributes["callee"]).value
            weights = _weights(op, kernels[name], parameters, total)
            calls.append(_streamed(_call(kernels[name], location_text(op), devices), devices, weights))
    used = [devices[name] for name in dict.fromkeys(call.device for call in calls)] or list(devices.values())
    watts = [device.power.idle for device in used]
    idle = None if None in watts else sum(w for w in watts if w is not None)
    return ProgramCost(tuple(calls), idle, _weakest(used, calls), total)


def _parameters(main: Any) -> set[Any]:
    """Arguments of the program that are stored with it."""
    flags = argument_attributes(main, "model.param")
    return {argument for argument, flag in zip(kernel.block_of(main).arguments, flags, strict=True) if flag is not None}


def _source(value: Any) -> Any:
    """What a value is a view of."""
    while (op := owner(value)) is not None and op.name in VIEWS:
        value = op.operands[0]
    return value


def _weights(call: Any, function: Any, parameters: set[Any], total: int) -> Weights:
    """The weights that a call reads: each once, and of a table no more than the kernel looks up."""
    work = ir.DictAttr(function.attributes[WORK]) if WORK in function.attributes else {}
    tables = ir.DictAttr(work["looked_up"]) if "looked_up" in work else {}
    read: dict[Any, int] = {}
    lookups = 0
    for i, value in enumerate(call.operands):
        if (source := _source(value)) not in parameters:
            continue
        whole = most = _bytes(source)
        if str(i) in tables:
            most, places = ir.DenseI64ArrayAttr(tables[str(i)])
            lookups += places
        read[source] = min(whole, read.get(source, 0) + most)
    return Weights(sum(read.values()), lookups, total)


def _bytes(value: Any) -> int:
    if not isinstance(value.type, ir.RankedTensorType) or not value.type.has_static_shape:
        return 0
    return int(prod(value.type.shape)) * dtype_bytes(str(value.type.element_type))


def _streamed(call: CallCost, devices: Mapping[str, Device], weights: Weights) -> CallCost:
    """The call, with the weights that it reads coming from the memory that holds all weights."""
    device = devices[call.device]
    if not weights.read or not call.traffic:
        return call
    slower = with_weights(call.seconds, device, weights)
    gap = slower.total - call.seconds.total
    names = [memory.name for memory in device.memories()]
    inward = names[names.index(holding_level(device, weights.total)) :]
    traffic = {**call.traffic, **{name: max(call.traffic.get(name, 0), weights.read) for name in inward}}
    return replace(
        call,
        seconds=slower,
        low=call.low + gap,
        high=call.high + gap,
        traffic=traffic,
        joules={**call.joules, **dict(_moving(device, traffic))},
        weights=weights,
        claimed=call.seconds,
    )


def with_weights(seconds: Seconds, device: Device, weights: Weights) -> Seconds:
    """A kernel's seconds where weights come from the memory that holds all of them; each lookup waits for it once."""
    level = holding_level(device, weights.total)
    bandwidth = device.level_bandwidth(level)
    if not weights.read or not bandwidth:
        return seconds
    latency = next(memory.latency or 0.0 for memory in device.memories() if memory.name == level)
    wait = weights.lookups * latency / units(device)
    return replace(seconds, memory=max(seconds.memory, weights.read / bandwidth), wait=seconds.wait + wait)


def _call(function: Any, location: str, devices: Mapping[str, Device]) -> CallCost:
    claim = kernel.claim(function)
    device, operations = devices[claim["class"]], _operations(function)
    estimate = read_estimate(function) or sequential_estimate(function, device)
    traffic = read_numbers(function, TRAFFIC)
    return CallCost(
        symbol_name(function),
        claim["function"],
        device.name,
        claim.get("unit", ""),
        location,
        estimate.seconds,
        estimate.low,
        estimate.high,
        operations,
        {level: int(n) for level, n in traffic.items()},
        dict(_joules(device, claim.get("unit", ""), _dtype(function), operations, traffic)),
    )


def sequential_estimate(function: Any, device: Device) -> Estimate:
    """A call of a kernel that one unit runs, without tiles: no range is known, and what does not follow from sizes
    counts nothing."""
    operations, moved = _operations(function), read_numbers(function, WORK).get("bytes", 0.0)
    bandwidth = next((device.level_bandwidth(m.name) for m in device.memories() if m.bandwidth), None)
    rate = max((unit.rate.get(_dtype(function), 0.0) for unit in device.units), default=0.0)
    seconds = Seconds(
        (operations or 0) / rate if rate else 0.0, moved / bandwidth if bandwidth else 0.0, device.launch or 0.0
    )
    return Estimate(seconds, seconds.total, seconds.total)


def _joules(
    device: Device, unit: str, dtype: str, operations: int | None, traffic: Mapping[str, float]
) -> Iterator[tuple[str, float]]:
    for one in device.units:
        if one.name == unit and dtype in one.energy and operations:
            yield unit, operations * one.energy[dtype]
    yield from _moving(device, traffic)


def _moving(device: Device, traffic: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """Level -> J of its bytes, where its energy is given."""
    for level in device.memories():
        if level.energy is not None and traffic.get(level.name):
            yield level.name, traffic[level.name] * level.energy


def _weakest(devices: list[Device], calls: list[CallCost]) -> tuple[str, Provenance]:
    """Of the numbers that times rest on: rates of units that compute, bandwidths of levels that give, the launch."""
    found = []
    for device in devices:
        mine = [call for call in calls if call.device == device.name]
        units = {f"units.{call.unit}." for call in mine}
        levels = {f"levels.{name}." for call in mine for name in call.traffic}
        for path in changeable(device):
            if path == "launch" or path.startswith((*units, *levels)):
                found.append((f"{device.name}: {path}", device.trust(path)))
    if not found:
        return "nothing", UNKNOWN
    worst = least_trusted(origin for _, origin in found)
    return next((key, origin) for key, origin in found if origin == worst)


def _operations(function: Any) -> int | None:
    found = read_numbers(function, WORK).get("operations")
    return None if found is None else int(found)


def _dtype(function: Any) -> str:
    """The element type that the kernel's first contraction, or else its first operation, works on."""
    ops = [op for op in walk(function) if op.name == "linalg.generic"]
    main = next(
        (op for op in ops if len(op.operands) == 3 and "reduction" in str(op.attributes["iterator_types"])), None
    )
    return working_dtype(main or ops[0]) if ops else "f32"


def _added(tables: Any) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for table in tables:
        for key, value in table.items():
            total[key] = total.get(key, 0) + value
    return total
