"""Consistency of a device description."""

from __future__ import annotations

from stratagem.hwmodels.errors import Problem
from stratagem.hwmodels.model import Device
from stratagem.hwmodels.nodes import Node
from stratagem.hwmodels.schema.device import DeviceFile


def device_problems(device: Device, record: DeviceFile, root: Node) -> list[Problem]:
    """Every inconsistency."""
    return []
