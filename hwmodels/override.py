"""A machine with other numbers in its description, by key: `levels.l2.size` -> `512 KiB`.

The changed description is read like any file, with every check. A number that is replaced keeps its origin and spread:
what is asked is "how if it were so", not "who says so". A stated `peak` is left out where what it follows from changes:
it is the sum of the machine as it was, and only checked against.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from stratagem.hwmodels.assemble import system_from
from stratagem.hwmodels.dump import minimal_system, yaml_text
from stratagem.hwmodels.errors import HardwareFileError, Place, Problem
from stratagem.hwmodels.locate import parse_text
from stratagem.hwmodels.model import System
from stratagem.hwmodels.nearest import did_you_mean
from stratagem.hwmodels.nodes import Scalar, node_of
from stratagem.hwmodels.schema.device import DeviceFile
from stratagem.hwmodels.schema.system import SystemFile
from stratagem.hwmodels.schema.validate import validate
from stratagem.hwmodels.trust import KINDS
from stratagem.hwmodels.units import UnitError, parse_quantity

MEMBERS = "members"
NUMBERS = ("value", *KINDS)
VERSION = "hw"


def stated_numbers(machine: System) -> dict[str, Scalar]:
    """Every number that the description states -> the number as written.

    Keys of a device stand alone where the machine was made from it or has one device; where a system has several,
    below `members.NAME.`. Keys of a system (`tiers.node.link.bandwidth`) stand alone always.
    """
    return {key: _written(place) for document in _documents(machine) for key, place in _leaves(machine, document)}


def stated(machine: System, key: str) -> Scalar:
    """The number at a key as written; HardwareFileError, with the nearest key, where the description has none."""
    document, steps = _find(machine, _documents(machine), key)
    return _written(dict(_numbers(document))[".".join(steps)])


def with_values(machine: System, values: Mapping[str, Scalar]) -> System:
    """The machine with other numbers.

    Args:
        values: key -> number with its unit, as a file would have it.

    HardwareFileError: a key that the description does not state (with the nearest that it does), a unit that does not
    fit, or a description that contradicts itself.
    """
    documents = _documents(machine)
    for key, value in values.items():
        holder, steps = _find(machine, documents, key)
        _put(holder, steps, value)
        if steps[0] == "clock" or steps[-1] == "count" or set(steps) & {"lanes", "rate"}:
            holder.pop("peak", None)
    return _built(machine, documents)


def unit_problems(machine: System, key: str, value: Scalar) -> list[Problem]:
    """What the schema says against a value at a key, by its unit and kind; not whether it fits the other numbers."""
    documents = _documents(machine)
    holder, steps = _find(machine, documents, key)
    _put(holder, steps, value)
    record = SystemFile if "system" in holder else DeviceFile
    root = node_of(holder, Place(machine.name))
    label = ".".join(steps)
    return [p for p in validate(record, root)[1] if p.path == label or p.path.startswith(f"{label}.")]


def _documents(machine: System) -> list[dict[str, Any]]:
    """Copies of the members' descriptions, then the system's own, where it has one."""
    devices = {m.device.name: copy.deepcopy(dict(m.device.document)) for m in machine.members.values()}
    own = [copy.deepcopy(dict(machine.document))] if machine.document else []
    return [*devices.values(), *own]


def _prefixes(machine: System, document: Mapping[str, Any]) -> list[str]:
    """What the keys of a document begin with: the names of members that are such a device, and nothing where it is
    clear which device is meant."""
    if "system" in document:
        return [""]
    members = [name for name, member in machine.members.items() if member.device.name == document["device"]]
    alone = len({m.device.name for m in machine.members.values()}) == 1 or document["device"] == machine.name
    return [*([""] if alone else []), *(f"{MEMBERS}.{name}." for name in members)]


def _leaves(machine: System, document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    prefix = _prefixes(machine, document)[0]
    for key, value in _numbers(document):
        yield prefix + key, value


def _numbers(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Keys of a document that hold a number, with what stands there."""
    if _is_number(value):
        yield path, value
    elif isinstance(value, dict) and path != "source":
        for key, below in value.items():
            if key == VERSION:
                continue
            yield from _numbers(below, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict) and "name" in item:
                yield from _numbers(item, f"{path}.{item['name']}")


def _is_number(value: Any) -> bool:
    if isinstance(value, dict):
        return any(key in value and not isinstance(value[key], dict) for key in NUMBERS)
    if isinstance(value, str):
        try:
            return parse_quantity(value).text != ""
        except UnitError:
            return False
    return isinstance(value, int | float) and not isinstance(value, bool)


def _written(value: Any) -> Scalar:
    """A number as it stands in the file, the most trusted one where there are several."""
    if not isinstance(value, dict):
        written: Scalar = value
        return written
    found = value[next(key for key in (*KINDS, "value") if key in value)]
    return str(found[0]) if isinstance(found, list) else found


def _find(machine: System, documents: list[dict[str, Any]], key: str) -> tuple[dict[str, Any], list[str]]:
    """The document that states a number, and the steps to it."""
    for document in documents:
        for prefix in _prefixes(machine, document):
            rest = key.removeprefix(prefix)
            if key.startswith(prefix) and rest in dict(_numbers(document)):
                return document, rest.split(".")
    known = stated_numbers(machine)
    hint = did_you_mean(key, known) or f"`stratagem hw show {machine.name}` shows its numbers"
    message = "the description states no such number"
    raise HardwareFileError([Problem(Place(machine.name), key, message, hint)])


def _put(document: dict[str, Any], steps: list[str], value: Scalar) -> None:
    holder: Any = document
    while True:
        step, name = _step(holder, steps)
        if len(name) == len(steps):
            break
        holder, steps = holder[step], steps[len(name) :]
    old = holder[step]
    if not isinstance(old, dict):
        holder[step] = value
        return
    kinds = [kind for kind in KINDS if kind in old]
    kept = {k: v for k, v in old.items() if k not in NUMBERS}
    holder[step] = {"value": value, **({"kind": kinds[0]} if kinds else {}), **kept}


def _step(holder: Any, steps: list[str]) -> tuple[Any, list[str]]:
    """The index of the next step, and the parts of the path that it takes: names may hold dots."""
    names = (
        {item["name"]: position for position, item in enumerate(holder) if isinstance(item, dict) and "name" in item}
        if isinstance(holder, list)
        else {str(key): key for key in holder}
    )
    taken = next(n for n in range(len(steps), 0, -1) if ".".join(steps[:n]) in names)
    return names[".".join(steps[:taken])], steps[:taken]


def _built(machine: System, documents: list[dict[str, Any]]) -> System:
    """A machine from changed documents; problems name the machine, whose text has no lines that anybody wrote."""
    if not machine.document:
        documents = [*documents, minimal_system(machine)]
    try:
        return system_from(parse_text(yaml_text([*documents]), machine.name)[-1])
    except HardwareFileError as error:
        raise HardwareFileError(replace(p, place=Place(machine.name)) for p in error.problems) from None
