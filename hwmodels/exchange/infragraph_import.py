"""An InfraGraph infrastructure (schema 3.1) as a system: YAML text to be completed by hand.

Read are devices with cpu and xpu components and what joins these inside, instances of them, and switches between
instances. What the format does not say (energies, collectives, whose numbers they are) is left out, and the
source says that everything is assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stratagem.hwmodels.dump import yaml_text
from stratagem.hwmodels.errors import HardwareFileError, Place, Problem
from stratagem.hwmodels.exchange.infragraph_schema import Infrastructure
from stratagem.hwmodels.locate import library_names
from stratagem.hwmodels.nearest import did_you_mean
from stratagem.hwmodels.nodes import read_documents
from stratagem.hwmodels.schema.validate import validate

Entry = dict[str, Any]
GIGA = {"gigabytes_per_second": "GB/s", "gigabits_per_second": "Gbit/s"}
SOURCE = {"kind": "assumed", "spread": "50%", "note": "read from an InfraGraph file; say where its numbers come from"}


def system_text(path: Path, name: str, devices: Mapping[str, str]) -> str:
    """The system `name` of an InfraGraph file as YAML.

    Args:
        devices: component -> device of the library, for components whose description is no name of the library.

    HardwareFileError where the file is not of schema 3.1, or holds what no system can say.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise fault(path, "", f"cannot read the file: {error}") from None
    root = read_documents(text, str(path))[0]
    if root.child("connections") is not None or root.child("infrastructure") is not None:
        raise fault(path, "", "it is of an older InfraGraph schema than 3.1", "write 'edges' instead of 'connections'")
    problems = validate(Infrastructure, root)[1]
    if problems:
        raise HardwareFileError(problems)
    return yaml_text([Reader(path, root.plain(), devices).system(name)])


def fault(path: Path, where: str, message: str, hint: str = "") -> HardwareFileError:
    """The error of one place of the file."""
    return HardwareFileError([Problem(Place(str(path)), where, message, hint)])


class Reader:
    """One valid infrastructure and what is asked of it."""

    def __init__(self, path: Path, data: Entry, devices: Mapping[str, str]) -> None:
        self.path, self.data, self.names = path, data, devices
        self.devices: dict[str, Entry] = {device["name"]: device for device in data["devices"]}
        self.instances: dict[str, Entry] = {instance["name"]: instance for instance in data["instances"]}
        for holder in (data, *data["devices"]):
            known = {link["name"] for link in holder.get("links", ())}
            for edge in holder.get("edges", ()):
                if edge["link"] not in known:
                    raise fault(path, "edges", f"no link is called '{edge['link']}'", did_you_mean(edge["link"], known))

    def system(self, name: str) -> Entry:
        """The document of the system."""
        ends = [instance for instance in self.instances.values() if self.is_end(instance)]
        if not ends:
            raise fault(self.path, "instances", "no instance is of a device with cpu or xpu components")
        members: Entry = {}
        tiers = [self.inner_tier(instance, members) for instance in ends]
        group = {instance["name"]: tier["name"] for instance, tier in zip(ends, tiers, strict=True)}
        document: Entry = {"hw": 1, "system": name, "source": SOURCE, "members": members, "host": self.host(ends)}
        paths = [path for instance in ends for path in self.paths(instance)]
        return {**document, "tiers": [*self.outer_tier(ends, group), *tiers], **({"links": paths} if paths else {})}

    def is_end(self, instance: Entry) -> bool:
        """Whether an instance computes: it has xpus, or cpus and no ports."""
        kinds = {component["choice"] for component in self.device_of(instance).get("components", ())}
        return "xpu" in kinds or ("cpu" in kinds and "port" not in kinds)

    def device_of(self, instance: Entry) -> Entry:
        """The device an instance is of."""
        if instance.get("device") not in self.devices:
            raise fault(self.path, f"instances.{instance['name']}", f"no device is called '{instance.get('device')}'")
        return self.devices[instance["device"]]

    def parts(self, instance: Entry, choice: str) -> list[Entry]:
        """The components of one kind."""
        return [part for part in self.device_of(instance)["components"] if part["choice"] == choice]

    def host(self, ends: list[Entry]) -> str:
        """The member that runs the main program: the first cpu."""
        cpus = [part["name"] for instance in ends for part in self.parts(instance, "cpu")]
        if not cpus:
            raise fault(self.path, "devices", "no component is a cpu, and a system needs a host")
        return str(cpus[0])

    def inner_tier(self, instance: Entry, members: Entry) -> Entry:
        """The tier of one device's insides; its components are added to the members."""
        cpus, xpus = self.parts(instance, "cpu"), self.parts(instance, "xpu")
        for part in (*xpus, *cpus):
            if part["name"] in members:
                message = "two devices have a component of this name; only one kind of device can have it"
                raise fault(self.path, f"devices.{part['name']}", message)
            members[part["name"]] = {"device": self.library_device(part)}
        main = xpus or cpus
        counts = {part["name"]: int(part["count"]) for part in main}
        joined: Entry = (
            {"count": next(iter(counts.values())), "of": main[0]["name"]} if len(main) == 1 else {"of": counts}
        )
        tier = {"name": group_name(instance, members), **joined, **self.joint(instance, str(main[0]["name"]))}
        attached = {part["name"]: int(part["count"]) for part in cpus} if xpus else {}
        return {**tier, "with": attached} if attached else tier

    def library_device(self, part: Entry) -> str:
        """The device of the library that a component is."""
        for name in (self.names.get(part["name"]), part.get("description")):
            if name in library_names():
                return str(name)
        message = f"'{part.get('description', '')}' is no device of the library"
        raise fault(self.path, f"components.{part['name']}", message, f"say which one: --device {part['name']}=NAME")

    def joint(self, instance: Entry, member: str) -> Entry:
        """Topology and link of what joins the members inside a device; nothing where nothing does."""
        device = self.device_of(instance)
        switches = {part["name"]: int(part["count"]) for part in self.parts(instance, "switch")}
        found = [edge for edge in device.get("edges", ()) if member in ends_of(edge, "component")]
        for edge in sorted(found, key=lambda edge: -self.speed(device, edge)):
            one, other = ends_of(edge, "component")
            partner = other if one == member else one
            link = self.link(device.get("links", ()), edge["link"], member)
            if partner in switches:
                return {"topology": "switch", "link": link, "switch": {"count": switches[partner]}}
            if partner == member:
                return {"topology": "fully-connected" if edge["scheme"] == "many2many" else "ring", "link": link}
            if partner in {part["name"] for part in self.parts(instance, "cpu")}:
                return {"topology": "host", "link": link}
        return {}

    def paths(self, instance: Entry) -> list[Entry]:
        """Direct links between xpus and cpus, beside what joins the xpus."""
        device, main = self.device_of(instance), self.parts(instance, "xpu")
        cpus = {part["name"] for part in self.parts(instance, "cpu")}
        found: dict[str, Entry] = {}
        for edge in device.get("edges", ()) if main else ():
            one, other = ends_of(edge, "component")
            if {one, other} == {main[0]["name"], *({one, other} & cpus)} and one != other:
                link = self.link(device.get("links", ()), edge["link"], str(main[0]["name"]))
                found[edge["link"]] = {"from": one, "to": other, "name": edge["link"], **link}
        used = self.joint(instance, str(main[0]["name"])) if main else {}
        return [path for path in found.values() if used.get("topology") != "host"]

    def speed(self, device: Entry, edge: Entry) -> float:
        """The bandwidth of an edge's link, for choosing the fastest."""
        physical: dict[str, Entry] = {link["name"]: link.get("physical") or {} for link in device.get("links", ())}
        bandwidth: Entry = physical[edge["link"]].get("bandwidth") or {}
        value = float(bandwidth.get(bandwidth.get("choice", ""), 0.0))
        return value / 8 if bandwidth.get("choice") == "gigabits_per_second" else value

    def link(self, links: Any, name: str, per: str) -> Entry:
        """A link of the file; transfers are refused, because they have no size."""
        entry = next(link for link in links if link["name"] == name)
        physical, found = entry.get("physical") or {}, Entry(per=per)
        bandwidth, latency = physical.get("bandwidth"), physical.get("latency")
        if bandwidth:
            choice = bandwidth["choice"]
            if choice not in GIGA:
                message = f"the bandwidth is in {choice}, and a transfer has no size"
                raise fault(self.path, f"links.{name}", message, f"give it as {' or '.join(GIGA)}")
            found["bandwidth"] = f"{self.chosen(bandwidth, name)} {GIGA[choice]}"
        if latency:
            found["latency"] = f"{self.chosen(latency, name)} {latency['choice']}"
        return found

    def chosen(self, physical: Entry, name: str) -> float:
        """The number that a bandwidth or latency says it has."""
        value = physical.get(physical["choice"])
        if value is None:
            raise fault(self.path, f"links.{name}", f"it says {physical['choice']}, and does not give it")
        return float(value)

    def outer_tier(self, ends: list[Entry], group: Mapping[str, str]) -> list[Entry]:
        """The tier that joins the instances' groups, by the switches that their edges lead to."""
        names = {instance["name"] for instance in ends}
        counts = {instance["name"]: int(instance["count"]) for instance in ends}
        edges = [edge for edge in self.data.get("edges") or () if names & set(ends_of(edge, "instance"))]
        if sum(counts.values()) == 1 and not edges:
            return []
        if any(names >= set(ends_of(edge, "instance")) for edge in edges):
            raise fault(
                self.path, "edges", "edges join computing instances directly; only switches between them are read"
            )
        links = dict.fromkeys(edge["link"] for edge in edges)
        if len(links) > 1:
            message = f"the instances are joined by {len(links)} kinds of links ({', '.join(links)}); one is read"
            raise fault(self.path, "edges", message)
        switches = {name for edge in edges for name in ends_of(edge, "instance")} - names
        between = any(switches & set(ends_of(edge, "instance")) for edge in self.data["edges"] if edge not in edges)
        joint: Entry = {"topology": "fat-tree" if between else "switch"}
        if links:
            user = next(name for name in ends_of(edges[0], "instance") if name in names)
            per = self.user(edges[0], user)
            joint["link"] = self.link(self.data.get("links") or (), next(iter(links)), group.get(per, per))
        joined = {group[name]: count for name, count in counts.items()}
        of: Entry = (
            {"of": joined} if len(ends) > 1 else {"count": next(iter(counts.values())), "of": next(iter(joined))}
        )
        return [{"name": next(iter(links), "network"), **of, **joint}]

    def user(self, edge: Entry, instance: str) -> str:
        """Whose bandwidth an outer link's is: a member's where each has its own end, else the device's."""
        end = next(end for end in (edge["ep1"], edge["ep2"]) if plain(end["instance"]) == instance)
        named = end["component"]
        parts = {part["name"]: part["choice"] for part in self.device_of(self.instances[instance])["components"]}
        if parts.get(named) == "xpu":
            return str(named)
        nics = sum(int(part["count"]) for part in self.parts(self.instances[instance], "nic"))
        xpus = self.parts(self.instances[instance], "xpu")
        return str(xpus[0]["name"]) if xpus and nics == int(xpus[0]["count"]) else instance


def group_name(instance: Entry, members: Entry) -> str:
    """The name of an instance's tier, which is not that of a member."""
    name = str(instance["name"])
    return f"{name}-group" if name in members else name


def ends_of(edge: Entry, key: str) -> tuple[str, str]:
    """The names at both ends of an edge, without their indices."""
    return plain(edge["ep1"][key]), plain(edge["ep2"][key])


def plain(name: str) -> str:
    """`host[0:4]` as `host`."""
    return name.partition("[")[0].partition(".")[0]
