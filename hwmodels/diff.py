"""Two descriptions beside each other: the keys that differ, and the figures that follow from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from stratagem.hwmodels.derive import dtypes_of, operations_per_byte, totals
from stratagem.hwmodels.describe import Rows, table
from stratagem.hwmodels.errors import HardwareFileError, Place, Problem
from stratagem.hwmodels.model import Device, System
from stratagem.hwmodels.remarks import money
from stratagem.hwmodels.units import format_quantity, format_size

OWN = ("name", "digest", "document", "provenance", "source", "functions", "status")  # of a whole description
BASES = {
    "bandwidth": "B/s",
    "latency": "s",
    "launch": "s",
    "energy": "J/B",
    "clock": "Hz",
    "rate": "op/s",
    "peak": "op/s",
    "power": "W",
    "idle": "W",
}
MONEY = ("price", "capex", "rent", "pue", "carbon", "lifetime", "embodied_carbon")


@dataclass(frozen=True)
class Difference:
    """One key (or derived figure) that differs, in base units; None where a side does not have it."""

    path: str
    left: Any
    right: Any
    derived: bool = False

    @property
    def ratio(self) -> float | None:
        """How many times the left one the right one is."""
        numbers = isinstance(self.left, int | float) and isinstance(self.right, int | float)
        return self.right / self.left if numbers and self.left else None


def differences(left: Device | System, right: Device | System) -> list[Difference]:
    """Every key whose value differs, then every derived figure; HardwareFileError for a device and a system."""
    if isinstance(left, Device) != isinstance(right, Device):
        message = "one is a device and the other a system"
        raise HardwareFileError([Problem(Place(f"{left.name} and {right.name}"), "", message)])
    found = [*compared(dict(keys_of(left)), dict(keys_of(right)), derived=False)]
    return [*found, *compared(dict(derived_of(left)), dict(derived_of(right)), derived=True)]


def compared(left: Mapping[str, Any], right: Mapping[str, Any], *, derived: bool) -> Iterator[Difference]:
    """What differs between two tables, in the order of the left one."""
    for path in dict.fromkeys((*left, *right)):
        if left.get(path) != right.get(path):
            yield Difference(path, left.get(path), right.get(path), derived)


def keys_of(machine: Device | System) -> Iterator[tuple[str, Any]]:
    """Every key of a description with its value in base units; those of a system's devices below their members."""
    for field in fields(machine):
        if field.name not in OWN:
            yield from leaves(getattr(machine, field.name), field.name)


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The values below a path: records by attribute, maps by key, lists of named records by name."""
    if isinstance(value, Device):
        yield f"{path}.name", value.name
        for below, leaf in keys_of(value):
            yield f"{path}.{below}", leaf
    elif is_dataclass(value):
        for field in fields(value):
            if field.name != "name":
                yield from leaves(getattr(value, field.name), f"{path}.{field.name}")
    elif isinstance(value, Mapping):
        for key, below in value.items():
            yield from leaves(below, f"{path}.{key}")
    elif isinstance(value, tuple) and value and all(hasattr(item, "name") for item in value):
        for position, item in enumerate(value):
            yield from leaves(item, f"{path}.{item.name or position}")
    elif value not in (None, (), ""):
        yield path, list(value) if isinstance(value, tuple) else value


def derived_of(machine: Device | System) -> Iterator[tuple[str, Any]]:
    """The figures that follow from a description."""
    if isinstance(machine, Device):
        for dtype in dtypes_of(machine):
            yield f"peak of all.{dtype}", machine.peak_rate(dtype)
        for level in machine.memories():
            if level.bandwidth:
                yield f"bandwidth of all.{level.name}", machine.level_bandwidth(level.name)
                for dtype in dtypes_of(machine):
                    yield f"balance.{level.name}.{dtype}", machine.balance(level.name, dtype)
        return
    for tier in machine.tiers:
        ratio = operations_per_byte(machine, tier)
        if ratio is not None:
            yield f"balance.{tier.name}.{ratio[1]}", ratio[0]
    yield from leaves(totals(machine), "totals")


def difference_lines(left: Device | System, right: Device | System) -> Iterator[str]:
    """The differences as text."""
    found = differences(left, right)
    if not found:
        yield f"{left.name} and {right.name} are the same"
        return
    for derived, title in ((False, "key"), (True, "derived")):
        rows: Rows = [(title, left.name, right.name, "ratio")]
        for difference in found:
            if difference.derived == derived:
                ratio = "" if difference.ratio is None else f"{difference.ratio:.3g}"
                sides = (shown(difference.path, value) for value in (difference.left, difference.right))
                rows.append((difference.path, *sides, ratio))
        if len(rows) > 1:
            yield from table(rows)
            yield ""


def shown(path: str, value: Any) -> str:
    """A value in the unit of its key."""
    steps = path.split(".")
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if "size" in steps or steps[-1] in ("granule", "burst", "memory"):
        return format_size(value)
    if steps[-2:] in (["pins", "rate"], ["ports", "rate"]):
        return format_quantity(value * 8, "bit/s")
    if "balance" in steps:
        return f"{value:.3g} op/B"
    if steps[-1] in MONEY:
        return money(steps[-1], value)
    if "energy" in steps and "units" in steps:
        return format_quantity(value, "J/op")
    if steps[0] in ("power", "peak of all", "bandwidth of all"):
        return format_quantity(value, {"power": "W", "peak of all": "op/s"}.get(steps[0], "B/s"))
    base = next((BASES[step] for step in reversed(steps) if step in BASES), "")
    return format_quantity(value, base) if base and not isinstance(value, int) else f"{value:,.6g}"
