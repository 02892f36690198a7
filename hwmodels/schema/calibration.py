"""The keys of `calibration:` files."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stratagem.hwmodels.schema.base import (
    Bandwidth,
    Count,
    Dtype,
    Latency,
    Name,
    PeakShare,
    Rate,
    Ratio,
    Record,
    Size,
)
from stratagem.hwmodels.schema.source import SourceEntry


class SampleEntry(Record):
    """Measured share of the peak for one problem size."""

    unit: Name
    function: Name
    dtype: Dtype
    size: list[Count] = Field(min_length=1, description="extents of the function's dimensions, in its order")
    utilisation: PeakShare = Field(
        description="of the rate of all copies of the unit, as 'units' gives it, else as described"
    )
    time: Latency | None = None


class LevelSampleEntry(Record):
    """What one memory level was measured to do, all pieces together."""

    level: Name
    bandwidth: Bandwidth | None = None
    latency: Latency | None = None
    size: Size | None = Field(None, description="working set up to which it keeps that bandwidth")


class UnitSampleEntry(Record):
    """The most that one kind of unit was measured to do, all copies together."""

    unit: Name
    dtype: Dtype
    rate: Rate


class TransferEntry(Record):
    """What transfers between the device and its host were measured to do."""

    direction: Literal["in", "out"] = Field(description="in: to the device; out: from it")
    bandwidth: Bandwidth
    latency: Latency | None = None


class ScalingEntry(Record):
    """How much faster a number of threads is than one."""

    threads: Count
    speedup: Ratio


class CalibrationFile(Record):
    """A `calibration:` document, written by a probe."""

    hw: Literal[1]
    calibration: Name
    device: str
    source: SourceEntry
    versions: dict[str, str] = Field(default_factory=dict, description="of the software that was measured, by name")
    samples: list[SampleEntry] = Field(default_factory=list)
    units: list[UnitSampleEntry] = Field(default_factory=list)
    levels: list[LevelSampleEntry] = Field(default_factory=list)
    launch: Latency | None = None
    links: list[TransferEntry] = Field(default_factory=list, description="between the device and its host")
    scaling: list[ScalingEntry] = Field(default_factory=list)
    error: Ratio | None = Field(None, description="leave-one-out error")
