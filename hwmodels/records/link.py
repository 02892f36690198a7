"""Joints: inside a device, between members, and the switches in between."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pins:
    """Equal wires in parallel: how many, and B/s of one. Their product is the bandwidth."""

    count: int
    rate: float

    @property
    def bandwidth(self) -> float:
        """B/s of all of them."""
        return self.count * self.rate


@dataclass(frozen=True)
class Link:
    """A joint between units or members.

    Attributes:
        bandwidth: B/s per direction and user. latency: seconds one way from end to end, switches on the way
        included. energy: J/B. per: whose bandwidth it is, so how many such joints there are.
        power: watts one user's end draws whether it is used or not. ports: the physical ports of one user.
        utilisation: share of the bandwidth that long transfers reach. occupies: share of a device's compute units that
        is busy moving data while a transfer lasts. None where nobody says.
    """

    bandwidth: float | None = None
    latency: float | None = None
    energy: float | None = None
    per: str | None = None
    power: float | None = None
    ports: Pins | None = None
    utilisation: float | None = None
    occupies: float | None = None


NO_LINK = Link()


@dataclass(frozen=True)
class Switch:
    """The switches of one group of a tier: how many, ports and watts of one, seconds through one."""

    count: int = 1
    ports: int | None = None
    power: float | None = None
    latency: float | None = None


@dataclass(frozen=True)
class Edge:
    """A path inside a device that its tree of levels does not show, such as scratchpad to scratchpad."""

    source: str
    target: str
    name: str = ""
    within: str | None = None
    link: Link = NO_LINK


@dataclass(frozen=True)
class Path:
    """A path of a system outside its tree of tiers: `count` equal joints between two members or tiers."""

    source: str
    target: str
    name: str = ""
    count: int = 1
    link: Link = NO_LINK
