"""Consistency of a system's links: ports, switches, and paths beside the tiers."""

from __future__ import annotations

from collections.abc import Iterator

from stratagem.hwmodels.checks.report import problem, wires_fit
from stratagem.hwmodels.errors import Problem
from stratagem.hwmodels.model import System, Tier
from stratagem.hwmodels.nearest import did_you_mean
from stratagem.hwmodels.nodes import Node
from stratagem.hwmodels.units import format_quantity


def ports_carry_the_bandwidth(system: System, root: Node) -> Iterator[Problem]:
    """A link's bandwidth is ports times rate where both are given."""
    for position, tier in enumerate(system.tiers):
        yield from wires_fit(root, ("tiers", position, "link"), "ports", tier.link.bandwidth, tier.link.ports)
    for position, path in enumerate(system.links):
        yield from wires_fit(root, ("links", position), "ports", path.link.bandwidth, path.link.ports)


def switches_have_ports(system: System, root: Node) -> Iterator[Problem]:
    """The ports of all users of a group fit into its switches."""
    for position, tier in enumerate(system.tiers):
        if tier.switch is None or tier.switch.ports is None or tier.link.ports is None:
            continue
        there, wanted = tier.switch.count * tier.switch.ports, tier.count * tier.link.ports.count
        if wanted > there:
            message = f"{tier.count} users with {tier.link.ports.count} ports each need {wanted} ports"
            have = f"{tier.switch.count} x {tier.switch.ports} = {there}"
            yield problem(root, ("tiers", position, "switch"), f"{message}, and the switches have {have}")


def latencies_are_end_to_end(system: System, root: Node) -> Iterator[Problem]:
    """The latency of a link covers the switch on the way."""
    for position, tier in enumerate(system.tiers):
        inside, whole = tier.switch.latency if tier.switch else None, tier.link.latency
        if inside is not None and whole is not None and whole < inside:
            shown = format_quantity(whole, "s"), format_quantity(inside, "s")
            message = f"{shown[0]} from end to end is less than one switch on the way takes ({shown[1]})"
            yield problem(root, ("tiers", position, "link", "latency"), message)


def switches_fit_the_topology(system: System, root: Node) -> Iterator[Problem]:
    """Only a topology with switches has some."""
    for position, tier in enumerate(system.tiers):
        if tier.switch is not None and not has_switches(tier):
            message = f"a {tier.topology} has no switch"
            yield problem(root, ("tiers", position, "switch"), message, "write 'topology: switch' or 'fat-tree'")


def has_switches(tier: Tier) -> bool:
    """Whether what joins a tier is a switch."""
    return tier.topology in ("switch", "fat-tree")


def users_of_links_exist(system: System, root: Node) -> Iterator[Problem]:
    """Whose bandwidth a link's is, is a member or a tier."""
    known = [*system.members, *(tier.name for tier in system.tiers)]
    links: list[tuple[tuple[str | int, ...], str | None]] = []
    links += [(("tiers", n, "link", "per"), tier.link.per) for n, tier in enumerate(system.tiers)]
    links += [(("links", n, "per"), path.link.per) for n, path in enumerate(system.links)]
    for place, per in links:
        if per is not None and per not in known:
            hint = did_you_mean(per, known) or f"choose from {', '.join(known)}"
            yield problem(root, place, f"'{per}' is no member and no tier", hint)


def paths_join_things(system: System, root: Node) -> Iterator[Problem]:
    """Extra paths run between members or tiers, and spread evenly over each."""
    known = [*system.members, *(tier.name for tier in system.tiers)]
    for position, path in enumerate(system.links):
        for key, name in (("from", path.source), ("to", path.target)):
            if name not in known:
                hint = did_you_mean(name, known) or f"choose from {', '.join(known)}"
                yield problem(root, ("links", position, key), f"'{name}' is no member and no tier", hint)
                continue
            places = system.places(name)
            if path.count % places and places % path.count:
                message = f"{path.count} links do not spread evenly over {places} '{name}'"
                yield problem(root, ("links", position, "count"), message)


NETWORK_CHECKS = (
    ports_carry_the_bandwidth,
    switches_have_ports,
    latencies_are_end_to_end,
    switches_fit_the_topology,
    users_of_links_exist,
    paths_join_things,
)
