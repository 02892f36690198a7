"""A machine as boxes in boxes: tiers around members, groups of units around their memories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stratagem.hwmodels import Device, Level, System
from stratagem.hwmodels.picture import tier_text
from stratagem.hwmodels.units import format_quantity, format_size

Box = dict[str, Any]
"""`kind` ("tier", "device", "group", "memory-level" or "unit"), `name`, `count`, `detail`, and the boxes `inside`."""


def boxes(system: System) -> list[Box]:
    """The outermost boxes: tiers that lie in no other, and members that lie in none."""
    inside = {name for tier in system.tiers for name in (*tier.joined, *tier.attached)}
    tops = [name for name in (*(tier.name for tier in system.tiers), *system.members) if name not in inside]
    return [_place(system, name, 1, frozenset()) for name in dict.fromkeys(tops)]


def _place(system: System, name: str, count: int, around: frozenset[str]) -> Box:
    """A tier with all it joins, or a member; a tier may hold a member of its own name."""
    tier = next((t for t in system.tiers if t.name == name and name not in around), None)
    if tier is None:
        device = system.members[name].device
        box = _box("device", f"{name}: {device.name}", count, _device_text(device))
        return box | {"inside": _levels(device, device.levels)}
    below = [*tier.joined.items(), *tier.attached.items()]
    inner = [_place(system, child, of_it, around | {name}) for child, of_it in below]
    return _box("tier", name, count, tier_text(tier)) | {"inside": inner}


def _levels(device: Device, levels: Sequence[Level]) -> list[Box]:
    """Levels from here inwards; a group holds all that follow it."""
    found: list[Box] = []
    for position, level in enumerate(levels):
        if level.kind == "group":
            group = _box("group", level.name, level.count, "")
            return [*found, group | {"inside": _levels(device, levels[position + 1 :])}]
        box = _box("memory-level", level.name, level.count, _level_text(level))
        units = [unit for unit in device.units if unit.at == level.name and not unit.emulated]
        found.append(box | {"inside": [_box("unit", u.name, u.count, _rates_text(u.rate)) for u in units]})
    return found


def _box(kind: str, name: str, count: int, detail: str) -> Box:
    return {"kind": kind, "name": name, "count": count, "detail": detail, "inside": []}


def _device_text(device: Device) -> str:
    idle = "" if device.power.idle is None else f", {format_quantity(device.power.idle, 'W')} idle"
    launch = "" if device.launch is None else f", {format_quantity(device.launch, 's')} to start a kernel"
    return f"{device.kind}, {format_quantity(device.clock, 'Hz')}{launch}{idle}"


def _level_text(level: Level) -> str:
    parts = [
        "" if level.size is None else format_size(level.size),
        "" if level.bandwidth is None else format_quantity(level.bandwidth, "B/s"),
        "" if level.latency is None else format_quantity(level.latency, "s"),
        "" if level.energy is None else format_quantity(level.energy, "J/B"),
    ]
    return ", ".join(part for part in parts if part)


def _rates_text(rates: Any, most: int = 4) -> str:
    texts = [f"{dtype} {format_quantity(rate, 'op/s', digits=3)}" for dtype, rate in rates.items()]
    return ", ".join(texts[:most]) + (", ..." if len(texts) > most else "")
