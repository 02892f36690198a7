"""A system as an InfraGraph infrastructure (schema 3.1): devices, instances, links and edges.

A group of the innermost tier is one InfraGraph device, its members and switches are components, and outer tiers
are switches between instances of it, or rings. The format holds neither energies, collectives nor what a device
can do; the name of each member's device goes into its component's description.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import prod
from typing import Any

from stratagem.hwmodels.errors import HardwareFileError, Place, Problem
from stratagem.hwmodels.model import Link, Path, System, Tier

Entry = dict[str, Any]
RINGS = ("ring", "torus", "mesh")
DIRECT = ("host", "bus")  # joined to the host itself


def infragraph(system: System) -> Entry:
    """The infrastructure as plain data; HardwareFileError where the tiers are no single chain."""
    chain = tier_chain_of(system)
    outer, inner = chain[:-1], chain[-1] if chain else None
    inside = {**inner.joined, **inner.attached} if inner else {name: m.count for name, m in system.members.items()}
    node = inner.name if inner else "node"
    links, edges = list(device_links(system, inner, inside)), list(device_edges(system, inner, inside))
    return {
        "name": system.name,
        "description": "made from a Stratagem system; energies, collectives and units are not in the format",
        "devices": [
            {"name": node, "components": components(system, inner, inside), "links": links, "edges": edges},
            *(switch_device(tier, users_of(system, tier)) for tier in outer if tier.topology not in RINGS),
        ],
        "instances": [
            {"name": node, "device": node, "count": system.groups(inner.name) if inner else 1},
            *(
                {"name": tier.name, "device": f"{tier.name}-switch", "count": system.groups(tier.name)}
                for tier in outer
                if tier.topology not in RINGS
            ),
        ],
        "links": [link_entry(tier.name, tier.link) for tier in outer],
        "edges": [edge for n, tier in enumerate(outer) for edge in outer_edges(system, chain, n, tier)],
    }


def tier_chain_of(system: System) -> list[Tier]:
    """The tiers, each joining the next; HardwareFileError for anything else."""
    tiers = list(system.tiers)
    for outer, inner in pairwise(tiers):
        if outer.of != inner.name:
            message = f"the tier '{outer.name}' does not join '{inner.name}' alone; only a chain of tiers is written"
            raise HardwareFileError([Problem(Place(system.name), f"tiers.{outer.name}", message)])
        if outer.attached:
            message = f"the tier '{outer.name}' has {', '.join(outer.attached)} attached outside the innermost groups"
            raise HardwareFileError([Problem(Place(system.name), f"tiers.{outer.name}.with", message)])
    if tiers:
        loose = [name for name in system.members if name not in {**tiers[-1].joined, **tiers[-1].attached}]
        if loose:
            message = f"the members {', '.join(loose)} stand outside the tiers"
            raise HardwareFileError([Problem(Place(system.name), "members", message)])
    return tiers


def components(system: System, inner: Tier | None, inside: dict[str, int]) -> list[Entry]:
    """Members and switches of one group."""
    found = [component(system, name, count) for name, count in inside.items()]
    if inner is not None and not direct(system, inner, inside) and (inner.topology not in (*RINGS, "fully-connected")):
        switches = inner.switch.count if inner.switch else 1
        found.append({"name": f"{inner.name}-switch", "count": switches, "choice": "switch"})
    return found


def direct(system: System, inner: Tier, inside: dict[str, int]) -> bool:
    """Whether members of a group are joined to the host itself."""
    return inner.topology in DIRECT and system.host in inside and system.host not in inner.joined


def component(system: System, name: str, count: int) -> Entry:
    """One kind of member."""
    device = system.members[name].device
    entry: Entry = {"name": name, "description": device.name, "count": count}
    return {**entry, "choice": "cpu" if name == system.host else "xpu"}


def link_entry(name: str, link: Link) -> Entry:
    """A link with what is known of it, bandwidth that of one user and direction."""
    physical: Entry = {}
    if link.bandwidth is not None:
        physical["bandwidth"] = {"choice": "gigabytes_per_second", "gigabytes_per_second": link.bandwidth / 1e9}
    if link.latency is not None:
        physical["latency"] = {"choice": "us", "us": link.latency * 1e6}
    return {"name": name, "physical": physical} if physical else {"name": name}


def device_links(system: System, inner: Tier | None, inside: dict[str, int]) -> Iterator[Entry]:
    """The links inside a group."""
    if inner is not None:
        yield link_entry(inner.name, inner.link)
    for path in paths_inside(system, inside):
        yield link_entry(path.name or f"{path.source}-{path.target}", path.link)


def paths_inside(system: System, inside: dict[str, int]) -> list[Path]:
    """The paths beside the tiers between members of one group."""
    return [path for path in system.links if path.source in inside and path.target in inside]


def device_edges(system: System, inner: Tier | None, inside: dict[str, int]) -> Iterator[Entry]:
    """How the members of a group are joined."""
    for name, count in inner.joined.items() if inner else ():
        assert inner is not None
        if inner.topology in RINGS:
            yield from ring({"component": name}, "component", name, (0, 1, count), inner.name)
        elif inner.topology == "fully-connected":
            yield edge({"component": name}, {"component": name}, "many2many", inner.name)
        elif direct(system, inner, inside):
            yield edge({"component": name}, {"component": system.host}, "many2many", inner.name)
        else:
            yield edge({"component": name}, {"component": f"{inner.name}-switch"}, "many2many", inner.name)
    for path in paths_inside(system, inside):
        yield from spread(path, inside)


def spread(path: Path, inside: dict[str, int]) -> Iterator[Entry]:
    """A path: the more numerous end's members in equal shares, in order, to the others."""
    many, few = sorted((path.source, path.target), key=lambda name: -inside[name])
    share, name = inside[many] // inside[few], path.name or f"{path.source}-{path.target}"
    if share * inside[few] != inside[many]:
        yield edge({"component": many}, {"component": few}, "many2many", name)
        return
    for n in range(inside[few]):
        ends = {"component": f"{many}[{n * share}:{(n + 1) * share}]"}, {"component": f"{few}[{n}]"}
        yield edge(*ends, "many2many", name)


def switch_device(tier: Tier, ports: int) -> Entry:
    """The switches of one group of an outer tier, as one device."""
    asic, port = (
        {"name": name, "count": n, "choice": choice}
        for name, n, choice in (("asic", 1, "switch"), ("port", ports, "port"))
    )
    inside = edge({"component": "asic"}, {"component": "port"}, "many2many", "internal")
    return {
        "name": f"{tier.name}-switch",
        "components": [asic, port],
        "links": [{"name": "internal"}],
        "edges": [inside],
    }


def users_of(system: System, tier: Tier) -> int:
    """How many users one group of an outer tier joins."""
    user = tier.link.per
    return tier.count if user is None else system.places(user) // system.groups(tier.name)


def outer_edges(system: System, chain: list[Tier], position: int, tier: Tier) -> Iterator[Entry]:
    """How groups of the innermost tier are joined by an outer one."""
    node = chain[-1].name
    inner_groups = prod(t.count for t in chain[position + 1 : -1])  # innermost groups in one place of this tier
    user = tier.link.per if tier.link.per in chain[-1].joined else next(iter(chain[-1].joined))
    whole = tier.link.per in chain[-1].joined
    for group in range(system.groups(tier.name)):
        start = group * tier.count * inner_groups
        if tier.topology in RINGS:
            yield from ring({"component": user}, "instance", node, (start, inner_groups, tier.count), tier.name)
            continue
        ends = f"{node}[{start}:{start + tier.count * inner_groups}]"
        yield edge(
            {"instance": ends, "component": user if whole else f"{user}[0]"},
            {"instance": f"{tier.name}[{group}]", "component": "port"},
            "one2one",
            tier.name,
        )


def ring(end: Entry, key: str, name: str, places: tuple[int, int, int], link: str) -> Iterator[Entry]:
    """A ring of `count` places from `start`, each `width` wide: every place to the next, the last to the first."""
    start, width, count = places
    if count < 2:
        return
    stop, last = start + width * count, start + width * (count - 1)
    yield edge(
        {**end, key: f"{name}[{start}:{last}]"}, {**end, key: f"{name}[{start + width}:{stop}]"}, "one2one", link
    )
    if count > 2:
        yield edge(
            {**end, key: f"{name}[{last}:{stop}]"}, {**end, key: f"{name}[{start}:{start + width}]"}, "one2one", link
        )


def edge(one: Entry, other: Entry, scheme: str, link: str) -> Entry:
    """One edge entry."""
    return {"ep1": one, "ep2": other, "scheme": scheme, "link": link}
