"""How busy other processes kept the processors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def processor_seconds(text: str, processors: frozenset[int], ticks: int) -> float:
    """Seconds that these processors worked so far, for all processes and other guests, from the text of /proc/stat."""
    total = 0
    for line in text.splitlines():
        name, *fields = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in processors:
            user, nice, system, _idle, _waiting, *rest = map(int, fields[:8])
            total += user + nice + system + sum(rest)  # interrupts, stolen time
    return total / ticks


def worked() -> float:
    """`processor_seconds` of the processors that this process may use."""
    text = Path("/proc/stat").read_text()
    return processor_seconds(text, frozenset(os.sched_getaffinity(0)), os.sysconf("SC_CLK_TCK"))


class Busy:
    """The share of processor time that went to others, over slices of one contender each."""

    def __init__(self) -> None:
        self._others, self._wall = 0.0, 0.0

    def add(self, slice_: Mapping[str, Any] | None) -> None:
        """A slice's `wall` seconds, and what its processors did: in all (`total`), and for the contender (`own`)."""
        if slice_ is None:
            return
        self._others += max(0.0, slice_["total"] - slice_["own"])
        self._wall += slice_["wall"] * slice_["processors"]

    @property
    def share(self) -> float:
        return self._others / self._wall if self._wall else 0.0
