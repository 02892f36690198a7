"""The keys of `system:` and `mapping:` files."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from stratagem.hwmodels.schema.base import (
    Bandwidth,
    Carbon,
    Count,
    Dtype,
    Lifetime,
    Money,
    MoneyRate,
    Name,
    Record,
)
from stratagem.hwmodels.schema.link import LinkEntry, PathEntry, SwitchEntry
from stratagem.hwmodels.schema.source import SourceEntry


def member_map(data: Any) -> Any:
    """A member may be given as its device's name alone."""
    return {"device": data} if isinstance(data, str) else data


class MemberEntry(Record):
    """One kind of device in the system."""

    device: Annotated[str, Field(description="a device of the library or of a file beside this one")]
    count: Count = 1


class TierEntry(Record):
    """One step of the network, outermost first."""

    name: Name
    count: Count | None = Field(None, description="how many are joined; may be left out where 'of' is a map")
    of: Name | dict[Name, Count] | None = Field(
        None, description="the member (or inner tier) that is joined, or a map of several to how many of each"
    )
    with_: dict[Name, Count] = Field(default_factory=dict, description="members attached once per group of this tier")
    topology: Literal["switch", "ring", "fully-connected", "mesh", "torus", "fat-tree", "bus", "host"] = "switch"
    link: LinkEntry | None = None
    switch: SwitchEntry | None = None


class InNetworkEntry(Record):
    """What the network reduces by itself."""

    tiers: list[Name]
    dtypes: list[Dtype] = Field(default_factory=list)


class PrimitiveEntry(Record):
    """One collective."""

    algorithms: list[Literal["ring", "tree", "direct", "in-network", "recursive-doubling", "host"]] = Field(
        min_length=1
    )
    in_network: InNetworkEntry | None = None
    bandwidth: Bandwidth | None = Field(None, description="measured bus bandwidth")


class SystemCost(Record):
    """Money and carbon of having and running the system."""

    capex: Money | None = None
    rent: MoneyRate | None = None
    per: Name | None = Field(None, description="the member whose share capex and rent are; default: the whole system")
    lifetime: Lifetime | None = None
    pue: Annotated[float, Field(ge=1, le=5)] | None = Field(None, description="power usage effectiveness")
    carbon: Carbon | None = Field(None, description="of the electricity")


class SystemFile(Record):
    """A `system:` document."""

    hw: Literal[1]
    system: Name
    source: SourceEntry
    note: str = ""
    members: dict[Name, Annotated[MemberEntry, BeforeValidator(member_map)]] = Field(
        min_length=1, description="the devices of the system, by the part they play"
    )
    host: Name | None = Field(None, description="the member that runs the main program; default 'host' or the only one")
    tiers: list[TierEntry] = Field(default_factory=list, description="the network, outermost first")
    links: list[PathEntry] = Field(default_factory=list, description="paths outside the tree of tiers")
    primitives: dict[
        Literal[
            "broadcast",
            "scatter",
            "gather",
            "all_gather",
            "reduce_scatter",
            "all_reduce",
            "all_to_all",
            "send_recv",
            "barrier",
        ],
        PrimitiveEntry,
    ] = Field(default_factory=dict, description="collectives that may be used, algorithms by preference")
    mesh: dict[Name, Count] = Field(default_factory=dict, description="virtual axes, outermost first")
    cost: SystemCost | None = Field(None, description="money and carbon of having and running the system")


class OperatorEntry(Record):
    """How one operator is mapped."""

    unit: Name | None = None
    tile: list[Count] = Field(default_factory=list)
    stage: Name | None = None


class MappingFile(Record):
    """A `mapping:` document: expert overrides for a system."""

    hw: Literal[1]
    mapping: Name
    system: str
    source: SourceEntry | None = None
    mesh: dict[Name, Count] = Field(default_factory=dict)
    bind: dict[Name, Name] = Field(default_factory=dict, description="mesh axis -> tier")
    layouts: dict[Name, str] = Field(default_factory=dict)
    operators: dict[Name, OperatorEntry] = Field(default_factory=dict)
