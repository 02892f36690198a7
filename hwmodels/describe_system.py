"""A system as people read it, and the same as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from stratagem.hwmodels.derive import Totals, operations_per_byte, totals
from stratagem.hwmodels.describe import Rows, device_facts, device_lines, rate_unit, shown, table
from stratagem.hwmodels.model import Primitive, System, Tier
from stratagem.hwmodels.picture import system_picture
from stratagem.hwmodels.remarks import money
from stratagem.hwmodels.units import format_quantity

MOST_PEAKS = 5


def system_facts(system: System) -> dict[str, Any]:
    """Everything about a system in base units, devices included."""
    return {
        "name": system.name,
        "host": system.host,
        "digest": system.digest,
        "status": system.status,
        "members": {
            name: {"count": member.count, "device": device_facts(member.device)}
            for name, member in system.members.items()
        },
        "tiers": [tier_facts(system, tier) for tier in system.tiers],
        "links": [
            {"from": path.source, "to": path.target, "name": path.name, "count": path.count, **asdict(path.link)}
            for path in system.links
        ],
        "primitives": {name: list(entry.algorithms) for name, entry in system.primitives.items()},
        "in_network": {
            name: {"tiers": list(entry.in_network_tiers), "dtypes": list(entry.in_network_dtypes)}
            for name, entry in system.primitives.items()
            if entry.in_network_tiers
        },
        "mesh": dict(system.mesh),
        "cost": dict(system.cost),
        "totals": asdict(totals(system)),
    }


def tier_facts(system: System, tier: Tier) -> dict[str, Any]:
    """One tier in base units."""
    balance = operations_per_byte(system, tier)
    return {
        "name": tier.name,
        "count": tier.count,
        "of": tier.of,
        "mixed": dict(tier.mixed),
        "with": dict(tier.attached),
        "groups": system.groups(tier.name),
        "topology": tier.topology,
        **asdict(tier.link),
        "switch": None if tier.switch is None else asdict(tier.switch),
        "balance": balance[0] if balance else None,
        "balance_dtype": balance[1] if balance else None,
    }


def system_lines(system: System) -> Iterator[str]:
    """A system as text: members, network, then every device once."""
    status = "" if system.status == "draft" else f"; {system.status}"
    yield f"{system.name}: host {system.host}; mesh {dict(system.mesh) or 'none'}{status}"
    yield ""
    yield from system_picture(system)
    yield ""
    members: Rows = [("member", "device", "count")]
    members += [(name, member.device.name, str(member.count)) for name, member in system.members.items()]
    yield from table(members)
    if system.tiers:
        yield ""
        yield from table(tier_rows(system))
    if system.primitives:
        yield ""
        rows: Rows = [("collective", "algorithms", "in the network", "bus bandwidth")]
        rows += [primitive_row(entry) for entry in system.primitives.values()]
        yield from table(rows)
    yield ""
    yield from total_lines(system, totals(system))
    for device in dict.fromkeys(member.device for member in system.members.values()):
        yield ""
        yield from device_lines(device)


def tier_rows(system: System) -> Rows:
    """The network as a table."""
    rows: Rows = [("tier", "count", "of", "topology", "bandwidth", "latency", "energy", "op/B", "power")]
    for tier in system.tiers:
        link, ratio = tier.link, operations_per_byte(system, tier)
        of = tier.of or " + ".join(f"{count} {name}" for name, count in tier.mixed.items())
        power = [f"{shown(link.power, 'W')} a link"] if link.power is not None else []
        if tier.switch is not None and tier.switch.power is not None:
            power.append(f"{shown(tier.switch.power, 'W')} a switch")
        speed = shown(link.bandwidth, "B/s"), shown(link.latency, "s"), shown(link.energy, "J/B")
        derived = "" if ratio is None else f"{ratio[0]:.3g} ({ratio[1]})"
        rows.append((tier.name, str(tier.count), of, tier.topology, *speed, derived, ", ".join(power)))
    return rows


def primitive_row(entry: Primitive) -> tuple[str, ...]:
    """One collective."""
    dtypes = f" ({', '.join(entry.in_network_dtypes)})" if entry.in_network_dtypes else ""
    network = ", ".join(entry.in_network_tiers) + dtypes
    return entry.name, ", ".join(entry.algorithms), network, shown(entry.bandwidth, "B/s")


def total_lines(system: System, total: Totals) -> Iterator[str]:
    """What all parts have together, as far as it follows from them."""
    peaks = list(total.peak.items())[:MOST_PEAKS]
    yield "peak of all: " + ", ".join(f"{d} {format_quantity(rate, rate_unit(d), digits=3)}" for d, rate in peaks)
    yield f"memory of all: {format_quantity(total.memory, 'B')}"
    if total.power is not None:
        idle = "" if total.idle is None else f"{format_quantity(total.idle, 'W')} idle, "
        cooled = total.power_with_cooling
        outside = "" if cooled is None else f", {format_quantity(cooled, 'W')} with cooling"
        yield f"power of all: {idle}{format_quantity(total.power, 'W')} at most{outside}"
    if system.cost:
        yield f"cost: {', '.join(f'{key} {money(key, value)}' for key, value in system.cost.items())}"
    if total.money_rate is not None:
        yield f"money: {total.money_rate * 3600:.4g} USD/h"
    if total.carbon_rate is not None:
        yield f"carbon: {total.carbon_rate * 3600:.4g} kg/h at full power"
    if total.embodied is not None:
        yield f"embodied carbon: {total.embodied:.4g} kg"
