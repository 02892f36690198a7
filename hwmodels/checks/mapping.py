"""Consistency of a mapping with the system it is for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod

from stratagem.hwmodels.checks.report import problem
from stratagem.hwmodels.errors import Problem
from stratagem.hwmodels.model import System
from stratagem.hwmodels.nearest import did_you_mean
from stratagem.hwmodels.nodes import Node
from stratagem.hwmodels.schema.system import MappingFile


def mapping_problems(record: MappingFile, root: Node, system: System) -> Iterator[Problem]:
    """Axes, tiers, units, levels and functions that do not exist, and meshes that do not fit."""
    places = prod(record.mesh.values())
    counts = {name: member.count for name, member in system.members.items()}
    if record.mesh and places not in counts.values():
        have = ", ".join(f"{count} {name}" for name, count in counts.items())
        yield problem(root, ("mesh",), f"the mesh has {places} places, and {system.name} has {have}")
    tiers = {tier.name: tier.count for tier in system.tiers}
    for axis, tier in record.bind.items():
        if axis not in record.mesh:
            yield problem(root, ("bind", axis), f"the mesh has no axis '{axis}'", known(axis, record.mesh, "axes"))
        elif tier not in tiers:
            yield problem(root, ("bind", axis), f"{system.name} has no tier '{tier}'", known(tier, tiers, "tiers"))
        elif record.mesh[axis] > tiers[tier]:
            message = f"the axis has {record.mesh[axis]} places, and the tier '{tier}' has {tiers[tier]}"
            yield problem(root, ("bind", axis), message)
    yield from operator_problems(record, root, system)


def operator_problems(record: MappingFile, root: Node, system: System) -> Iterator[Problem]:
    """Operators name functions, and units and levels that some member's device has."""
    devices = [member.device for member in system.members.values()]
    functions = {name for device in devices for name in device.functions}
    units = {unit.name: unit for device in devices for unit in device.units}
    levels = {level.name for device in devices for level in device.levels}
    for name, entry in record.operators.items():
        here = ("operators", name)
        if name not in functions:
            yield problem(root, here, f"unknown function '{name}'", did_you_mean(name, functions))
        if entry.unit is not None and entry.unit not in units:
            yield problem(root, (*here, "unit"), f"no unit is called '{entry.unit}'", known(entry.unit, units, "units"))
        elif entry.unit is not None and name in functions and name not in units[entry.unit].functions:
            yield problem(root, (*here, "unit"), f"the unit '{entry.unit}' does no {name}")
        if entry.stage is not None and entry.stage not in levels:
            hint = known(entry.stage, levels, "levels")
            yield problem(root, (*here, "stage"), f"no level is called '{entry.stage}'", hint)


def known(name: str, names: Iterable[str], what: str) -> str:
    """The nearest name, or all of them."""
    listed = sorted(names)
    return did_you_mean(name, listed) or f"{what} are {', '.join(listed) or 'none'}"
