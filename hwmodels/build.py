"""Schema records to the records the compiler reads: base units, cycles turned into seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from stratagem.hwmodels.digest import device_digest
from stratagem.hwmodels.functions import builtin_functions
from stratagem.hwmodels.model import Collectives, Device, Edge, Function, Level, Link, Power, Unit
from stratagem.hwmodels.nodes import Node
from stratagem.hwmodels.schema.device import DeviceFile, EdgeEntry, LevelEntry, LinkEntry, UnitEntry
from stratagem.hwmodels.trust import Provenance
from stratagem.hwmodels.values import Directed, Value


class Origins:
    """Collects the provenance of every value while it is converted."""

    def __init__(self, root: Node, clock: float | None = None) -> None:
        self.root, self.clock = root, clock
        self.found: dict[str, Provenance] = {}
        self.inherited: dict[tuple[str | int, ...], Provenance] = {}

    def number(self, value: Value | None, *path: str | int) -> float | None:
        """A value in base units, its origin noted under its path."""
        if value is None:
            return None
        origin = self.origin(value, path)
        self.found[self.root.label(path)] = origin
        if self.root.at(path).source is not self.root.source:
            self.inherited[path] = origin
        return value.quantity.at_clock(self.clock)

    def whole(self, value: Value | None, *path: str | int) -> int | None:
        """A value that counts bytes."""
        number = self.number(value, *path)
        return None if number is None else round(number)

    def table(self, values: Mapping[str, Value], *path: str | int) -> dict[str, float]:
        """A map of values."""
        numbers = {key: self.number(value, *path, key) for key, value in values.items()}
        return {key: number for key, number in numbers.items() if number is not None}

    def directed(self, value: Directed | None, *path: str | int) -> tuple[float | None, dict[str, float]]:
        """A value that may differ by direction: the main one, and all by direction."""
        if value is None:
            return None, {}
        return self.number(value.main, *path), self.table(value.directions, *path)

    def origin(self, value: Value, path: tuple[str | int, ...]) -> Provenance:
        """What the value says of itself, else what the document says that wrote it."""
        stated, default = value.origin, source_of(self.root.at(path))
        text = value.quantity.text
        if stated is None:
            return replace(default, text=text)
        if stated.kind:  # a value that states its kind owes nothing to the file's source
            return replace(stated, text=text)
        spread = default.spread if stated.spread is None else stated.spread
        return Provenance(default.kind, spread, stated.id or default.id, stated.note or default.note, text)

    def document(self) -> dict[str, Any]:
        """The description as plain data in which inherited numbers carry their own origin along."""

        def plain(node: Node, path: tuple[str | int, ...]) -> Any:
            if path in self.inherited and not isinstance(node.value, list):
                return value_map(self.inherited[path])
            if isinstance(node.value, dict):
                return {key: plain(child, (*path, key)) for key, child in node.value.items()}
            if isinstance(node.value, list):
                return [plain(child, (*path, n)) for n, child in enumerate(node.value)]
            return node.value

        document: dict[str, Any] = plain(self.root, ())
        return document


def value_map(origin: Provenance) -> dict[str, str]:
    """A number with its origin, as the schema writes it."""
    spread = "" if origin.spread is None else f"{origin.spread * 100:.12g}%"
    entries = {
        "value": origin.text,
        "kind": origin.kind,
        "spread": spread,
        "id": origin.id,
        "note": origin.note,
    }
    return {key: text for key, text in entries.items() if text}


def source_of(node: Node) -> Provenance:
    """The `source:` of the document that wrote a node."""
    from stratagem.hwmodels import units

    entry = node.source.plain() if node.source is not None else {}
    if not isinstance(entry, dict):
        return Provenance()
    try:
        spread = units.read_quantity(entry["spread"], units.RATIO).value if "spread" in entry else None
    except units.UnitError:
        spread = None
    return Provenance(str(entry.get("kind", "assumed")), spread, str(entry.get("id", "")), str(entry.get("note", "")))


def build_device(record: DeviceFile, root: Node) -> Device:
    """The device of a valid document."""
    clock = record.clock.quantity.value
    origins = Origins(root, clock)
    origins.number(record.clock, "clock")
    functions = dict(builtin_functions()) | {
        name: Function(name, entry.expression, tuple(entry.dtypes)) for name, entry in record.functions.items()
    }
    power = record.power
    device = Device(
        name=record.device,
        kind=record.class_,
        backend=record.backend,
        clock=clock,
        levels=tuple(build_level(origins, n, level) for n, level in enumerate(record.levels)),
        units=tuple(build_unit(origins, n, unit, functions) for n, unit in enumerate(record.units)),
        functions=functions,
        peak=origins.table(record.peak, "peak"),
        power=Power(
            origins.number(power.idle, "power", "idle") if power else None,
            origins.number(power.max, "power", "max") if power else None,
        ),
        collectives=build_collectives(record),
        target=record.target,
        launch=origins.number(record.launch, "launch"),
        links=tuple(build_edge(origins, n, edge) for n, edge in enumerate(record.links)),
        cost=dict(device_cost(origins, record)),
        source=source_of(root),
        provenance=origins.found,
    )
    return replace(device, digest=device_digest(device), document=origins.document())


def build_level(origins: Origins, position: int, entry: LevelEntry) -> Level:
    """One level."""
    here = ("levels", position)
    bandwidth, bandwidths = origins.directed(entry.bandwidth, *here, "bandwidth")
    latency, latencies = origins.directed(entry.latency, *here, "latency")
    return Level(
        name=entry.name,
        kind=entry.kind,
        count=entry.count,
        size=origins.whole(entry.size, *here, "size"),
        granule=origins.whole(entry.granule, *here, "granule") or 1,
        burst=origins.whole(entry.burst, *here, "burst"),
        bandwidth=bandwidth,
        latency=latency,
        energy=origins.number(entry.energy, *here, "energy"),
        space=entry.space,
        access=entry.access,
        threads=entry.threads,
        threads_for_peak=entry.threads_for_peak,
        bandwidths=bandwidths,
        latencies=latencies,
        write=dict(write_cost(origins, here, entry)),
    )


def write_cost(origins: Origins, here: tuple[str | int, ...], entry: LevelEntry) -> Iterator[tuple[str, float]]:
    """Cost of writing a weights level, as far as given."""
    if entry.write is None:
        return
    for key, value in (("latency", entry.write.latency), ("energy", entry.write.energy)):
        number = origins.number(value, *here, "write", key)
        if number is not None:
            yield key, number
    if entry.write.endurance is not None:
        yield "endurance", entry.write.endurance


def build_unit(origins: Origins, position: int, entry: UnitEntry, functions: Mapping[str, Function]) -> Unit:
    """One unit, its rates derived from lanes where the file gives lanes."""
    here = ("units", position)
    per_lane = operations_per_lane(entry, functions) * (origins.clock or 0.0)
    rate = {dtype: lanes * per_lane for dtype, lanes in entry.lanes.items()}
    return Unit(
        name=entry.name,
        at=entry.at,
        count=entry.count,
        functions=tuple(entry.functions),
        lanes=dict(entry.lanes),
        rate=rate | origins.table(entry.rate, *here, "rate"),
        tile={dtype: tuple(shape) for dtype, shape in entry.tile.items()},
        emulated=entry.emulated,
        stationary=entry.stationary,
        emit=entry.emit,
        energy=origins.table(entry.energy, *here, "energy"),
        latency=origins.number(entry.latency, *here, "latency"),
        noise={"sigma": entry.noise.sigma.quantity.value} if entry.noise else {},
    )


def operations_per_lane(entry: UnitEntry, functions: Mapping[str, Function]) -> int:
    """Operations one lane does per cycle: two for a unit that multiplies and adds at once, else one."""
    known = (functions[name] for name in entry.functions if name in functions)
    return 2 if any(function.is_multiply_add for function in known) else 1


def build_link(origins: Origins, entry: LinkEntry | None, *here: str | int) -> Link:
    """A link."""
    if entry is None:
        return Link()
    return Link(
        origins.number(entry.bandwidth, *here, "bandwidth"),
        origins.number(entry.latency, *here, "latency"),
        origins.number(entry.energy, *here, "energy"),
        entry.per,
    )


def build_edge(origins: Origins, position: int, entry: EdgeEntry) -> Edge:
    """A path outside the tree."""
    link = build_link(origins, entry, "links", position)
    return Edge(entry.from_, entry.to, entry.name or "", entry.within, link)


def build_collectives(record: DeviceFile) -> Collectives:
    """What instances of the device may do together."""
    entry = record.collectives
    return Collectives(entry.via, tuple(entry.supports), tuple(entry.forbids)) if entry else Collectives()


def device_cost(origins: Origins, record: DeviceFile) -> Iterator[tuple[str, float]]:
    """Price (USD) and embodied carbon (kg), as far as given."""
    if record.cost is None:
        return
    for key, value in (("price", record.cost.price), ("embodied_carbon", record.cost.embodied_carbon)):
        number = origins.number(value, "cost", key.replace("_", "-"))
        if number is not None:
            yield key, number
