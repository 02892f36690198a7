"""Consistency of a device description."""

from __future__ import annotations

from stratagem.hwmodels.errors import Problem
from stratagem.hwmodels.model import Device
from stratagem.hwmodels.nodes import Node


def device_problems(device: Device, root: Node) -> list[Problem]:
    """Every inconsistency."""
    return []
