"""A device with other numbers: all at one end of their ranges, or one of them changed.

Only what costs depend on is touched: rates, bandwidths, latencies and the launch. What decides how programs are cut
(sizes, counts, lanes) stays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace

from stratagem.hwmodels.model import Device, Level, Unit

Change = Callable[[str, float, bool], float]
"""(path such as "levels.dram.bandwidth", value in SI units, whether more is better) -> the new value."""


def scaled(device: Device, change: Change) -> Device:
    """The device with every rate, bandwidth, latency and its launch changed."""
    told: list[str] = []

    def note(path: str, value: float, more_is_better: bool) -> float:
        new = change(path, value, more_is_better)
        told.append(f"{path}={new!r}")
        return new

    changed = replace(
        device,
        levels=tuple(_level(level, note) for level in device.levels),
        units=tuple(_unit(unit, note) for unit in device.units),
        launch=None if device.launch is None else note("launch", device.launch, False),
    )
    # Devices are compared by digest.
    return replace(changed, digest=hashlib.sha256("\n".join([device.digest, *told]).encode()).hexdigest())


def at_end(device: Device, *, best: bool) -> Device:
    """The device with all these numbers at the end of their ranges that makes everything fastest, or slowest."""

    def end(path: str, value: float, more_is_better: bool) -> float:
        low, high = device.trust(path).interval(value)
        return high if more_is_better == best else low

    return scaled(device, end)


def with_factor(device: Device, path: str, factor: float) -> Device:
    """The device with one number times `factor`."""
    return scaled(device, lambda at, value, _: value * factor if at == path else value)


def changeable(device: Device) -> dict[str, float]:
    """Path -> value of all numbers that these functions change."""
    found: dict[str, float] = {}

    def note(path: str, value: float, _: bool) -> float:
        found[path] = value
        return value

    scaled(device, note)
    return found


def _level(level: Level, change: Change) -> Level:
    bandwidth, latency = f"levels.{level.name}.bandwidth", f"levels.{level.name}.latency"
    return replace(
        level,
        bandwidth=None if level.bandwidth is None else change(bandwidth, level.bandwidth, True),
        bandwidths=_each(level.bandwidths, bandwidth, change, True),
        latency=None if level.latency is None else change(latency, level.latency, False),
        latencies=_each(level.latencies, latency, change, False),
    )


def _unit(unit: Unit, change: Change) -> Unit:
    here = f"units.{unit.name}"
    return replace(
        unit,
        rate=_each(unit.rate, f"{here}.rate", change, True),
        latency=None if unit.latency is None else change(f"{here}.latency", unit.latency, False),
    )


def _each(table: Mapping[str, float], path: str, change: Change, more_is_better: bool) -> dict[str, float]:
    return {key: change(f"{path}.{key}", value, more_is_better) for key, value in table.items()}
