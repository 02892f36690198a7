"""What the tables of a device leave out, a line each."""

from __future__ import annotations

from collections.abc import Iterator

from stratagem.hwmodels.derive import dtypes_of, outermost
from stratagem.hwmodels.model import Device, Level, Unit
from stratagem.hwmodels.units import format_quantity


def remarks(device: Device) -> Iterator[str]:
    """Every remark on a device, as far as its description says something."""
    outer = outermost(device)
    if outer:
        balances = ", ".join(f"{dtype} {device.balance(outer, dtype):.3g}" for dtype in dtypes_of(device))
        yield f"machine balance at {outer} (op/B): {balances}"
    for level in device.levels:
        yield from level_remarks(level)
    for unit in device.units:
        yield from unit_remarks(unit)
    for edge in device.links:
        speed = f", {format_quantity(edge.link.bandwidth, 'B/s')}" if edge.link.bandwidth else ""
        yield f"link outside the tree: {edge.source} - {edge.target} {edge.name}{speed}"
    together = device.collectives
    if together.via or together.forbids:
        forbids = f"; not {', '.join(together.forbids)}" if together.forbids else ""
        yield f"collectives via {together.via or 'links'}: {', '.join(together.supports) or 'none'}{forbids}"
    if device.power.max is not None:
        idle = "" if device.power.idle is None else f"{format_quantity(device.power.idle, 'W')} idle, "
        yield f"power: {idle}{format_quantity(device.power.max, 'W')} at most"
    if device.cost:
        yield f"cost: {', '.join(f'{key} {money(key, value)}' for key, value in device.cost.items())}"


def level_remarks(level: Level) -> Iterator[str]:
    """Pins, directions, threads and the cost of writing."""
    if level.pins:
        yield f"pins of {level.name}: {level.pins.count} x {format_quantity(level.pins.rate * 8, 'bit/s')}"
    if level.bandwidths:
        speeds = ", ".join(f"{way} {format_quantity(speed, 'B/s')}" for way, speed in level.bandwidths.items())
        yield f"bandwidth of {level.name} by direction: {speeds}"
    if level.threads_for_peak:
        yield f"{level.name}: {level.threads_for_peak} threads are needed for the full rate"
    if level.write:
        bases = {"latency": "s", "energy": "J/B", "endurance": "times"}
        costs = ", ".join(f"{key} {format_quantity(value, bases[key])}" for key, value in level.write.items())
        yield f"writing {level.name}: {costs}"


def unit_remarks(unit: Unit) -> Iterator[str]:
    """What stays in a unit, how long one operation takes, how far it is off, what it draws, which libraries it is."""
    parts = [f"{unit.stationary} stay in it"] if unit.stationary else []
    if unit.latency is not None:
        parts.append(f"{format_quantity(unit.latency, 's')} an operation")
    parts += [f"error {key} {value:.3g}" for key, value in unit.noise.items()]
    parts += [f"{dtype} {format_quantity(energy, 'J/op')}" for dtype, energy in unit.energy.items()]
    parts += [f"{name} by {', '.join(c.symbols.values())} of {c.library}" for name, c in unit.calls.items()]
    if parts:
        yield f"{unit.name}: {', '.join(parts)}"


def money(key: str, value: float) -> str:
    """A cost in the unit people read it in."""
    if key == "rent":
        return f"{value * 3600:.4g} USD/h"
    if key == "carbon":
        return f"{value * 3.6e9:.4g} g/kWh"
    if key == "lifetime":
        return f"{value / 31_557_600:.3g} year"
    if key == "pue":
        return f"{value:g}"
    return f"{value:.6g} kg" if key == "embodied_carbon" else format_quantity(value, "USD")
