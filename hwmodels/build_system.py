"""Schema record of a system to the plain record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from stratagem.hwmodels.build import build_link
from stratagem.hwmodels.digest import system_digest
from stratagem.hwmodels.model import Device, Member, Path, Primitive, Switch, System, Tier
from stratagem.hwmodels.nodes import Node
from stratagem.hwmodels.origins import Origins, source_of, status_of
from stratagem.hwmodels.schema.system import SystemFile, TierEntry


def build_system(record: SystemFile, root: Node, devices: Mapping[str, Device]) -> System:
    """The system of a valid document."""
    origins = Origins(root, None)
    tiers = tuple(build_tier(origins, record, n, entry) for n, entry in enumerate(record.tiers))
    members = {
        name: Member(name, devices[name], member_count(tiers, name, entry.count))
        for name, entry in record.members.items()
    }
    system = System(
        name=record.system,
        members=members,
        host=host_of(record),
        tiers=tiers,
        primitives=dict(primitives(origins, record)),
        mesh=tuple(record.mesh.items()) or default_mesh(tiers),
        source=source_of(root),
        status=status_of(root),
    )
    system = replace(
        system,
        links=tuple(build_paths(origins, record, system)),
        cost=dict(system_cost(origins, record, members)),
        provenance=origins.found,
    )
    return replace(system, digest=system_digest(system), document=origins.document())


def build_tier(origins: Origins, record: SystemFile, position: int, entry: TierEntry) -> Tier:
    """One tier. A count that is missing is the sum of what is joined (checks refuse it where nothing says so)."""
    here = ("tiers", position)
    mixed = dict(entry.of) if isinstance(entry.of, dict) else {}
    of = None if isinstance(entry.of, dict) else entry.of or next_tier(record, position)
    switch = entry.switch
    return Tier(
        entry.name,
        entry.count or sum(mixed.values()) or 1,
        of,
        entry.topology,
        build_link(origins, entry.link, *here, "link"),
        dict(entry.with_),
        mixed,
        Switch(
            switch.count,
            switch.ports,
            origins.number(switch.power, *here, "switch", "power"),
            origins.number(switch.latency, *here, "switch", "latency"),
        )
        if switch
        else None,
    )


def default_mesh(tiers: tuple[Tier, ...]) -> tuple[tuple[str, int], ...]:
    """The tiers with more than one place; inside a tier of unlike things there is no common axis."""
    mixed = next((position for position, tier in enumerate(tiers) if tier.mixed), len(tiers))
    return tuple((tier.name, tier.count) for tier in tiers[: mixed + 1] if tier.count > 1)


def build_paths(origins: Origins, record: SystemFile, system: System) -> Iterator[Path]:
    """Paths outside the tiers: by default one for each of the end that there is more of."""
    known = {*system.members, *(tier.name for tier in system.tiers)}
    for position, entry in enumerate(record.links):
        ends = [system.places(name) for name in (entry.from_, entry.to) if name in known]
        link = build_link(origins, entry, "links", position)
        yield Path(entry.from_, entry.to, entry.name or "", entry.count or max(ends, default=1), link)


def next_tier(record: SystemFile, position: int) -> str | None:
    """What a tier joins when it does not say: the next tier in."""
    return record.tiers[position + 1].name if position + 1 < len(record.tiers) else None


def tier_chain(tiers: tuple[Tier, ...], member: str) -> list[tuple[str, int]]:
    """The tiers around a member with their counts, outermost first; empty for a member no tier joins."""
    for position, tier in enumerate(tiers):
        outside = tiers[:position]
        if member in tier.attached:
            return [*tier_chain(outside, tier.name), (member, tier.attached[member])]
        if member in tier.joined:
            return [*tier_chain(outside, tier.name), (tier.name, tier.joined[member])]
    return []


def member_count(tiers: tuple[Tier, ...], member: str, stated: int) -> int:
    """How many instances of a member there are: the product of the tiers around it, else what is stated."""
    chain = tier_chain(tiers, member)
    return math.prod(count for _, count in chain) if chain else stated


def host_of(record: SystemFile) -> str:
    """The member that runs the main program: the one stated, else `host`, else the first."""
    if record.host:
        return record.host
    return "host" if "host" in record.members else next(iter(record.members))


def primitives(origins: Origins, record: SystemFile) -> Iterator[tuple[str, Primitive]]:
    """The collectives."""
    for name, entry in record.primitives.items():
        network = entry.in_network
        yield (
            name,
            Primitive(
                name,
                tuple(entry.algorithms),
                tuple(network.tiers) if network else (),
                tuple(network.dtypes) if network else (),
                origins.number(entry.bandwidth, "primitives", name, "bandwidth"),
            ),
        )


def system_cost(origins: Origins, record: SystemFile, members: Mapping[str, Member]) -> Iterator[tuple[str, float]]:
    """Capital (USD) and rent (USD/s) of the whole, pue, carbon (kg/J) and lifetime (s), as far as given."""
    if record.cost is None:
        return
    entry = record.cost
    shares = members[entry.per].count if entry.per is not None and entry.per in members else 1
    table = (("capex", entry.capex, shares), ("rent", entry.rent, shares))
    for key, value, times in (*table, ("carbon", entry.carbon, 1), ("lifetime", entry.lifetime, 1)):
        number = origins.number(value, "cost", key)
        if number is not None:
            yield key, number * times
    if entry.pue is not None:
        yield "pue", entry.pue
