"""Checks of memory accesses for interpreted kernels: bounds per lane, races between programs, coverage.

The checker keeps, per byte of every buffer, who wrote it and who read it in the current launch. Programs of
one launch run in any order and at the same time on a GPU, so two of them may touch one byte only if both just
read it. A new launch starts after the one before has ended, so it forgets readers and writers, not what was
written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

NOBODY, SEVERAL = -1, -2


@dataclass
class Region:
    """The address range of one kernel buffer.

    Attributes:
        written: per byte, whether any launch wrote it. None for a virtual region, which has addresses only.
        initialised: whether the host filled it before the first launch.
    """

    name: str
    base: int
    nbytes: int
    writable: bool
    covered: bool
    initialised: bool
    written: Array | None = None


@dataclass
class AccessChecker:
    """Watches every load and store of a kernel's launches.

    `problems` maps the name of a finding to its first occurrence.
    """

    regions: Sequence[Region]
    problems: dict[str, str] = field(default_factory=dict)
    launch: str = ""
    program: int = 0
    lanes: int = 0

    def __post_init__(self) -> None:
        self.regions = sorted(self.regions, key=lambda r: r.base)
        self._low = np.array([r.base for r in self.regions], np.uint64)
        self._high = np.array([r.base + r.nbytes for r in self.regions], np.uint64)
        self._writer: dict[str, Array] = {}
        self._reader: dict[str, Array] = {}

    def begin_launch(self, name: str) -> None:
        """Everything before is finished and visible."""
        self.launch = name
        real = [r for r in self.regions if r.written is not None]
        self._writer = {r.name: np.full(r.nbytes, NOBODY, np.int32) for r in real}
        self._reader = {r.name: np.full(r.nbytes, NOBODY, np.int32) for r in real}

    def access(self, addresses: Array, mask: Array | None, itemsize: int, writes: bool) -> Array:
        """Records one load or store of the current program; returns the lanes that may touch memory."""
        addresses = np.asarray(addresses, np.uint64)
        active = (
            np.ones(addresses.shape, bool) if mask is None else np.broadcast_to(np.asarray(mask, bool), addresses.shape)
        )
        wanted = addresses[active]
        self.lanes += wanted.size
        if not wanted.size:
            return np.zeros(addresses.shape, bool)
        region = np.searchsorted(self._low, wanted, side="right").astype(np.int64) - 1
        inside = (region >= 0) & (wanted + np.uint64(itemsize) <= self._high[np.maximum(region, 0)])
        if not inside.all():
            self._out_of_bounds(wanted[~inside], region[~inside], writes)
        touchable = inside.copy()
        for index in np.unique(region[inside]):
            chosen = inside & (region == index)
            if self.regions[index].written is None:
                touchable &= ~chosen
            else:
                self._record(self.regions[index], wanted[chosen], itemsize, writes)
        result = np.zeros(addresses.shape, bool)
        result[active] = touchable
        return result

    def finish(self) -> None:
        """Reports destinations that no launch wrote completely."""
        for region in self.regions:
            if region.covered and region.written is not None and not region.written.all():
                missing = int((~region.written).sum())
                self._found("output not covered", f"{region.name}: {missing} of {region.nbytes} bytes never written")

    def _record(self, region: Region, addresses: Array, itemsize: int, writes: bool) -> None:
        offsets = (addresses - np.uint64(region.base)).astype(np.int64)
        writer, reader = self._writer[region.name], self._reader[region.name]
        others = writer[offsets]
        if np.any((others != NOBODY) & (others != self.program)):
            other = int(others[(others != NOBODY) & (others != self.program)][0])
            self._found(
                f"race {'write' if writes else 'read'}-write",
                f"{region.name} is also written by program {other}",
            )
        if writes:
            self._record_write(region, offsets, itemsize)
            return
        assert region.written is not None
        if not region.initialised and not region.written[offsets].all():
            self._found("read of uninitialised memory", region.name)
        before = reader[offsets]
        reader[offsets] = np.where((before == NOBODY) | (before == self.program), self.program, SEVERAL)

    def _record_write(self, region: Region, offsets: Array, itemsize: int) -> None:
        if not region.writable:
            self._found("write to input", region.name)
        if np.unique(offsets).size != offsets.size:
            self._found("overlapping lanes of one store", region.name)
        readers = self._reader[region.name][offsets]
        if np.any((readers != NOBODY) & (readers != self.program)):
            self._found("race write-read", f"{region.name} is read by another program")
        assert region.written is not None
        for byte in range(itemsize):
            self._writer[region.name][offsets + byte] = self.program
            region.written[offsets + byte] = True

    def _out_of_bounds(self, addresses: Array, region: Array, writes: bool) -> None:
        nearest = self.regions[max(int(region[0]), 0)]
        offset = int(addresses[0]) - nearest.base
        kind = f"out-of-bounds {'write' if writes else 'read'}"
        self._found(kind, f"{addresses.size} lanes, first at {nearest.name} + {offset} of {nearest.nbytes} bytes")

    def _found(self, kind: str, detail: str) -> None:
        self.problems.setdefault(kind, f"{kind}: {detail} ({self.launch}, program {self.program})")
