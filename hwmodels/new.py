"""A new description to start from: a child of a known one, or a full copy of it."""

from __future__ import annotations

from stratagem.hwmodels.errors import HardwareFileError, Place, Problem
from stratagem.hwmodels.load import load_device, load_machine, open_target
from stratagem.hwmodels.model import Device, System


def new_text(name: str, like: str, *, copy: bool = False) -> str:
    """YAML text of a description called `name` that starts as `like`.

    Args:
        copy: write everything out; otherwise extend `like` and show what is usually changed, as comments.

    HardwareFileError when `like` is not known or `name` is no name.
    """
    from stratagem.hwmodels.locate import SAFE_NAME

    if not SAFE_NAME.fullmatch(name) or "/" in name:
        message = f"'{name}' is not a name; use letters, digits, '-', '_' or '.'"
        raise HardwareFileError([Problem(Place(name), "", message)])
    document = open_target(like)
    if copy:
        return copied(name, load_device(like) if document.kind == "device" else load_machine(like))
    if document.kind == "system":
        return system_child(name, like, load_machine(like))
    return device_child(name, like, load_device(like))


def copied(name: str, machine: Device | System) -> str:
    """Everything written out, under the new name."""
    from stratagem.hwmodels.dump import yaml_text

    key = "device" if isinstance(machine, Device) else "system"
    return yaml_text([{**machine.document, key: name}])


def device_child(name: str, like: str, device: Device) -> str:
    """A device that extends another; the levels stand there as comments with their present numbers."""
    lines = [
        "hw: 1",
        f"device: {name}",
        f"extends: {like}",
        "source: {kind: assumed, note: fill in where your numbers come from}",
        "# Below is what is inherited. Take the '#' away from a line to change it; what is not mentioned",
        "# stays. 'stratagem hw check' tells what is wrong, 'stratagem hw show' what follows.",
        f"# clock: {device.trust('clock').text}",
        "# levels:",
    ]
    for level in device.levels:
        parts = [f"name: {level.name}"]
        if level.kind == "group":
            parts.append(f"count: {level.count}")
        for key in ("size", "bandwidth", "latency"):
            origin = device.provenance.get(f"levels.{level.name}.{key}")
            if origin is not None:
                parts.append(f"{key}: {origin.text}")
        lines.append(f"#   - {{{', '.join(parts)}}}")
    lines += ["# units:", *(f"#   - {{name: {unit.name}, count: {unit.count}}}" for unit in device.units)]
    if device.peak:
        peaks = ", ".join(f"{dtype}: {device.trust(f'peak.{dtype}').text}" for dtype in device.peak)
        lines.append(f"# peak: {{{peaks}}}")
    return "\n".join(lines) + "\n"


def system_child(name: str, like: str, system: System) -> str:
    """A system that extends another."""
    members = [
        f"#   {member.name}: {{device: {member.device.name}, count: {member.count}}}"
        for member in system.members.values()
    ]
    tiers = [f"#   - {{name: {tier.name}, count: {tier.count}}}" for tier in system.tiers]
    lines = [
        "hw: 1",
        f"system: {name}",
        f"extends: {like}",
        "source: {kind: assumed, note: fill in where your numbers come from}",
        "# members:",
        *members,
        *(["# tiers:", *tiers] if tiers else []),
    ]
    return "\n".join(lines) + "\n"
