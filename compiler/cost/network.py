"""The network of a system as groups of ranks see it: which tiers a group spans, and what its collectives take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from stratagem.compiler.cost.collectives import Hop, group_seconds
from stratagem.compiler.cost.figures import Figures
from stratagem.hwmodels import Provenance, System, Tier
from stratagem.hwmodels.build_system import tier_chain
from stratagem.hwmodels.need import MissingNumberError, needed
from stratagem.runtime.errors import HardwareError


@dataclass(frozen=True)
class Rung:
    """A tier around one kind of member: its hop for all its places, and how many members its group holds in all."""

    hop: Hop
    members: int


@dataclass
class Network:
    """Collectives of one kind of member.

    Attributes:
        rungs: tiers around the member, innermost first. algorithms: primitive -> what the system allows.
        name: of the system. energies: J/B by tier, where given.
    """

    name: str
    rungs: tuple[Rung, ...]
    algorithms: Mapping[str, tuple[str, ...]]
    energies: Mapping[str, float] = field(default_factory=dict)
    cache: dict[tuple[str, float, int, int], float] = field(default_factory=dict, repr=False)
    spans: dict[tuple[int, int], tuple[Hop, ...]] = field(default_factory=dict, repr=False)

    def hops(self, ranks: int, stride: int) -> tuple[Hop, ...]:
        """The tiers that a group spans whose members are `stride` devices apart, innermost first."""
        found = self.spans.get((ranks, stride))
        if found is None:
            found = self.spans[ranks, stride] = tuple(self._hops(ranks, stride))
        return found

    def _hops(self, ranks: int, stride: int) -> list[Hop]:
        hops, covered = [], 1
        for rung in self.rungs:
            within = min(ranks, max(1, rung.members // stride))
            if rung is self.rungs[-1] and (ranks - 1) * stride < rung.members:
                within = ranks  # the last tier joins all there are, also where they do not divide it evenly
            if within > covered:
                hop = rung.hop
                joined = -(-within // covered)
                hops.append(replace(hop, ranks=joined))
                covered *= joined
        if covered < ranks:
            most = self.rungs[-1].members if self.rungs else 1
            raise HardwareError(
                f"{ranks} devices, each {stride} after the other, are asked for, and system '{self.name}' joins {most}",
                hint="use fewer devices, or give the system more",
            )
        return hops

    def seconds(self, primitive: str, size: float, ranks: int, stride: int) -> float:
        """Seconds of `primitive` on `size` bytes in a group; 0 for one rank.

        Raises MissingNumberError where the system does not have the primitive.
        """
        if ranks <= 1 or size <= 0:
            return 0.0
        key = (primitive, size, ranks, stride)
        found = self.cache.get(key)
        if found is None:
            found = self.cache[key] = self._seconds(primitive, size, ranks, stride)
        return found

    def _seconds(self, primitive: str, size: float, ranks: int, stride: int) -> float:
        algorithms = self.algorithms.get(primitive)
        if not algorithms:
            raise MissingNumberError(self.name, f"primitives.{primitive}", f"time of {primitive} over {ranks} ranks")
        seconds = group_seconds(primitive, algorithms, size, self.hops(ranks, stride))
        if seconds == float("inf"):
            raise HardwareError(
                f"{self.name}: none of the algorithms {', '.join(algorithms)} does {primitive}",
                hint=f"give primitives.{primitive}.algorithms one that does",
            )
        return seconds

    def message(self, size: float, stride: int, ranks: int = 2) -> float:
        """Seconds from one device to the next of a chain of `ranks` devices, `stride` apart, at its slowest place."""
        if ranks <= 1:
            return 0.0
        key = ("send_recv", size, ranks, stride)
        found = self.cache.get(key)
        if found is None:
            links = self.hops(ranks, stride)
            found = self.cache[key] = max(hop.latency + size / hop.bandwidth for hop in links)
        return found

    def occupied(self, ranks: int, stride: int) -> float:
        """Share of a device's compute units that a collective of the group keeps busy."""
        return max((hop.occupies for hop in self.hops(ranks, stride)), default=0.0)

    def joules(self, size: float, ranks: int, stride: int) -> float:
        """J for `size` bytes that each rank of a group sends, by the outermost tier they cross."""
        if ranks <= 1 or size <= 0:
            return 0.0
        tier = self.hops(ranks, stride)[-1].tier
        if tier not in self.energies:
            raise MissingNumberError(self.name, f"tiers.{tier}.link.energy", "energy of a collective")
        return size * self.energies[tier]


def network_of(system: System, member: str, figures: Figures) -> Network:
    """The network around `member`, its numbers taken at the end of `figures`."""
    by_name = {tier.name: tier for tier in system.tiers}
    rungs: list[Rung] = []
    energies: dict[str, float] = {}
    inside = 1
    for name, count in reversed(tier_chain(system.tiers, member)):
        tier = by_name[name] if name in by_name else _attaching(system, member)
        if count > 1:
            hop = _hop(system, tier, member, count, inside, figures)
            inside *= count
            rungs.append(Rung(hop, inside))
            if tier.link.energy is not None:
                path = f"tiers.{tier.name}.link.energy"
                energies[tier.name] = figures.burden(f"{system.name}: {path}", tier.link.energy, system.trust(path))
    algorithms = {name: primitive.algorithms for name, primitive in system.primitives.items()}
    return Network(system.name, tuple(rungs), algorithms, energies)


def _attaching(system: System, member: str) -> Tier:
    return next(tier for tier in system.tiers if member in tier.attached)


def _hop(system: System, tier: Tier, member: str, count: int, inside: int, figures: Figures) -> Hop:
    """A tier's hop; a link that is not each member's own is shared by all members behind it."""
    path = f"tiers.{tier.name}.link"

    def number(name: str) -> tuple[str, float, Provenance]:
        value = needed(system, f"{path}.{name}", f"time of a transfer over tier '{tier.name}'")
        return f"{system.name}: {path}.{name}", value, system.trust(f"{path}.{name}")

    bandwidth = figures.gain(*number("bandwidth")) / (1 if tier.link.per == member else inside)
    if tier.link.utilisation is not None:
        bandwidth *= figures.gain(*number("utilisation"), most=1.0)
    latency = figures.burden(*number("latency"))
    reduces = tuple(name for name, entry in system.primitives.items() if tier.name in entry.in_network_tiers)
    busy = figures.burden(*number("occupies")) if tier.link.occupies is not None else 0.0
    bus = _bus(system, tier, inside, figures)
    return Hop(tier.name, count, bandwidth, latency, tier.topology, busy, reduces, bus)


def _bus(system: System, tier: Tier, inside: int, figures: Figures) -> tuple[tuple[str, float], ...]:
    """Measured bus bandwidths, which are those of the innermost tier."""
    if inside > 1:
        return ()
    found = []
    for name, entry in system.primitives.items():
        if entry.bandwidth:
            path = f"primitives.{name}.bandwidth"
            found.append((name, figures.gain(f"{system.name}: {path}", entry.bandwidth, system.trust(path))))
    return tuple(found)
