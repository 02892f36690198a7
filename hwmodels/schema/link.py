"""The keys of links: inside a device, in a tier, and beside the tiers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from stratagem.hwmodels.schema.base import Bandwidth, ByteEnergy, Count, Latency, Name, Reach, Record, Share, Watts


class PinsEntry(Record):
    """Equal wires in parallel: how many, and the bandwidth of one."""

    count: Count
    rate: Bandwidth


class LinkEntry(Record):
    """What a joint carries."""

    bandwidth: Bandwidth | None = None
    latency: Annotated[Latency | None, Field(description="one way from end to end, switches included")] = None
    energy: ByteEnergy | None = None
    per: Name | None = Field(None, description="whose bandwidth it is")
    power: Watts | None = None
    ports: PinsEntry | None = Field(None, description="of one user; gives or checks the bandwidth")
    utilisation: Annotated[Reach | None, Field(description="share of the bandwidth that long transfers reach")] = None
    occupies: Annotated[Share | None, Field(description="share of a device's units that moving data takes")] = None


class EdgeEntry(LinkEntry):
    """A path outside the tree of levels."""

    from_: Name
    to: Name
    name: Name | None = None
    within: Name | None = None


class PathEntry(LinkEntry):
    """A path outside the tree of tiers, between members or tiers."""

    from_: Name
    to: Name
    name: Name | None = None
    count: Count | None = Field(None, description="in the whole system; default: one for each of the more numerous end")


class SwitchEntry(Record):
    """The switches that join one group of a tier."""

    count: Count = 1
    ports: Count | None = Field(None, description="of one switch")
    power: Watts | None = None
    latency: Latency | None = None
