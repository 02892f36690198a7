"""Consistency of a system: hosts, counts, links and collectives that fit together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from stratagem.hwmodels.build_system import tier_chain
from stratagem.hwmodels.checks.network import NETWORK_CHECKS
from stratagem.hwmodels.checks.report import problem
from stratagem.hwmodels.checks.source import source_problems
from stratagem.hwmodels.errors import Problem
from stratagem.hwmodels.model import System
from stratagem.hwmodels.nearest import did_you_mean
from stratagem.hwmodels.nodes import Node
from stratagem.hwmodels.units import format_quantity

Check = Callable[[System, Node], Iterator[Problem]]


def system_problems(system: System, root: Node) -> list[Problem]:
    """Every inconsistency of a system, in file order."""
    found = {found for check in (*CHECKS, *NETWORK_CHECKS) for found in check(system, root)}
    return sorted(found.union(source_problems(root)))


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
        if tier.name in system.members:
            yield problem(root, (*here, "name"), f"a member is called '{tier.name}', too", "give the tier another name")
        if not tier.joined:
            message = "the innermost tier says no member"
            yield problem(root, here, message, f"add 'of: {next(iter(system.members))}'")
        for name in tier.joined:
            if name not in system.members and name not in inner:
                known = [*system.members, *inner]
                hint = did_you_mean(name, known) or f"choose from {', '.join(known)}"
                path = (*here, "of", name) if tier.mixed else (*here, "of")
                yield problem(root, path, f"'{name}' is no member and no tier further in", hint)
        for name in tier.attached:
            if name not in system.members:
                hint = did_you_mean(name, system.members)
                yield problem(root, (*here, "with", name), f"no member is called '{name}'", hint)


def tiers_have_counts(system: System, root: Node) -> Iterator[Problem]:
    """A tier says how many it joins, and a map of unlike things has the same sum."""
    for position, tier in enumerate(system.tiers):
        stated = root.at(("tiers", position)).child("count")
        total = sum(tier.mixed.values())
        if stated is None and not tier.mixed:
            message = "the key 'count' is missing"
            yield problem(root, ("tiers", position), message, "give it, or a map of members to counts under 'of'")
        elif stated is not None and tier.mixed and stated.value != total:
            sum_of = " + ".join(f"{count} {name}" for name, count in tier.mixed.items())
            message = f"{stated.value} are stated, and 'of' has {total} ({sum_of})"
            yield problem(root, ("tiers", position, "count"), message)


def places_are_single(system: System, root: Node) -> Iterator[Problem]:
    """No member and no tier is joined in two places: how many there are would be unclear."""
    seen: dict[str, str] = {}
    for position, tier in enumerate(system.tiers):
        for name in (*tier.joined, *tier.attached):
            if name in seen:
                message = f"'{name}' is joined by the tier '{seen[name]}' already"
                yield problem(root, ("tiers", position), message, "give it another name, such as a member of its own")
            seen.setdefault(name, tier.name)


def cost_shares_exist(system: System, root: Node) -> Iterator[Problem]:
    """Money per member names a member."""
    per = (root.child("cost") or root).child("per")
    if per is not None and per.value not in system.members:
        hint = did_you_mean(str(per.value), system.members) or f"members are {', '.join(system.members)}"
        yield problem(root, ("cost", "per"), f"no member is called '{per.value}'", hint)


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
    """Without help from the network, no collective is faster than the fastest link; with it, than two of them."""
    links = [tier.link.bandwidth for tier in system.tiers if tier.link.bandwidth]
    for name, primitive in system.primitives.items():
        if primitive.bandwidth is None or not links:
            continue
        helped = "in-network" in primitive.algorithms
        most = max(links) * (2 if helped else 1)
        if primitive.bandwidth > most:
            given, link = (format_quantity(value, "B/s") for value in (primitive.bandwidth, max(links)))
            reason = "twice which is the most" if helped else "which only an in-network algorithm can be"
            message = f"{given} is above the fastest link ({link}), {reason}"
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
    tiers_have_counts,
    places_are_single,
    cost_shares_exist,
    counts_agree,
    mesh_fits,
    network_reductions_exist,
    collectives_fit_links,
    devices_allow_collectives,
)
