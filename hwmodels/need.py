"""Numbers that a question needs: there, or an error that names both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stratagem.hwmodels.errors import HardwareFileError, Place, Problem
from stratagem.hwmodels.model import Device, System
from stratagem.hwmodels.nearest import did_you_mean


class MissingNumberError(HardwareFileError):
    """A question needs a number that the description does not give; `path` and `question` name them."""

    def __init__(self, machine: str, path: str, question: str) -> None:
        self.path, self.question = path, question
        message = f"'{question}' needs this number, and the description of '{machine}' does not give it"
        hint = f"add '{path}' with its source, or an assumed value with a spread"
        super().__init__([Problem(Place(machine), path, message, hint)])


def needed(machine: Device | System, path: str, question: str) -> float:
    """The number at a key path, in base SI units.

    Args:
        path: as in reports: "levels.dram.energy", "units.fma.energy.f32", "power.idle", "launch",
        "tiers.node.link.energy", "cost.carbon".
        question: what the number is for, such as "energy of a kernel".

    MissingNumberError when the description leaves the number out; KeyError when it has no such part at all.
    """
    found: Any = machine
    for step in path.split("."):
        if found is None:
            break
        found = below(found, step, path)
    if isinstance(found, int | float):
        return found
    if found is not None:
        raise KeyError(f"'{path}' is no single number")
    raise MissingNumberError(machine.name, path, question)


def below(record: Any, step: str, path: str) -> Any:
    """One step down: an attribute, a key, or the item called so."""
    if isinstance(record, Mapping):
        return record.get(step, record.get(step.replace("-", "_")))
    if isinstance(record, tuple):
        items = {item.name: item for item in record}
        if step not in items:
            raise KeyError(f"'{path}': nothing is called '{step}'; {did_you_mean(step, items) or ', '.join(items)}")
        return items[step]
    name = step.replace("-", "_")
    if not hasattr(record, name):
        raise KeyError(f"'{path}': there is no '{step}'")
    return getattr(record, name)
