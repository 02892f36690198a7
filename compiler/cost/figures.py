"""Numbers of a hardware description as a cost model takes them: with a range, an origin and a direction."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from stratagem.hwmodels import Provenance
from stratagem.hwmodels.trust import KINDS


class End(Enum):
    """Which end of every range a model stands on. Costs are monotone in every number, so both ends bound the cost."""

    BEST = "best"
    STATED = "stated"
    WORST = "worst"


@dataclass(frozen=True)
class Figure:
    """One number that a cost rests on.

    Attributes:
        key: where it stands, `file: key`. value, low, high: base SI units. origin: kind, spread, source.
    """

    key: str
    value: float
    low: float
    high: float
    origin: Provenance

    def __str__(self) -> str:
        spread = f", ±{self.origin.spread:.0%}" if self.origin.spread else ""
        return f"{self.key} ({self.origin.kind}{spread})"


@dataclass
class Figures:
    """Takes numbers at one end of their ranges and remembers them.

    Attributes:
        end: the end that all numbers are taken at. alone: if set, only the number of this key is; the others are as
        stated. That is how the influence of one number is found. taken: what was asked for, by key.
    """

    end: End = End.STATED
    alone: str = ""
    taken: dict[str, Figure] = field(default_factory=dict)

    def gain(self, key: str, value: float, origin: Provenance, most: float = float("inf")) -> float:
        """A number of which more is better (rates, bandwidths, shares), at most `most`."""
        return self._take(key, value, origin, End.WORST, most)

    def burden(self, key: str, value: float, origin: Provenance) -> float:
        """A number of which less is better (latencies, energies, powers, prices)."""
        return self._take(key, value, origin, End.BEST, float("inf"))

    def _take(self, key: str, value: float, origin: Provenance, low_is: End, most: float) -> float:
        low, high = origin.interval(value)
        self.taken[key] = Figure(key, value, low, min(high, most), origin)
        if self.end is End.STATED or (self.alone and self.alone != key):
            return value
        return low if self.end is low_is else min(high, most)


def least_trusted_figure(figures: list[Figure]) -> Figure:
    """The weakest of several figures, by kind, then by spread."""
    return max(figures, key=lambda figure: (KINDS.index(figure.origin.kind), figure.origin.spread or 0.0))
