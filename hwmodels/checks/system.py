"""Consistency of a system description."""

from __future__ import annotations

from stratagem.hwmodels.errors import Problem
from stratagem.hwmodels.model import System
from stratagem.hwmodels.nodes import Node


def system_problems(system: System, root: Node) -> list[Problem]:
    """Every inconsistency."""
    return []
