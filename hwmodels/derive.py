"""Figures that follow from others: balances, and peak, memory, power, money and carbon of a whole system.

A figure whose inputs are missing is None, never a guess; `needed` (need.py) tells which input a question lacks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stratagem.hwmodels.model import Device, Link, System, Tier


@dataclass(frozen=True)
class Totals:
    """Of a whole system, base SI units; None where a part of it is not known.

    Attributes:
        peak: dtype -> op/s of all members. memory: bytes of all outermost memories. idle, power: watts, with
        links and switches, times pue for `power_with_cooling`. money_rate: USD/s, rented, else capital over lifetime.
        carbon_rate: kg/s of electricity at full power. embodied: kg in all members.
    """

    peak: dict[str, float]
    memory: float
    idle: float | None
    power: float | None
    power_with_cooling: float | None
    money_rate: float | None
    carbon_rate: float | None
    embodied: float | None


def totals(system: System) -> Totals:
    """What all parts of a system have together."""
    idle, power = (watts(system, of) for of in (lambda d: d.power.idle, lambda d: d.power.max))
    pue = system.cost.get("pue")
    cooled = None if power is None or pue is None else power * pue
    carbon = system.cost.get("carbon")
    return Totals(
        peak=peaks(system),
        memory=sum(outer_memory(member.device) * member.count for member in system.members.values()),
        idle=idle,
        power=power,
        power_with_cooling=cooled,
        money_rate=money_rate(system),
        carbon_rate=None if cooled is None or carbon is None else cooled * carbon,
        embodied=of_members(system, lambda device: device.cost.get("embodied_carbon")),
    )


def peaks(system: System) -> dict[str, float]:
    """dtype -> op/s of all members' hardware together, the fastest first."""
    found: dict[str, float] = {}
    for member in system.members.values():
        for dtype in {dtype for unit in member.device.units for dtype in unit.rate if not unit.emulated}:
            found[dtype] = found.get(dtype, 0.0) + member.device.peak_rate(dtype) * member.count
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def outer_memory(device: Device) -> float:
    """Bytes of the outermost memory; 0 for a device without."""
    outer = next((level for level in device.memories() if level.size is not None), None)
    return 0.0 if outer is None or outer.size is None else float(outer.size * device.instances(outer.name))


def of_members(system: System, of: Callable[[Device], float | None]) -> float | None:
    """The sum of one figure over all members; None when one does not have it."""
    values = [(of(member.device), member.count) for member in system.members.values()]
    return None if any(value is None for value, _ in values) else sum((v or 0.0) * count for v, count in values)


def watts(system: System, of: Callable[[Device], float | None]) -> float | None:
    """Members, links and switches together. Links and switches that give no power count as drawn by the members."""
    devices = of_members(system, of)
    if devices is None:
        return None
    tiers = sum(tier_watts(system, tier) for tier in system.tiers)
    return devices + tiers + sum((path.link.power or 0.0) * path.count for path in system.links)


def tier_watts(system: System, tier: Tier) -> float:
    """Links and switches of all groups of a tier."""
    groups = system.groups(tier.name)
    switches = (tier.switch.power or 0.0) * tier.switch.count if tier.switch else 0.0
    return groups * switches + (tier.link.power or 0.0) * users(system, tier.link, groups * tier.count)


def users(system: System, link: Link, joined: int) -> int:
    """How many users a link has in the whole system: the members or tiers it is `per`, else what is joined."""
    return joined if link.per is None else system.places(link.per)


def money_rate(system: System) -> float | None:
    """USD/s: the rent, else the capital over its lifetime."""
    rent, capex, lifetime = (system.cost.get(key) for key in ("rent", "capex", "lifetime"))
    if rent is not None:
        return rent
    return None if capex is None or lifetime is None else capex / lifetime


def operations_per_byte(system: System, tier: Tier) -> tuple[float, str] | None:
    """Operations that a user of a tier's link can do per byte of it, and on which element type.

    This is the balance of the boundary; None where the bandwidth is not known.
    """
    user = tier.link.per or next(iter(tier.joined), None)
    if user is None or not tier.link.bandwidth:
        return None
    device, count = inside(system, user)
    dtype = main_dtype(device)
    return device.peak_rate(dtype) * count / tier.link.bandwidth, dtype


def inside(system: System, name: str) -> tuple[Device, int]:
    """The device inside a member or one group of a tier (the first where they are unlike), and how many."""
    if name in system.members:
        return system.members[name].device, 1
    below, count = next(iter(system.tier(name).joined.items()))
    device, each = inside(system, below)
    return device, count * each


def dtypes_of(device: Device) -> list[str]:
    """Element types that some unit has a rate for, in the order of the file."""
    return list(dict.fromkeys(dtype for unit in device.units for dtype in unit.rate))


def main_dtype(device: Device) -> str:
    """The element type balances are told for: f32 where a unit does it in hardware, else the fastest."""
    hardware = [unit for unit in device.units if not unit.emulated and device.computes(unit)]
    if any("f32" in unit.rate for unit in hardware):
        return "f32"
    return max(dtypes_of(device), key=device.peak_rate)


def outermost(device: Device) -> str:
    """The outermost memory whose bandwidth is known; empty for none. Its balance is the machine's."""
    return next((level.name for level in device.memories() if level.bandwidth), "")
