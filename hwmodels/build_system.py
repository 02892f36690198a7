"""Schema record of a system to the plain record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from stratagem.hwmodels.build import Origins, build_link, source_of
from stratagem.hwmodels.digest import system_digest
from stratagem.hwmodels.model import Device, Member, Primitive, System, Tier
from stratagem.hwmodels.nodes import Node
from stratagem.hwmodels.schema.system import SystemFile


def build_system(record: SystemFile, root: Node, devices: Mapping[str, Device]) -> System:
    """The system of a valid document."""
    origins = Origins(root, None)
    tiers = tuple(
        Tier(
            entry.name,
            entry.count,
            entry.of or next_tier(record, n),
            entry.topology,
            build_link(origins, entry.link, "tiers", n, "link"),
            dict(entry.with_),
        )
        for n, entry in enumerate(record.tiers)
    )
    system = System(
        name=record.system,
        members={
            name: Member(name, devices[name], member_count(tiers, name, entry.count))
            for name, entry in record.members.items()
        },
        host=host_of(record),
        tiers=tiers,
        primitives=dict(primitives(origins, record)),
        mesh=tuple(record.mesh.items()) or tuple((tier.name, tier.count) for tier in tiers if tier.count > 1),
        cost=dict(system_cost(origins, record)),
        source=source_of(root),
        provenance=origins.found,
    )
    return replace(system, digest=system_digest(system), document=origins.document())


def next_tier(record: SystemFile, position: int) -> str | None:
    """What a tier joins when it does not say: the next tier in."""
    return record.tiers[position + 1].name if position + 1 < len(record.tiers) else None


def tier_chain(tiers: tuple[Tier, ...], member: str) -> list[tuple[str, int]]:
    """The tiers around a member with their counts, outermost first; empty for a member no tier joins."""
    for position, tier in enumerate(tiers):
        outside = tiers[:position]
        if member in tier.attached:
            return [*tier_chain(outside, tier.name), (member, tier.attached[member])]
        if tier.of == member:
            return [*tier_chain(outside, tier.name), (tier.name, tier.count)]
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


def system_cost(origins: Origins, record: SystemFile) -> Iterator[tuple[str, float]]:
    """Capital (USD), rent (USD/s), pue, carbon of electricity (kg/J), as far as given."""
    if record.cost is None:
        return
    entry = record.cost
    for key, value in (("capex", entry.capex), ("rent", entry.rent), ("carbon", entry.carbon)):
        number = origins.number(value, "cost", key)
        if number is not None:
            yield key, number
    if entry.pue is not None:
        yield "pue", entry.pue
