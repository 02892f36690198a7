"""What a probe finds, in base units. Needs nothing but Python, so that machines that only measure can make it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Share:
    """A product's share of the unit's rate, and its seconds."""

    unit: str
    size: tuple[int, int, int]
    utilisation: float
    seconds: float
    dtype: str = "f32"


@dataclass(frozen=True)
class Link:
    """Seconds of an empty message, and B/s of large ones in one direction."""

    latency: float
    bandwidth: float


@dataclass
class Found:
    """Measurements in base units.

    Attributes:
        units: (unit, dtype) -> op/s of the device. bandwidth, latency: by level. size: of levels that hold more than
        they are said to. launch: seconds.
        scaling: threads -> speed over one. samples: lines of `samples`. links: to ("in") and from ("out") the device.
    """

    units: dict[tuple[str, str], float] = field(default_factory=dict)
    bandwidth: dict[str, float] = field(default_factory=dict)
    latency: dict[str, float] = field(default_factory=dict)
    size: dict[str, int] = field(default_factory=dict)
    launch: float = 0.0
    scaling: dict[int, float] = field(default_factory=dict)
    samples: list[Share] = field(default_factory=list)
    links: dict[str, Link] = field(default_factory=dict)
