"""A machine back to YAML text: self-contained, so that an artifact can carry its hardware along."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Any

from stratagem.hwmodels.model import Device, System


def dump(machine: System | Device) -> str:
    """YAML documents: every member's device, then the system (when it is more than a bare device)."""
    if isinstance(machine, Device):
        return yaml_text([machine.document])
    devices = {member.device.name: member.device.document for member in machine.members.values()}
    return yaml_text([*devices.values(), machine.document or minimal_system(machine)])


def minimal_system(machine: System) -> dict[str, Any]:
    """The document of a system that was made from a bare device."""
    members = {name: {"device": member.device.name, "count": member.count} for name, member in machine.members.items()}
    source = {"kind": "assumed", "note": "made from one device"}
    return {"hw": 1, "system": machine.name, "source": source, "members": members, "host": machine.host}


def yaml_text(documents: list[Mapping[str, Any]]) -> str:
    """Plain data as YAML documents."""
    from ruamel.yaml import YAML

    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = None  # innermost maps and lists on one line
    writer.width = 110
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    stream = StringIO()
    writer.dump_all([dict(document) for document in documents], stream)
    return stream.getvalue()
