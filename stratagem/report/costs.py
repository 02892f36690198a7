"""What a run costs, as the page and the trace take it: calls, what each number does to them, rooflines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stratagem.compiler.cost.influence import FACTOR, Influence
from stratagem.compiler.cost.program import CallCost, ProgramCost
from stratagem.compiler.schedule.cost import OVERLAP
from stratagem.hwmodels import Device, System

if TYPE_CHECKING:
    from stratagem.api.profiling import Measured

PARTS = ("compute", "memory", "wait")
IDLE = "idle"
UNITS = {"bandwidth": "B/s", "rate": "op/s", "latency": "s", "latencies": "s", "launch": "s"}
NAMES = {"compute": "computing", "memory": "moving data", "wait": "waiting (starting kernels, latencies, filling)"}


def cost_data(cost: ProgramCost, found: Sequence[Influence], times: Sequence[float | None]) -> dict[str, Any]:
    """The run, with seconds, bytes and joules of every call.

    Args:
        found: influences, in the order of `number_data`. times: measured seconds of each call, None where unknown.
    """
    energy = cost.joules_by() | ({} if cost.idle is None else {IDLE: cost.idle * cost.seconds})
    missing = "" if cost.idle is not None else "The description gives no idle power, so there is no total of energy."
    shares = _Shares(found)
    return {
        "seconds": cost.seconds,
        "low": cost.low,
        "high": cost.high,
        "joules": cost.joules,
        "energy": energy,
        "energy_missing": [missing] if missing else [],
        "levels": cost.traffic(),
        "overlap": OVERLAP,
        "weakest": f"{cost.weakest[0]} ({cost.weakest[1].kind})",
        "bottleneck": bottleneck(cost),
        "notes": notes(cost),
        "calls": [
            _call(call) | {"measured": seconds, "shares": shares.of(call)}
            for call, seconds in zip(cost.calls, times, strict=True)
        ],
    }


def _call(call: CallCost) -> dict[str, Any]:
    return {
        "kernel": call.kernel,
        "function": call.function,
        "device": call.device,
        "unit": call.unit,
        "where": call.location,
        "compute": call.seconds.compute,
        "memory": call.seconds.memory,
        "wait": call.seconds.wait,
        "total": call.seconds.total,
        "low": call.low,
        "high": call.high,
        "operations": call.operations,
        "traffic": dict(call.traffic),
        "joules": sum(call.joules.values()),
        "joules_by": dict(call.joules),
    }


def number_data(machine: System, cost: ProgramCost, found: Sequence[Influence]) -> list[dict[str, Any]]:
    """The numbers that times rest on, most influence first: value in base units, origin, change of the run in s."""
    devices = {member.device.name: member.device for member in machine.members.values()}
    alone = len({one.device for one in found}) == 1
    return [
        {
            "key": one.key if alone else f"{one.device}: {one.key}",
            "value": one.value,
            "unit": next(unit for word, unit in UNITS.items() if word in one.key.split(".")),
            "more_is_better": one.more_is_better,
            "origin": _origin(devices[one.device], one.key),
            "change": one.change(cost),
        }
        for one in found
    ]


def _origin(device: Device, path: str) -> str:
    origin = device.trust(path)
    return origin.kind + (f", ±{origin.spread:.0%}" if origin.spread else "")


class _Shares:
    """Of each part of a kernel's time, the shares that go with one number, by its place in the list."""

    def __init__(self, found: Sequence[Influence]) -> None:
        self.found, self.known = found, dict[str, dict[str, list[tuple[int, float]]]]()

    def of(self, call: CallCost) -> dict[str, list[tuple[int, float]]]:
        if call.kernel not in self.known:
            self.known[call.kernel] = {part: self._of_part(call, part) for part in PARTS}
        return self.known[call.kernel]

    def _of_part(self, call: CallCost, part: str) -> list[tuple[int, float]]:
        before = getattr(call.seconds, part)
        shares = []
        for place, one in enumerate(self.found):
            if one.device == call.device and call.kernel in one.after and before > 0:
                change = getattr(one.after[call.kernel], part) / before - 1
                whole = 1 / FACTOR - 1 if one.more_is_better else FACTOR - 1
                if change / whole > 0:
                    shares.append((place, change / whole))
        most = max(1.0, sum(share for _, share in shares))
        return [(place, share / most) for place, share in shares]


def bottleneck(cost: ProgramCost) -> str:
    """A sentence: what takes most of the run, and which kernel."""
    if not cost.calls or not cost.seconds:
        return "Nothing takes time."
    exposed = {part: sum(_exposed(call, part) for call in cost.calls) for part in PARTS}
    part = max(exposed, key=lambda name: exposed[name])
    kernels: dict[str, float] = {}
    for call in cost.calls:
        kernels[call.kernel] = kernels.get(call.kernel, 0.0) + call.seconds.total
    longest = max(kernels, key=lambda name: kernels[name])
    return (
        f"{exposed[part] / cost.seconds:.0%} of the time is {NAMES[part]}; "
        f"the kernel {longest} takes {kernels[longest] / cost.seconds:.0%} of all."
    )


def _exposed(call: CallCost, part: str) -> float:
    """Seconds of a part that no other hides."""
    seconds = call.seconds
    if part == "wait":
        return seconds.wait
    own, other = (seconds.compute, seconds.memory) if part == "compute" else (seconds.memory, seconds.compute)
    longer = own > other or (own == other and part == "compute")
    return own if longer else OVERLAP * own


def notes(cost: ProgramCost) -> list[str]:
    """What the numbers leave out."""
    bare = sum(not call.traffic for call in cost.calls)
    if not bare:
        return []
    return [
        f"{bare} of {len(cost.calls)} calls are of kernels without tiles or with sizes known only when they run: "
        "of these only what their sizes tell is counted, without a range."
    ]


def call_times(cost: ProgramCost, measured: Mapping[str, Measured]) -> list[float | None]:
    """Measured seconds of each call; None for kernels that ran another number of times, as in loops."""
    counts: dict[str, int] = {}
    for call in cost.calls:
        counts[call.kernel] = counts.get(call.kernel, 0) + 1
    usable = {name for name, n in counts.items() if name in measured and len(measured[name].seconds) == n}
    taken: dict[str, int] = {}
    times: list[float | None] = []
    for call in cost.calls:
        place = taken[call.kernel] = taken.get(call.kernel, -1) + 1
        times.append(measured[call.kernel].seconds[place] if call.kernel in usable else None)
    return times


def roof_data(machine: System, cost: ProgramCost, dtypes: Iterable[str]) -> list[dict[str, Any]]:
    """For each device that runs kernels: B/s of its levels that give data, op/s of the units that compute."""
    kinds, found = list(dict.fromkeys(dtypes)), []
    for device in dict.fromkeys(member.device for member in machine.members.values()):
        calls = [call for call in cost.calls if call.device == device.name]
        traffic = {level for call in calls for level in call.traffic}
        levels = [
            {"name": level.name, "bandwidth": device.level_bandwidth(level.name)}
            for level in device.memories()
            if level.name in traffic and level.bandwidth
        ]
        units = [unit for unit in device.units if unit.name in {call.unit for call in calls}]
        peaks = {f"{u.name} {k}": device.unit_rate(u, k) for u in units for k in kinds if device.unit_rate(u, k)}
        if levels and peaks:
            found.append({"name": device.name, "levels": levels, "peaks": peaks})
    return found
