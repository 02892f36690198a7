"""Consistency of a device: what a schema cannot say. Every check yields its problems; all run.

Each check catches a mistake found in published hardware descriptions: peaks that do not follow from the
units, inner memories larger than outer ones, powers that are off by a unit prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from stratagem.hwmodels.checks.levels import LEVEL_CHECKS
from stratagem.hwmodels.checks.report import problem
from stratagem.hwmodels.checks.source import source_problems
from stratagem.hwmodels.checks.units import UNIT_CHECKS
from stratagem.hwmodels.errors import Problem
from stratagem.hwmodels.model import Device
from stratagem.hwmodels.nearest import did_you_mean
from stratagem.hwmodels.nodes import Node
from stratagem.hwmodels.schema.base import COLLECTIVES
from stratagem.hwmodels.units import format_quantity

Check = Callable[[Device, Node], Iterator[Problem]]

# From analogue arrays to near-memory cores that carry their DRAM along: outside, a prefix is wrong.
ENERGY_PER_OP = (0.01e-12, 1000e-12)
CLOCKS = (1e5, 1e11)


def device_problems(device: Device, root: Node) -> list[Problem]:
    """Every inconsistency of a device, in file order."""
    found = {found for check in (*LEVEL_CHECKS, *UNIT_CHECKS, *CHECKS) for found in check(device, root)}
    return sorted(found.union(source_problems(root)))


def power_fits_peak(device: Device, root: Node) -> Iterator[Problem]:
    """Idle power is not above the maximum; maximum over peak is a credible energy per operation."""
    idle, most = device.power.idle, device.power.max
    if idle is not None and most is not None and idle > most:
        yield problem(root, ("power", "idle"), f"idle power {idle:g} W is above the maximum {most:g} W")
    fastest = max(device.peak.values(), default=0.0)
    if not most or not fastest:
        return
    energy, (low, high) = most / fastest, ENERGY_PER_OP
    if not low <= energy <= high:
        text = format_quantity(energy, "J/op")
        message = f"{most:g} W over the peak is {text}, outside {low * 1e12:g} to {high * 1e12:g} pJ/op"
        yield problem(root, ("power", "max"), message, "check the prefixes of power and peak")


def clock_is_plausible(device: Device, root: Node) -> Iterator[Problem]:
    """A clock between 100 kHz and 100 GHz."""
    if not CLOCKS[0] <= device.clock <= CLOCKS[1]:
        message = f"a clock of {format_quantity(device.clock, 'Hz')} is outside 100 kHz to 100 GHz"
        yield problem(root, ("clock",), message)


def own_functions_are_new(device: Device, root: Node) -> Iterator[Problem]:
    """A file does not give a built-in function another meaning."""
    from stratagem.hwmodels.functions import builtin_functions

    for name in (root.child("functions") or root).mapping() if root.child("functions") else ():
        if name in builtin_functions():
            message = f"the function '{name}' is built in and means {builtin_functions()[name].text}"
            yield problem(root, ("functions", name), message, "choose another name")


def links_join_levels(device: Device, root: Node) -> Iterator[Problem]:
    """Extra paths start and end at levels."""
    levels = [level.name for level in device.levels]
    for position, edge in enumerate(device.links):
        for key, name in (("from", edge.source), ("to", edge.target)):
            if name not in levels:
                hint = did_you_mean(name, levels) or f"levels are {', '.join(levels)}"
                yield problem(root, ("links", position, key), f"no level is called '{name}'", hint)


def collectives_are_known(device: Device, root: Node) -> Iterator[Problem]:
    """Supported and forbidden collectives exist and do not overlap."""
    for key, names in (("supports", device.collectives.supports), ("forbids", device.collectives.forbids)):
        for place, name in enumerate(names):
            path = ("collectives", key, place)
            if name not in COLLECTIVES:
                hint = did_you_mean(name, COLLECTIVES) or f"collectives are {', '.join(COLLECTIVES)}"
                yield problem(root, path, f"unknown collective '{name}'", hint)
            elif key == "forbids" and name in device.collectives.supports:
                yield problem(root, path, f"'{name}' is both supported and forbidden")


CHECKS: tuple[Check, ...] = (
    power_fits_peak,
    clock_is_plausible,
    own_functions_are_new,
    links_join_levels,
    collectives_are_known,
)
