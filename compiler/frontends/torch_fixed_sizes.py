"""Says which free sizes a model fixes, from what torch.export reports."""

from __future__ import annotations

import re

_FIXED = re.compile(r"You marked (\S+) as dynamic but your code specialized it to be a constant \((-?\d+)\)")
_PLACE = re.compile(r"L\['(\w+)'\](.*)\.size\(\)\[(\d+)\]")


def fixed_sizes(report: str) -> str:
    """`it fixes dimension 1 of input x to 5`, for each size that the report names; empty where there is none."""
    found = dict.fromkeys((_place(name), value) for name, value in _FIXED.findall(report))
    return "it fixes " + " and ".join(f"{place} to {value}" for place, value in found) if found else ""


def _place(name: str) -> str:
    """torch's `L['x'].size()[1]` in words; a size that was given a name keeps it."""
    place = _PLACE.fullmatch(name)
    return f"dimension {place[3]} of input {place[1]}{place[2]}" if place else f"the free size '{name}'"
