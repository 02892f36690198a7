"""Where a number comes from, and how far it may be off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# From the most to the least trusted: what was measured here, down to what nobody has built.
KINDS = ("measured", "datasheet", "paper", "simulated", "assumed", "projected")


@dataclass(frozen=True)
class Provenance:
    """The origin of one value or of a whole file.

    Attributes:
        kind: one of KINDS. spread: relative half-width of the range around the value (0.15 = 15 %), None if
        unknown.
        id, note: the document it was read from, and remarks. text: the quantity as written.
        retrieved: date the document was read, YYYY-MM-DD.
    """

    kind: str = "assumed"
    spread: float | None = None
    id: str = ""
    note: str = ""
    text: str = ""
    retrieved: str = ""

    def interval(self, value: float) -> tuple[float, float]:
        """The low and high end of `value` (both equal to it when no spread is known)."""
        spread = self.spread or 0.0
        return value * (1 - spread), value * (1 + spread)


UNKNOWN = Provenance()


def least_trusted(origins: Iterable[Provenance]) -> Provenance:
    """The weakest of several origins, by kind, then by spread: a result is no better than its worst input."""
    return max(origins, key=lambda origin: (KINDS.index(origin.kind), origin.spread or 0.0))
