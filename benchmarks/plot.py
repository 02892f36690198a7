"""A log-log plot as SVG text."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, MARGIN = 760, 480, 60
COLOURS = ("#1b6ca8", "#d1495b", "#2e933c", "#e39b22", "#6b4fa0", "#00798c", "#8d6e63", "#444444")


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` on pixels from `start` to `end`, logarithmically."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The pixel of a value."""
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, base: int) -> list[float]:
        """Powers of `base` in the range."""
        first = math.ceil(math.log(self.low, base) - 1e-9)
        last = math.floor(math.log(self.high, base) + 1e-9)
        return [float(base) ** i for i in range(first, last + 1)]


def log_log(series: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str) -> str:
    """Lines of (x, y) points, all above zero; powers of two are marked across and powers of ten up.

    Raises ValueError without points.
    """
    points = [p for line in series.values() for p in line]
    if not points:
        raise ValueError("there is nothing to draw")
    x = _axis([p[0] for p in points], MARGIN, WIDTH - MARGIN)
    y = _axis([p[1] for p in points], HEIGHT - MARGIN, MARGIN)
    body = "\n".join([*_grid(x, y, across, up), *_lines(series, x, y)])
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )


def _axis(values: Sequence[float], start: float, end: float) -> Axis:
    low, high = min(values), max(values)
    return Axis(low / 1.1, high * 1.1, start, end)


def _grid(x: Axis, y: Axis, across: str, up: str) -> Iterator[str]:
    for value in x.ticks(2):
        at = f"{x.at(value):.1f}"
        yield f'<line x1="{at}" y1="{y.start}" x2="{at}" y2="{y.end}" stroke="#dddddd"/>'
        yield f'<text x="{at}" y="{y.start + 18}" text-anchor="middle">{value:g}</text>'
    for value in y.ticks(10):
        at = f"{y.at(value):.1f}"
        yield f'<line x1="{x.start}" y1="{at}" x2="{x.end}" y2="{at}" stroke="#dddddd"/>'
        yield f'<text x="{x.start - 6}" y="{at}" text-anchor="end" dominant-baseline="middle">{value:g}</text>'
    yield f'<text x="{WIDTH / 2}" y="{HEIGHT - 16}" text-anchor="middle">{escape(across)}</text>'
    yield f'<text x="16" y="{MARGIN - 16}">{escape(up)}</text>'


def _lines(series: Mapping[str, Sequence[tuple[float, float]]], x: Axis, y: Axis) -> Iterator[str]:
    for i, (name, line) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        places = [(x.at(a), y.at(b)) for a, b in line]
        yield f'<polyline fill="none" stroke="{colour}" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in places)}"/>'
        yield from (f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.5" fill="{colour}"/>' for a, b in places)
        yield f'<text x="{MARGIN + 10}" y="{MARGIN + 16 * i}" fill="{colour}">{escape(name)}</text>'
