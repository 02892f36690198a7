"""A machine as people read it: plain rows of text, and the same as plain data for `--json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stratagem.hwmodels.derive import dtypes_of, main_dtype, outermost
from stratagem.hwmodels.model import Device, Level, Unit
from stratagem.hwmodels.picture import device_picture
from stratagem.hwmodels.remarks import remarks
from stratagem.hwmodels.trust import least_trusted
from stratagem.hwmodels.units import format_quantity, format_size

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
        "sparse_peak": {dtype: device.sparse_rate(dtype) for dtype in dtypes if device.sparse_rate(dtype)},
        "balance": {dtype: device.balance(outermost(device), dtype) for dtype in dtypes if outermost(device)},
        "power": {"idle": device.power.idle, "max": device.power.max},
        "cost": dict(device.cost),
        "status": device.status,
        "links": [
            {"from": edge.source, "to": edge.target, "name": edge.name, "bandwidth": edge.link.bandwidth}
            for edge in device.links
        ],
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
                "sparse": None if unit.sparse is None else {"pattern": unit.sparse.pattern, **unit.sparse.rate},
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
        "pins": None if level.pins is None else {"count": level.pins.count, "rate": level.pins.rate},
        "bandwidth_of_all": device.level_bandwidth(level.name),
        "latency": level.latency,
        "energy": level.energy,
        "balance": device.balance(level.name, dtype) if level.bandwidth else None,
        "balance_dtype": dtype,
        "origin": device.trust(f"levels.{level.name}.bandwidth").kind if level.bandwidth else None,
    }


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
        more = f", ... ({len(unit.functions)})" if len(unit.functions) > 4 else ""
        name = unit.name + (" (emulated)" if unit.emulated else "")
        functions = ", ".join(unit.functions[:4]) + more
        rows.append((name, unit.at, str(device.units_in_device(unit)), functions, rates(device, unit, unit.rate)))
        if unit.sparse is not None:
            rows.append((f"  sparse {unit.sparse.pattern}", "", "", "", rates(device, unit, unit.sparse.rate)))
    return rows


def rates(device: Device, unit: Unit, of_one: Mapping[str, float]) -> str:
    """The rates of all copies of a unit, the first few."""
    copies = device.units_in_device(unit)
    first = [
        f"{dtype} {format_quantity(of_one[dtype] * copies, rate_unit(dtype), digits=3)}"
        for dtype in list(of_one)[:MOST_RATES]
    ]
    return ", ".join(first) + (", ..." if len(of_one) > MOST_RATES else "")


def rate_unit(dtype: str) -> str:
    """How rates on an element type are written."""
    return "FLOP/s" if dtype[0] in "bft" else "OP/s"


def shown(value: float | None, base: str) -> str:
    """A quantity, or nothing where it is not known."""
    if value is None:
        return ""
    return format_size(value) if base == "B" else format_quantity(value, base)


def device_lines(device: Device) -> Iterator[str]:
    """A device as text."""
    facts = device_facts(device)
    status = "" if device.status == "draft" else f"; {device.status}"
    yield f"{device.name}: {device.kind}, backend {device.backend}, {format_quantity(device.clock, 'Hz')}{status}"
    worst = facts["weakest"]
    counts = ", ".join(f"{count} {kind}" for kind, count in worst["values"].items())
    spread = f" (up to {worst['spread']:.0%} off)" if worst["spread"] else ""
    yield f"numbers: {counts}; the weakest are {worst['kind']}{spread}"
    yield ""
    yield from device_picture(device)
    yield ""
    yield from table(level_rows(device))
    yield ""
    yield from table(unit_rows(device))
    rest = list(remarks(device))
    if rest:
        yield ""
        yield from rest


def table(rows: Rows) -> Iterator[str]:
    """Rows in aligned columns, the first one underlined."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for position, row in enumerate(rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        if position == 0:
            yield "  ".join("-" * width for width in widths)
