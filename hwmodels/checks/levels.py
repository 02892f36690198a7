"""Consistency of a device's levels."""

from __future__ import annotations

from collections.abc import Iterator

from stratagem.hwmodels.checks.report import problem, wires_fit
from stratagem.hwmodels.errors import Problem
from stratagem.hwmodels.model import MEMORY_KINDS, Device, Level
from stratagem.hwmodels.nodes import Node
from stratagem.hwmodels.units import format_quantity

TOLERANCE = 1.02  # numbers of different levels come from different sources


def level_names_differ(device: Device, root: Node) -> Iterator[Problem]:
    """Every level has a name of its own, and a memory space of its own if any."""
    names = [level.name for level in device.levels]
    spaces = [level.space for level in device.levels]
    for position, level in enumerate(device.levels):
        if names.index(level.name) != position:
            yield problem(root, ("levels", position, "name"), f"two levels are called '{level.name}'")
        if level.space is not None and spaces.index(level.space) != position:
            first = names[spaces.index(level.space)]
            message = f"the memory space {level.space} is that of '{first}' already"
            yield problem(root, ("levels", position, "space"), message)


def memories(device: Device) -> list[tuple[int, Level]]:
    """Positions and levels that hold data, outermost first."""
    return [(n, level) for n, level in enumerate(device.levels) if level.kind in MEMORY_KINDS]


def sizes_shrink_inward(device: Device, root: Node) -> Iterator[Problem]:
    """One piece of an inner memory is not larger than one piece of the memory around it."""
    outer: Level | None = None
    for position, level in memories(device):
        if level.size is None:
            continue
        if outer is not None and outer.size is not None and level.size > outer.size:
            inside = format_quantity(level.size, "B", binary=True)
            around = format_quantity(outer.size, "B", binary=True)
            message = f"{inside} is larger than '{outer.name}' around it ({around})"
            yield problem(root, ("levels", position, "size"), message, "levels go from the outside in")
        outer = level


def inner_levels_are_faster(device: Device, root: Node) -> Iterator[Problem]:
    """All pieces of an inner memory together are not slower than the memory around them."""
    outer_rate: tuple[str, float] | None = None
    outer_wait: tuple[str, float] | None = None
    for position, level in memories(device):
        rate = device.level_bandwidth(level.name)
        if rate is not None:
            if outer_rate is not None and rate * TOLERANCE < outer_rate[1]:
                inside, around = (format_quantity(value, "B/s") for value in (rate, outer_rate[1]))
                message = f"{inside} for all of it is slower than '{outer_rate[0]}' around it ({around})"
                yield problem(root, ("levels", position, "bandwidth"), message)
            outer_rate = level.name, rate
        if level.latency is not None:
            if outer_wait is not None and level.latency > outer_wait[1] * TOLERANCE:
                inside, around = (format_quantity(value, "s") for value in (level.latency, outer_wait[1]))
                message = f"{inside} is longer than '{outer_wait[0]}' around it takes ({around})"
                yield problem(root, ("levels", position, "latency"), message)
            outer_wait = level.name, level.latency


def granules_fit(device: Device, root: Node) -> Iterator[Problem]:
    """Granules are powers of two, bursts whole granules, and both fit the level."""
    for position, level in enumerate(device.levels):
        here = ("levels", position)
        if level.granule < 1 or level.granule & (level.granule - 1):
            yield problem(root, (*here, "granule"), f"{level.granule} B is not a power of two")
        elif level.burst is not None and level.burst % level.granule:
            message = f"a burst of {level.burst} B is not a multiple of the granule of {level.granule} B"
            yield problem(root, (*here, "burst"), message)
        for key, value in (("granule", level.granule), ("burst", level.burst)):
            if value is not None and level.size is not None and value > level.size:
                message = f"{value} B is more than the level holds ({level.size} B)"
                yield problem(root, (*here, key), message)


def keys_fit_the_kind(device: Device, root: Node) -> Iterator[Problem]:
    """A group has no storage; only a group has threads; only weights have a cost of writing."""
    for position, level in enumerate(device.levels):
        entry = root.at(("levels", position)).mapping()
        storage = ("size", "granule", "burst", "bandwidth", "latency", "energy", "space", "pins")
        if level.kind == "group":
            wrong = dict.fromkeys(storage, "a group holds no data")
        else:
            wrong = dict.fromkeys(("threads", "threads-for-peak"), "only a group has threads")
        if level.kind != "weights":
            wrong["write"] = "only a weights level has it"
        for key, reason in wrong.items():
            if key in entry:
                message = f"does not fit the kind '{level.kind}': {reason}"
                yield problem(root, ("levels", position, key), message)
        if level.kind in MEMORY_KINDS and level.size is None:
            yield problem(root, ("levels", position), f"a {level.kind} needs a size")


def threads_reach_peak(device: Device, root: Node) -> Iterator[Problem]:
    """The threads needed for the full rate exist."""
    for position, level in enumerate(device.levels):
        there = level.threads or level.count
        if level.threads_for_peak is not None and level.threads_for_peak > there:
            message = f"{level.threads_for_peak} threads are needed for the peak, and there are {there}"
            yield problem(root, ("levels", position, "threads-for-peak"), message)


def pins_carry_the_bandwidth(device: Device, root: Node) -> Iterator[Problem]:
    """Bandwidth is pins times rate where both are given."""
    for position, level in enumerate(device.levels):
        yield from wires_fit(root, ("levels", position), "pins", level.bandwidth, level.pins)


LEVEL_CHECKS = (
    level_names_differ,
    sizes_shrink_inward,
    inner_levels_are_faster,
    granules_fit,
    keys_fit_the_kind,
    threads_reach_peak,
    pins_carry_the_bandwidth,
)
