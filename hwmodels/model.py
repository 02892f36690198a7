"""What a hardware description means once loaded: plain, frozen records in base SI units.

Bytes, seconds, hertz, joules, operations per second. Counts are integers. Nothing here reads files;
`load.py` makes these records, and compiler passes, cost models and backends only read them.
"""

from __future__ import annotations

from stratagem.hwmodels.records.calibration import Calibration, LevelSample, Sample
from stratagem.hwmodels.records.device import (
    MEMORY_KINDS,
    Collectives,
    Device,
    Function,
    Level,
    LibraryCall,
    Power,
    Sparse,
    Unit,
)
from stratagem.hwmodels.records.link import Edge, Link, Path, Pins, Switch
from stratagem.hwmodels.records.system import Machine, Member, Primitive, System, Tier

__all__ = [
    "MEMORY_KINDS",
    "Calibration",
    "Collectives",
    "Device",
    "Edge",
    "Function",
    "Level",
    "LevelSample",
    "LibraryCall",
    "Link",
    "Machine",
    "Member",
    "Path",
    "Pins",
    "Power",
    "Primitive",
    "Sample",
    "Sparse",
    "Switch",
    "System",
    "Tier",
    "Unit",
]
