"""Consistency of a device's units."""

from __future__ import annotations

from collections.abc import Iterator

from stratagem.hwmodels.checks.report import problem
from stratagem.hwmodels.conventions import CONVENTIONS, PASSED
from stratagem.hwmodels.errors import Problem
from stratagem.hwmodels.model import Device
from stratagem.hwmodels.nearest import did_you_mean
from stratagem.hwmodels.nodes import Node
from stratagem.hwmodels.units import format_quantity

PEAK_TOLERANCE = 0.02


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
    """Every unit has a speed, given once per dtype; tiles, shares and energies are for dtypes with a speed."""
    for position, unit in enumerate(device.units):
        here = ("units", position)
        entry = root.at(here)
        lanes = set((entry.child("lanes") or entry).mapping()) if entry.child("lanes") else set()
        rates = set((entry.child("rate") or entry).mapping()) if entry.child("rate") else set()
        if not unit.rate:
            yield problem(root, here, "the unit has no speed", "give 'lanes' or 'rate' by dtype")
        for dtype in sorted(lanes & rates):
            if device.trust(f"units.{unit.name}.rate.{dtype}").kind in ("measured", "simulated"):
                continue  # found on top of what is declared: lanes still say how wide vectors are
            message = f"{dtype} has both lanes and a rate"
            yield problem(root, (*here, "rate", dtype), message, "give one of them, or a measured rate")
        for key, table in (("tile", unit.tile), ("utilisation", unit.utilisation), ("energy", unit.energy)):
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
            sparse = abs(device.sparse_rate(dtype) - declared) <= PEAK_TOLERANCE * declared
            hint = "this is the rate on sparse weights; " if sparse else ""
            yield problem(root, ("peak", dtype), message, f"{hint}peaks are dense and agree within 2%")


def sparse_rates_fit(device: Device, root: Node) -> Iterator[Problem]:
    """A rate on sparse weights stands beside a dense one, and is faster by no more than its pattern allows."""
    for position, unit in enumerate(device.units):
        for dtype, rate in unit.sparse.rate.items() if unit.sparse else ():
            dense, path = unit.rate.get(dtype), ("units", position, "sparse", "rate", dtype)
            if dense is None:
                message = f"there is no dense rate for {dtype}"
                yield problem(root, path, message, "give it under 'rate' or 'lanes': peaks are dense")
            elif unit.sparse and not dense <= rate <= dense * unit.sparse.gain * (1 + PEAK_TOLERANCE):
                message = f"{rate / dense:.3g} times the dense rate"
                hint = f"'{unit.sparse.pattern}' allows 1 to {unit.sparse.gain:.3g} times"
                yield problem(root, path, message, hint)


def library_calls_fit(device: Device, root: Node) -> Iterator[Problem]:
    """A library does functions of its unit, what its convention says, on dtypes that it has symbols for; it is software
    that runs on other units."""
    for position, unit in enumerate(device.units):
        here = ("units", position)
        for name, call in unit.calls.items():
            path, meaning = (*here, "calls", name), CONVENTIONS[call.convention]
            if name not in unit.functions:
                hint = did_you_mean(name, unit.functions) or f"its functions are {', '.join(unit.functions)}"
                yield problem(root, path, f"the unit '{unit.name}' does no {name}", hint)
            elif name in device.functions and device.functions[name].text != meaning:
                message = f"'{call.convention}' computes {meaning}, and {name} is {device.functions[name].text}"
                yield problem(root, (*path, "convention"), message)
            for dtype in sorted(set(call.symbols) - set(PASSED)):
                message = f"'{call.convention}' passes {' and '.join(PASSED)}, no {dtype}"
                yield problem(root, (*path, "symbols", dtype), message)
            for dtype in sorted(set(unit.rate) - set(call.symbols)):
                message = f"the unit has a rate for {dtype}, and the library no symbol"
                yield problem(root, (*path, "symbols"), message, f"name the function for {dtype}, or drop the rate")
        if unit.calls and not unit.emulated:
            message = f"the unit '{unit.name}' is a library, which adds nothing to a peak"
            yield problem(root, here, message, "say 'emulated: true'")


UNIT_CHECKS = (
    units_fit_levels,
    library_calls_fit,
    units_have_functions,
    units_have_rates,
    peaks_follow_from_units,
    sparse_rates_fit,
)
