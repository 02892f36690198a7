"""Consistency of a device: what a schema cannot say. Every check yields its problems; all run.

Each check catches a mistake found in published hardware descriptions: peaks that do not follow from the
units, inner memories larger than outer ones, powers that are off by a unit prefix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from stratagem.hwmodels.checks.levels import LEVEL_CHECKS
from stratagem.hwmodels.checks.report import problem, source_is_named
from stratagem.hwmodels.errors import Problem
from stratagem.hwmodels.model import Device
from stratagem.hwmodels.nearest import did_you_mean
from stratagem.hwmodels.nodes import Node
from stratagem.hwmodels.schema.base import COLLECTIVES
from stratagem.hwmodels.units import format_quantity

Check = Callable[[Device, Node], Iterator[Problem]]

PEAK_TOLERANCE = 0.02
# From analogue arrays to near-memory cores that carry their DRAM along: outside, a prefix is wrong.
ENERGY_PER_OP = (0.01e-12, 1000e-12)
CLOCKS = (1e5, 1e11)


def device_problems(device: Device, root: Node) -> list[Problem]:
    """Every inconsistency of a device, in file order."""
    found = {found for check in (*LEVEL_CHECKS, *CHECKS) for found in check(device, root)}
    return sorted(found.union(source_is_named(root)))


def units_fit_levels(device: Device, root: Node) -> Iterator[Problem]:
    """Every unit sits at a level that exists, under a name of its own."""
    levels = [level.name for level in device.levels]
    names = [unit.name for unit in device.units]
    for position, unit in enumerate(device.units):
        if unit.at not in levels:
            hint = did_you_mean(unit.at, levels) or f"levels are {', '.join(levels)}"
            yield problem(root, ("units", position, "at"), f"no level is called '{unit.at}'", hint)
        if names.index(unit.name) != position:
            yield problem(root, ("units", position, "name"), f"two units are called '{unit.name}'")


def units_have_functions(device: Device, root: Node) -> Iterator[Problem]:
    """Every unit does something, and all it does is known."""
    for position, unit in enumerate(device.units):
        if not unit.functions:
            yield problem(root, ("units", position), "the unit has no functions")
        for place, name in enumerate(unit.functions):
            if name not in device.functions:
                hint = did_you_mean(name, device.functions) or "define it under 'functions'"
                path = ("units", position, "functions", place)
                yield problem(root, path, f"unknown function '{name}'", hint)


def units_have_rates(device: Device, root: Node) -> Iterator[Problem]:
    """Every unit has a speed, given once per dtype; tiles and energies are for dtypes with a speed."""
    for position, unit in enumerate(device.units):
        here = ("units", position)
        entry = root.at(here)
        lanes = set((entry.child("lanes") or entry).mapping()) if entry.child("lanes") else set()
        rates = set((entry.child("rate") or entry).mapping()) if entry.child("rate") else set()
        if not unit.rate:
            yield problem(root, here, "the unit has no speed", "give 'lanes' or 'rate' by dtype")
        for dtype in sorted(lanes & rates):
            message = f"{dtype} has both lanes and a rate"
            yield problem(root, (*here, "rate", dtype), message, "give one of them")
        for key, table in (("tile", unit.tile), ("energy", unit.energy)):
            for dtype in sorted(set(table) - set(unit.rate)):
                message = f"the unit has no lanes and no rate for {dtype}"
                yield problem(root, (*here, key, dtype), message)


def peaks_follow_from_units(device: Device, root: Node) -> Iterator[Problem]:
    """A declared peak equals units x rate within 2 %."""
    if any(unit.at not in {level.name for level in device.levels} for unit in device.units):
        return
    for dtype, declared in device.peak.items():
        derived = device.peak_rate(dtype)
        if derived == 0:
            yield problem(root, ("peak", dtype), f"no unit has lanes or a rate for {dtype}")
        elif abs(derived - declared) > PEAK_TOLERANCE * declared:
            stated, found = format_quantity(declared, "op/s"), format_quantity(derived, "op/s")
            message = f"declared {stated}, but the units give {found} (count x rate x clock)"
            yield problem(root, ("peak", dtype), message, "peaks are dense and agree within 2%")


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
    units_fit_levels,
    units_have_functions,
    units_have_rates,
    peaks_follow_from_units,
    power_fits_peak,
    clock_is_plausible,
    own_functions_are_new,
    links_join_levels,
    collectives_are_known,
)
