"""A machine as people read it: plain rows of text, and the same as plain data for `--json`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stratagem.hwmodels.model import Device, Level, System
from stratagem.hwmodels.trust import least_trusted
from stratagem.hwmodels.units import format_quantity

Rows = list[tuple[str, ...]]
MOST_RATES = 4  # of one unit, in the table


def device_facts(device: Device) -> dict[str, Any]:
    """Everything about a device in base units, with derived peaks and balances."""
    dtypes = dtypes_of(device)
    return {
        "name": device.name,
        "class": device.kind,
        "backend": device.backend,
        "clock": device.clock,
        "launch": device.launch,
        "digest": device.digest,
        "source": {"kind": device.source.kind, "id": device.source.id, "note": device.source.note},
        "weakest": weakest(device),
        "peak": {dtype: device.peak_rate(dtype) for dtype in dtypes},
        "power": {"idle": device.power.idle, "max": device.power.max},
        "levels": [level_facts(device, level) for level in device.levels],
        "units": [
            {
                "name": unit.name,
                "at": unit.at,
                "in_device": device.units_in_device(unit),
                "emulated": unit.emulated,
                "functions": list(unit.functions),
                "rate": {dtype: device.unit_rate(unit, dtype) for dtype in unit.rate},
                "tile": {dtype: list(shape) for dtype, shape in unit.tile.items()},
            }
            for unit in device.units
        ],
        "target": dict(device.target),
    }


def level_facts(device: Device, level: Level) -> dict[str, Any]:
    """One level in base units; `bandwidth` and `size` are those of one piece."""
    dtype = main_dtype(device)
    return {
        "name": level.name,
        "kind": level.kind,
        "in_device": device.instances(level.name),
        "size": level.size,
        "granule": level.granule,
        "bandwidth": level.bandwidth,
        "bandwidth_of_all": device.level_bandwidth(level.name),
        "latency": level.latency,
        "energy": level.energy,
        "balance": device.balance(level.name, dtype) if level.bandwidth else None,
        "balance_dtype": dtype,
        "origin": device.trust(f"levels.{level.name}.bandwidth").kind if level.bandwidth else None,
    }


def dtypes_of(device: Device) -> list[str]:
    """Element types that some unit has a rate for, in the order of the file."""
    return list(dict.fromkeys(dtype for unit in device.units for dtype in unit.rate))


def main_dtype(device: Device) -> str:
    """The element type balances are told for: f32 where a unit does it in hardware, else the fastest."""
    hardware = [unit for unit in device.units if not unit.emulated and device.computes(unit)]
    if any("f32" in unit.rate for unit in hardware):
        return "f32"
    return max(dtypes_of(device), key=device.peak_rate)


def weakest(device: Device) -> dict[str, Any]:
    """The least trusted kind of number in a description, and how many of each kind there are."""
    origins = [*device.provenance.values(), device.source]
    counts: dict[str, int] = {}
    for origin in device.provenance.values():
        counts[origin.kind] = counts.get(origin.kind, 0) + 1
    worst = least_trusted(origins)
    return {"kind": worst.kind, "spread": worst.spread, "values": counts}


def level_rows(device: Device) -> Rows:
    """The hierarchy as a table."""
    dtype = main_dtype(device)
    rows: Rows = [("level", "kind", "pieces", "size", "bandwidth", "latency", f"op/B ({dtype})", "origin")]
    for level in device.levels:
        facts = level_facts(device, level)
        rows.append(
            (
                level.name,
                level.kind,
                str(facts["in_device"]),
                shown(level.size, "B"),
                shown(level.bandwidth, "B/s"),
                shown(level.latency, "s"),
                "" if facts["balance"] is None else f"{facts['balance']:.3g}",
                facts["origin"] or "",
            )
        )
    return rows


def unit_rows(device: Device) -> Rows:
    """The compute units as a table."""
    rows: Rows = [("unit", "at", "units", "functions", "peak of all")]
    for unit in device.units:
        rates = ", ".join(
            f"{dtype} {format_quantity(device.unit_rate(unit, dtype), rate_unit(dtype), digits=3)}"
            for dtype in list(unit.rate)[:MOST_RATES]
        ) + (", ..." if len(unit.rate) > MOST_RATES else "")
        more = f", ... ({len(unit.functions)})" if len(unit.functions) > 4 else ""
        name = unit.name + (" (emulated)" if unit.emulated else "")
        rows.append((name, unit.at, str(device.units_in_device(unit)), ", ".join(unit.functions[:4]) + more, rates))
    return rows


def rate_unit(dtype: str) -> str:
    """How rates on an element type are written."""
    return "FLOP/s" if dtype[0] in "bft" else "OP/s"


def shown(value: float | None, base: str) -> str:
    """A quantity, or nothing where it is not known; whole KiB are shown in binary units."""
    if value is None:
        return ""
    return format_quantity(value, base, binary=base == "B" and value % 1024 == 0)


def device_lines(device: Device) -> Iterator[str]:
    """A device as text."""
    facts = device_facts(device)
    yield f"{device.name}: {device.kind}, backend {device.backend}, {format_quantity(device.clock, 'Hz')}"
    worst = facts["weakest"]
    counts = ", ".join(f"{count} {kind}" for kind, count in worst["values"].items())
    spread = f" (up to {worst['spread']:.0%} off)" if worst["spread"] else ""
    yield f"numbers: {counts}; the weakest are {worst['kind']}{spread}"
    yield ""
    yield from table(level_rows(device))
    yield ""
    yield from table(unit_rows(device))
    if device.power.max is not None:
        yield ""
        idle = "" if device.power.idle is None else f"{device.power.idle:g} W idle, "
        yield f"power: {idle}{device.power.max:g} W at most"


def system_facts(system: System) -> dict[str, Any]:
    """Everything about a system in base units, devices included."""
    return {
        "name": system.name,
        "host": system.host,
        "digest": system.digest,
        "members": {
            name: {"count": member.count, "device": device_facts(member.device)}
            for name, member in system.members.items()
        },
        "tiers": [
            {
                "name": tier.name,
                "count": tier.count,
                "of": tier.of,
                "topology": tier.topology,
                "bandwidth": tier.link.bandwidth,
                "latency": tier.link.latency,
            }
            for tier in system.tiers
        ],
        "primitives": {name: list(entry.algorithms) for name, entry in system.primitives.items()},
        "mesh": dict(system.mesh),
    }


def system_lines(system: System) -> Iterator[str]:
    """A system as text: members, network, then every device once."""
    yield f"{system.name}: host {system.host}; mesh {dict(system.mesh) or 'none'}"
    yield ""
    members: Rows = [("member", "device", "count")]
    members += [(name, member.device.name, str(member.count)) for name, member in system.members.items()]
    yield from table(members)
    if system.tiers:
        rows: Rows = [("tier", "count", "of", "topology", "bandwidth", "latency")]
        for tier in system.tiers:
            link = tier.link
            speed = shown(link.bandwidth, "B/s"), shown(link.latency, "s")
            rows.append((tier.name, str(tier.count), tier.of or "", tier.topology, *speed))
        yield ""
        yield from table(rows)
    if system.primitives:
        yield ""
        rows = [("collective", "algorithms")]
        rows += [(name, ", ".join(entry.algorithms)) for name, entry in system.primitives.items()]
        yield from table(rows)
    for device in dict.fromkeys(member.device for member in system.members.values()):
        yield ""
        yield from device_lines(device)


def table(rows: Rows) -> Iterator[str]:
    """Rows in aligned columns, the first one underlined."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for position, row in enumerate(rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        if position == 0:
            yield "  ".join("-" * width for width in widths)
