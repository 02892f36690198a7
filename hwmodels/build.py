"""Schema records to the records the compiler reads: base units, cycles turned into seconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from stratagem.hwmodels.digest import device_digest
from stratagem.hwmodels.functions import builtin_functions
from stratagem.hwmodels.model import Collectives, Device, Edge, Function, Level, LibraryCall, Link, Power, Sparse, Unit
from stratagem.hwmodels.nodes import Node
from stratagem.hwmodels.origins import Origins, source_of, status_of
from stratagem.hwmodels.schema.device import DeviceFile, LevelEntry, LibraryEntry, UnitEntry
from stratagem.hwmodels.schema.link import EdgeEntry, LinkEntry


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
        backend=record.backend or "null",
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
        status=status_of(root),
    )
    return replace(device, digest=device_digest(device), document=origins.document())


def build_level(origins: Origins, position: int, entry: LevelEntry) -> Level:
    """One level."""
    here = ("levels", position)
    bandwidth, bandwidths = origins.directed(entry.bandwidth, *here, "bandwidth")
    latency, latencies = origins.directed(entry.latency, *here, "latency")
    pins = origins.wires(entry.pins, *here, "pins")
    if bandwidth is None:
        bandwidth = origins.bandwidth_of(pins, *here, "pins")
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
        utilisation=origins.number(entry.utilisation, *here, "utilisation"),
        space=entry.space,
        access=entry.access,
        threads=entry.threads,
        threads_for_peak=entry.threads_for_peak,
        bandwidths=bandwidths,
        latencies=latencies,
        write=dict(write_cost(origins, here, entry)),
        pins=pins,
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
        utilisation=origins.table(entry.utilisation, *here, "utilisation"),
        emulated=entry.emulated,
        stationary=entry.stationary,
        emit=entry.emit,
        calls={name: build_library(call) for name, call in entry.calls.items()},
        energy=origins.table(entry.energy, *here, "energy"),
        latency=origins.number(entry.latency, *here, "latency"),
        noise={"sigma": entry.noise.sigma.quantity.value} if entry.noise else {},
        sparse=build_sparse(origins, here, entry),
    )


def build_library(entry: LibraryEntry) -> LibraryCall:
    """A call of a library."""
    threads = entry.threads
    return LibraryCall(
        entry.library,
        dict(entry.symbols),
        entry.convention,
        threads.set if threads else "",
        (threads.get if threads else None) or "",
        entry.install,
    )


def build_sparse(origins: Origins, here: tuple[str | int, ...], entry: UnitEntry) -> Sparse | None:
    """Rates on structured sparse weights."""
    sparse = entry.sparse
    return Sparse(sparse.pattern, origins.table(sparse.rate, *here, "sparse", "rate")) if sparse else None


def operations_per_lane(entry: UnitEntry, functions: Mapping[str, Function]) -> int:
    """Operations one lane does per cycle: two for a unit that multiplies and adds at once, else one."""
    known = (functions[name] for name in entry.functions if name in functions)
    return 2 if any(function.is_multiply_add for function in known) else 1


def build_link(origins: Origins, entry: LinkEntry | None, *here: str | int) -> Link:
    """A link."""
    if entry is None:
        return Link()
    ports = origins.wires(entry.ports, *here, "ports")
    bandwidth = origins.number(entry.bandwidth, *here, "bandwidth")
    return Link(
        origins.bandwidth_of(ports, *here, "ports") if bandwidth is None else bandwidth,
        origins.number(entry.latency, *here, "latency"),
        origins.number(entry.energy, *here, "energy"),
        entry.per,
        origins.number(entry.power, *here, "power"),
        ports,
        origins.number(entry.utilisation, *here, "utilisation"),
        origins.number(entry.occupies, *here, "occupies"),
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
    """Price (USD), rent (USD/s) and embodied carbon (kg), as far as given."""
    if record.cost is None:
        return
    entry = record.cost
    for key, value in (("price", entry.price), ("rent", entry.rent), ("embodied_carbon", entry.embodied_carbon)):
        number = origins.number(value, "cost", key.replace("_", "-"))
        if number is not None:
            yield key, number
