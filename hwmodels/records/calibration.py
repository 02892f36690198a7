"""What a device was measured to do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from stratagem.hwmodels.trust import UNKNOWN, Provenance

NEIGHBOURS = 4  # samples a share of the peak is interpolated from
FEWEST = 3  # samples of one kind below which leaving one out says nothing


@dataclass(frozen=True)
class Sample:
    """Share of the peak (and seconds) that a function reached on one problem size."""

    unit: str
    function: str
    dtype: str
    size: tuple[int, ...]
    utilisation: float
    time: float | None = None

    @property
    def subject(self) -> tuple[str, str, str, int]:
        """What samples must have in common to be compared."""
        return self.unit, self.function, self.dtype, len(self.size)

    def distance(self, size: tuple[int, ...]) -> float:
        """How far a size is away, in powers of two."""
        return math.dist([math.log2(n) for n in self.size], [math.log2(n) for n in size])


@dataclass(frozen=True)
class LevelSample:
    """B/s of all pieces of a memory level together, seconds of latency, and bytes of all pieces together."""

    bandwidth: float | None = None
    latency: float | None = None
    size: int | None = None


@dataclass(frozen=True)
class Calibration:
    """Measurements of one device.

    Attributes:
        device: its name. samples: shares of the peak. rates: unit -> dtype -> op/s, all copies together. levels: by
        level name. launch: seconds. links: to ("in") and from ("out") the device, from its host.
        scaling: threads -> speed over one thread. versions: of the software measured. error: the leave-one-out
        error the file states (see `leave_one_out`).
    """

    name: str
    device: str
    samples: tuple[Sample, ...] = ()
    rates: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    levels: Mapping[str, LevelSample] = field(default_factory=dict)
    launch: float | None = None
    links: Mapping[str, LevelSample] = field(default_factory=dict)
    scaling: Mapping[int, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    error: float | None = None
    source: Provenance = UNKNOWN

    def utilisation(self, unit: str, function: str, dtype: str, size: tuple[int, ...]) -> float | None:
        """Share of the peak for one problem; None when nothing like it was measured."""
        subject = unit, function, dtype, len(size)
        return interpolated([sample for sample in self.samples if sample.subject == subject], size)

    def leave_one_out(self) -> float | None:
        """Median relative error of predicting each sample from the others of its kind; None with too few."""
        errors: list[float] = []
        for sample in self.samples:
            alike = [other for other in self.samples if other.subject == sample.subject and other is not sample]
            predicted = interpolated(alike, sample.size) if len(alike) + 1 >= FEWEST else None
            if predicted is not None:
                errors.append(abs(predicted - sample.utilisation) / sample.utilisation)
        return median(errors) if errors else None


def interpolated(samples: list[Sample], size: tuple[int, ...]) -> float | None:
    """Inverse-distance weighting (Shepard, 1968) of the nearest samples, distances in powers of two."""
    nearest = sorted(samples, key=lambda sample: sample.distance(size))[:NEIGHBOURS]
    if not nearest:
        return None
    if nearest[0].distance(size) == 0:
        return nearest[0].utilisation
    weights = [sample.distance(size) ** -2 for sample in nearest]
    total = sum(weight * sample.utilisation for weight, sample in zip(weights, nearest, strict=True))
    return total / sum(weights)
