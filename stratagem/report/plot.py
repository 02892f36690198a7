"""A sweep's points as an SVG picture: one objective against another on logarithmic axes, the Pareto front joined."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from stratagem.hwmodels.units import format_quantity

WIDTH, HEIGHT = 560, 380
LEFT, RIGHT, TOP, BOTTOM = 78, 22, 24, 46
TICKS = 5
STYLE = """.sweep-back{fill:#fff}.sweep-text{fill:#1c2430;font:12px system-ui,sans-serif}.sweep-grid{stroke:#d5dae1}
.sweep-point{fill:#3572b8}.sweep-front{fill:#c9801a}.sweep-line{stroke:#c9801a;fill:none;stroke-width:1.5}
@media(prefers-color-scheme:dark){.sweep-back{fill:#14181e}.sweep-text{fill:#e3e8ee}.sweep-grid{stroke:#343c47}
.sweep-point{fill:#5b9ae0}.sweep-front{fill:#e0a04a}.sweep-line{stroke:#e0a04a}}"""


@dataclass(frozen=True)
class Mark:
    """One point: places on both axes in base units, what it is, and whether it is on the front."""

    x: float
    y: float
    text: str
    front: bool


@dataclass(frozen=True)
class Scale:
    """A logarithmic axis: what is drawn on it, its unit (empty for plain numbers), and its ends on the picture."""

    name: str
    unit: str
    low: float
    high: float
    start: float
    end: float

    @staticmethod
    def of(name: str, unit: str, values: Sequence[float], start: float, end: float) -> Scale:
        """An axis that leaves a little room around all values, which are above zero."""
        room = max(max(values) / min(values), 1.01) ** 0.08
        return Scale(name, unit, min(values) / room, max(values) * room, start, end)

    def at(self, value: float) -> float:
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Places and labels, evenly spread."""
        for step in range(TICKS):
            value = self.low * (self.high / self.low) ** (step / (TICKS - 1))
            yield self.at(value), format_quantity(value, self.unit, digits=3)


def scatter(marks: Sequence[Mark], x: tuple[str, str], y: tuple[str, str]) -> str:
    """The picture, a document of its own.

    Args:
        marks: at least one. x, y: name and unit of each axis.
    """
    across = Scale.of(*x, [mark.x for mark in marks], LEFT, WIDTH - RIGHT)
    up = Scale.of(*y, [mark.y for mark in marks], HEIGHT - BOTTOM, TOP)
    label = f"{y[0]} against {x[0]}"
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label={quoteattr(label)}>',
        f"<style>{escape(STYLE)}</style>",
        f'<rect class="sweep-back" width="{WIDTH}" height="{HEIGHT}"/>',
        *_frame(across, up),
        *_points(marks, across, up),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _frame(across: Scale, up: Scale) -> Iterator[str]:
    for place, label in across.ticks():
        yield f'<path class="sweep-grid" d="M{place:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
        yield _text(label, place, HEIGHT - BOTTOM + 16, "middle")
    for place, label in up.ticks():
        yield f'<path class="sweep-grid" d="M{LEFT} {place:.1f}H{WIDTH - RIGHT}"/>'
        yield _text(label, LEFT - 6, place + 4, "end")
    yield _text(across.name, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "middle")
    yield _text(up.name, 6, 14, "start")


def _points(marks: Sequence[Mark], across: Scale, up: Scale) -> Iterator[str]:
    front = sorted((mark for mark in marks if mark.front), key=lambda mark: mark.x)
    if len(front) > 1:
        path = "L".join(f"{across.at(mark.x):.1f} {up.at(mark.y):.1f}" for mark in front)
        yield f'<path class="sweep-line" d="M{path}"/>'
    for mark in sorted(marks, key=lambda mark: mark.front):
        kind, radius = ("sweep-front", 5) if mark.front else ("sweep-point", 4)
        place = f'cx="{across.at(mark.x):.1f}" cy="{up.at(mark.y):.1f}" r="{radius}"'
        yield f'<circle class="{kind}" {place}><title>{escape(mark.text)}</title></circle>'


def _text(text: str, x: float, y: float, anchor: str) -> str:
    return f'<text class="sweep-text" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
