"""The keys of InfraGraph's schema 3.1, as records. Source: the package `infragraph` 3.1.0."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from stratagem.hwmodels.schema.base import Count, Record


class InfraRecord(Record):
    """A map of the file; its keys are spelled as its fields."""

    model_config = ConfigDict(alias_generator=None)


Text = Annotated[str, Field(min_length=1)]
Positive = Annotated[float, Field(gt=0)]


class InfraComponent(InfraRecord):
    """Equal parts of a device."""

    name: Text
    choice: Literal["custom", "device", "cpu", "xpu", "nic", "memory", "port", "switch"]
    count: Count
    description: str = ""
    custom: dict[str, Any] | None = None


class InfraBandwidth(InfraRecord):
    """One of three ways to say it."""

    choice: Literal["gigabits_per_second", "gigabytes_per_second", "gigatransfers_per_second"]
    gigabits_per_second: Positive | None = None
    gigabytes_per_second: Positive | None = None
    gigatransfers_per_second: Positive | None = None


class InfraLatency(InfraRecord):
    """One of three ways to say it."""

    choice: Literal["ms", "us", "ns"]
    ms: Positive | None = None
    us: Positive | None = None
    ns: Positive | None = None


class InfraPhysical(InfraRecord):
    """What a link carries."""

    bandwidth: InfraBandwidth | None = None
    latency: InfraLatency | None = None


class InfraLink(InfraRecord):
    """A kind of link."""

    name: Text
    description: str = ""
    physical: InfraPhysical | None = None


class InfraEnd(InfraRecord):
    """One end of an edge; names may carry indices."""

    component: Text
    instance: Text | None = None
    device: str | None = None


class InfraEdge(InfraRecord):
    """What two ends are joined by."""

    ep1: InfraEnd
    ep2: InfraEnd
    scheme: Literal["one2one", "many2many", "ring"]
    link: Text


class InfraDevice(InfraRecord):
    """Components and how they are joined."""

    name: Text
    components: list[InfraComponent] = Field(min_length=1)
    description: str = ""
    links: list[InfraLink] = Field(default_factory=list)
    edges: list[InfraEdge] = Field(default_factory=list)


class InfraInstance(InfraRecord):
    """How many there are of a device, under a name."""

    name: Text
    device: Text
    count: Count
    description: str = ""


class Infrastructure(InfraRecord):
    """The whole file."""

    name: str = ""
    description: str = ""
    devices: list[InfraDevice] = Field(min_length=1)
    instances: list[InfraInstance] = Field(min_length=1)
    links: list[InfraLink] = Field(default_factory=list)
    edges: list[InfraEdge] = Field(default_factory=list)
