"""Consistency of a system: hosts, counts, links and collectives that fit together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from stratagem.hwmodels.build_system import tier_chain
from stratagem.hwmodels.checks.report import problem, source_is_named
from stratagem.hwmodels.errors import Problem
from stratagem.hwmodels.model import System
from stratagem.hwmodels.nearest import did_you_mean
from stratagem.hwmodels.nodes import Node
from stratagem.hwmodels.units import format_quantity

Check = Callable[[System, Node], Iterator[Problem]]


def system_problems(system: System, root: Node) -> list[Problem]:
    """Every inconsistency of a system, in file order."""
    found = {found for check in CHECKS for found in check(system, root)}
    return sorted(found.union(source_is_named(root)))


def host_exists(system: System, root: Node) -> Iterator[Problem]:
    """The host is a member, and a CPU."""
    if system.host not in system.members:
        hint = did_you_mean(system.host, system.members) or f"members are {', '.join(system.members)}"
        yield problem(root, ("host",), f"no member is called '{system.host}'", hint)
        return
    device = system.members[system.host].device
    if device.backend != "cpu":
        path: tuple[str | int, ...] = ("host",) if root.child("host") else ("members", system.host)
        message = f"the host '{system.host}' is a {device.kind} with the backend '{device.backend}'"
        yield problem(root, path, message, "a host needs the backend 'cpu'")


def tiers_join_things(system: System, root: Node) -> Iterator[Problem]:
    """A tier joins a member or a tier further in; what is attached to it are members."""
    names = [tier.name for tier in system.tiers]
    for position, tier in enumerate(system.tiers):
        here = ("tiers", position)
        inner = names[position + 1 :]
        if names.index(tier.name) != position:
            yield problem(root, (*here, "name"), f"two tiers are called '{tier.name}'")
        if tier.of is None:
            message = "the innermost tier says no member"
            yield problem(root, here, message, f"add 'of: {next(iter(system.members))}'")
        elif tier.of not in system.members and tier.of not in inner:
            known = [*system.members, *inner]
            hint = did_you_mean(tier.of, known) or f"choose from {', '.join(known)}"
            yield problem(root, (*here, "of"), f"'{tier.of}' is no member and no tier further in", hint)
        for name in tier.attached:
            if name not in system.members:
                hint = did_you_mean(name, system.members)
                yield problem(root, (*here, "with", name), f"no member is called '{name}'", hint)


def counts_agree(system: System, root: Node) -> Iterator[Problem]:
    """A stated number of members is the product of the tiers around them."""
    for name in system.members:
        chain = tier_chain(system.tiers, name)
        stated = root.at(("members", name)).child("count")
        total = math.prod(count for _, count in chain)
        if chain and stated is not None and stated.value != total:
            product = " x ".join(f"{tier} {count}" for tier, count in chain)
            message = f"{stated.value} are stated, and the tiers hold {total} ({product})"
            yield problem(root, ("members", name, "count"), message)


def mesh_fits(system: System, root: Node) -> Iterator[Problem]:
    """The mesh has as many places as some member has instances."""
    if root.child("mesh") is None:
        return
    places = math.prod(size for _, size in system.mesh)
    counts = {name: member.count for name, member in system.members.items()}
    if places not in counts.values():
        shape = " x ".join(f"{axis} {size}" for axis, size in system.mesh)
        have = ", ".join(f"{count} {name}" for name, count in counts.items())
        yield problem(root, ("mesh",), f"the mesh has {places} places ({shape}), and there are {have}")


def network_reductions_exist(system: System, root: Node) -> Iterator[Problem]:
    """In-network algorithms name their tiers, and those exist."""
    tiers = [tier.name for tier in system.tiers]
    for name, primitive in system.primitives.items():
        here = ("primitives", name)
        if "in-network" in primitive.algorithms and not primitive.in_network_tiers:
            message = "the algorithm 'in-network' needs the key 'in-network' with its tiers"
            yield problem(root, (*here, "algorithms"), message)
        for place, tier in enumerate(primitive.in_network_tiers):
            if tier not in tiers:
                hint = did_you_mean(tier, tiers) or f"tiers are {', '.join(tiers) or 'none'}"
                yield problem(root, (*here, "in-network", "tiers", place), f"no tier is called '{tier}'", hint)


def collectives_fit_links(system: System, root: Node) -> Iterator[Problem]:
    """Without help from the network, no collective is faster than the fastest link."""
    links = [tier.link.bandwidth for tier in system.tiers if tier.link.bandwidth]
    for name, primitive in system.primitives.items():
        if primitive.bandwidth is None or not links or "in-network" in primitive.algorithms:
            continue
        if primitive.bandwidth > max(links):
            given, link = (format_quantity(value, "B/s") for value in (primitive.bandwidth, max(links)))
            message = f"{given} is above the fastest link ({link}), which only an in-network algorithm can be"
            yield problem(root, ("primitives", name, "bandwidth"), message)


def devices_allow_collectives(system: System, root: Node) -> Iterator[Problem]:
    """What a device forbids, the system does at most through the host."""
    for name, primitive in system.primitives.items():
        for member in system.members.values():
            if name in member.device.collectives.forbids and set(primitive.algorithms) != {"host"}:
                message = f"{member.device.name} (member '{member.name}') forbids {name}"
                yield problem(root, ("primitives", name), message, "use 'algorithms: [host]' or leave it out")


CHECKS: tuple[Check, ...] = (
    host_exists,
    tiers_join_things,
    counts_agree,
    mesh_fits,
    network_reductions_exist,
    collectives_fit_links,
    devices_allow_collectives,
)
