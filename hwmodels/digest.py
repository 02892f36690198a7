"""Digests: two descriptions that mean the same have the same one, however they are written."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

from stratagem.hwmodels.model import Device, System


def sha256(facts: Any) -> str:
    """SHA-256 of plain data, order of keys aside."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=list).encode()).hexdigest()


def device_digest(device: Device) -> str:
    """Digest of what a device is: numbers and names, but not where they come from."""
    used = {name for unit in device.units for name in unit.functions}
    return sha256(
        {
            "class": [device.kind, device.backend, device.clock, device.launch],
            "levels": [asdict(level) for level in device.levels],
            "units": [asdict(unit) for unit in device.units],
            "functions": {n: [f.text, f.dtypes] for n, f in device.functions.items() if n in used},
            "peak": dict(device.peak),
            "power": asdict(device.power),
            "collectives": asdict(device.collectives),
            "links": [asdict(edge) for edge in device.links],
            "cost": dict(device.cost),
            "target": device.target,
        }
    )


def system_digest(system: System) -> str:
    """Digest of a system: its members' devices, and how they are joined."""
    return sha256(
        {
            "members": {name: [m.device.digest, m.count] for name, m in system.members.items()},
            "host": system.host,
            "tiers": [asdict(tier) for tier in system.tiers],
            "primitives": {name: asdict(primitive) for name, primitive in system.primitives.items()},
            "mesh": system.mesh,
            "cost": dict(system.cost),
            "links": [asdict(path) for path in system.links],
        }
    )
