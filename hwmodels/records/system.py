"""Members joined by tiers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stratagem.hwmodels.records.device import Device
from stratagem.hwmodels.records.link import NO_LINK, Link, Path, Switch
from stratagem.hwmodels.trust import UNKNOWN, Provenance


@dataclass(frozen=True)
class Member:
    """One kind of device in a system, present `count` times."""

    name: str
    device: Device
    count: int = 1


@dataclass(frozen=True)
class Tier:
    """One step of a system's network: `count` things `of` a member or inner tier, joined by `link`.

    A tier of unlike things has `of` None and says in `mixed` how many there are of each; `count` is their sum.
    `attached` are members present once per group, `switch` what joins one group.
    """

    name: str
    count: int
    of: str | None = None
    topology: str = "switch"
    link: Link = NO_LINK
    attached: Mapping[str, int] = field(default_factory=dict)
    mixed: Mapping[str, int] = field(default_factory=dict)
    switch: Switch | None = None

    @property
    def joined(self) -> Mapping[str, int]:
        """What one group of the tier joins, with how many of each."""
        return self.mixed or ({self.of: self.count} if self.of else {})


@dataclass(frozen=True)
class Primitive:
    """A collective the system may run: algorithms by preference, and what the network does by itself."""

    name: str
    algorithms: tuple[str, ...] = ()
    in_network_tiers: tuple[str, ...] = ()
    in_network_dtypes: tuple[str, ...] = ()
    bandwidth: float | None = None


@dataclass(frozen=True, eq=False)
class System:
    """Members joined by tiers of links. `host` names the member that runs `main`.

    `mesh` holds the virtual axes a program may be sharded over, as (axis, size), outermost first. `links` are
    paths outside the tree of tiers. `cost` holds, for the whole system: capex (USD), rent (USD/s), pue, carbon
    of the electricity (kg/J), lifetime (s), as far as given.
    """

    name: str
    members: Mapping[str, Member]
    host: str
    tiers: tuple[Tier, ...] = ()
    primitives: Mapping[str, Primitive] = field(default_factory=dict)
    mesh: tuple[tuple[str, int], ...] = ()
    digest: str = ""
    cost: Mapping[str, float] = field(default_factory=dict)
    source: Provenance = UNKNOWN
    provenance: Mapping[str, Provenance] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)
    links: tuple[Path, ...] = ()
    status: str = "draft"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, System) and (self.name, self.digest) == (other.name, other.digest)

    def __hash__(self) -> int:
        return hash((self.name, self.digest))

    def member(self, name: str) -> Member:
        """The member called `name`; KeyError with the names there are."""
        if name not in self.members:
            raise KeyError(f"system {self.name!r} has no member {name!r}; it has {', '.join(self.members)}")
        return self.members[name]

    def tier(self, name: str) -> Tier:
        """The tier called `name`; KeyError with the names there are."""
        for tier in self.tiers:
            if tier.name == name:
                return tier
        known = ", ".join(tier.name for tier in self.tiers) or "none"
        raise KeyError(f"system {self.name!r} has no tier {name!r}; it has {known}")

    def groups(self, name: str) -> int:
        """How many groups of the tier `name` the whole system has."""
        tier = self.tier(name)
        for outer in self.tiers[: self.tiers.index(tier)]:
            if name in outer.joined:
                return self.groups(outer.name) * outer.joined[name]
        return 1

    def places(self, name: str) -> int:
        """How many there are of a member, or groups of a tier; KeyError for neither."""
        return self.members[name].count if name in self.members else self.groups(name)

    @property
    def host_device(self) -> Device:
        """The device of the host member."""
        return self.members[self.host].device

    def trust(self, path: str) -> Provenance:
        """Where the value at `path` comes from; the file's own source by default."""
        return self.provenance.get(path, self.source)


Machine = System
