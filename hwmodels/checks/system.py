"""Consistency of a system description."""

from __future__ import annotations

from collections.abc import Mapping

from stratagem.hwmodels.errors import Problem
from stratagem.hwmodels.model import Device
from stratagem.hwmodels.nodes import Node
from stratagem.hwmodels.schema.system import SystemFile


def system_problems(record: SystemFile, root: Node, devices: Mapping[str, Device]) -> list[Problem]:
    """Every inconsistency."""
    return []
