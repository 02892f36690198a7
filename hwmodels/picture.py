"""A machine as a picture in text: levels from the outside in, tiers around members."""

from __future__ import annotations

from collections.abc import Iterator

from stratagem.hwmodels.model import Device, Level, Link, System, Tier
from stratagem.hwmodels.units import format_quantity, format_size

BRANCH, LAST, BAR, BLANK = "|-- ", "`-- ", "|   ", "    "


def device_picture(device: Device) -> Iterator[str]:
    """One line per level, deeper inside a group; beside it the units that work on its data."""
    depth = 0
    for level in device.levels:
        indent = BLANK * depth
        if level.kind == "group":
            threads = f", {level.threads} threads each" if level.threads else ""
            yield f"{indent}{level.count} x {level.name}{threads}"
            depth += 1
            continue
        units = [f"{unit.count} x {unit.name}" for unit in device.units if unit.at == level.name and not unit.emulated]
        yield f"{indent}{level_box(level)}" + (f"  <- {', '.join(units)}" if units else "")


def level_box(level: Level) -> str:
    """`16 x [l3 32 MiB] 691.2 GB/s`."""
    times = f"{level.count} x " if level.count > 1 else ""
    size = "" if level.size is None else f" {format_size(level.size)}"
    speed = "" if level.bandwidth is None else f" {format_quantity(level.bandwidth, 'B/s')}"
    return f"{times}[{level.name}{size}]{speed}"


def system_picture(system: System) -> Iterator[str]:
    """Tiers as a tree around the members, then the paths outside the tree."""
    inside = {name for tier in system.tiers for name in (*tier.joined, *tier.attached)}
    tops = [tier.name for tier in system.tiers if tier.name not in inside]
    tops += [name for name in system.members if name not in inside]
    yield system.name
    for position, name in enumerate(tops):
        yield from subtree(system, name, "", position == len(tops) - 1, 1, set())
    for path in system.links:
        count = f"{path.count} x " if path.count > 1 else ""
        yield f"{path.source} <-> {path.target}: {count}{path.name or 'link'}{link_text(path.link)}"


def subtree(system: System, name: str, indent: str, last: bool, count: int, seen: set[str]) -> Iterator[str]:
    """A tier with all it joins, or a member."""
    tier = next((tier for tier in system.tiers if tier.name == name and name not in seen), None)
    times = f"{count} x " if count > 1 else ""
    joint = LAST if last else BRANCH
    if tier is None:
        member = system.members[name]
        yield f"{indent}{joint}{times}{name}: {member.device.name} ({member.count} in all)"
        return
    yield f"{indent}{joint}{times}{name}: {tier_text(tier)}"
    below = [*tier.joined.items(), *tier.attached.items()]
    inner = indent + (BLANK if last else BAR)
    for position, (child, of_it) in enumerate(below):
        yield from subtree(system, child, inner, position == len(below) - 1, of_it, seen | {name})


def tier_text(tier: Tier) -> str:
    """Topology, link and switches of a tier."""
    switch = f", {tier.switch.count} switches" if tier.switch and tier.switch.count > 1 else ""
    return f"{tier.topology}{link_text(tier.link)}{switch}"


def link_text(link: Link) -> str:
    """What is known of a link, with a comma before each."""
    parts = []
    if link.bandwidth is not None:
        per = f" per {link.per}" if link.per else ""
        ports = f" ({link.ports.count} ports)" if link.ports and link.ports.count > 1 else ""
        parts.append(f"{format_quantity(link.bandwidth, 'B/s')}{per}{ports}")
    if link.latency is not None:
        parts.append(format_quantity(link.latency, "s"))
    return "".join(f", {part}" for part in parts)
