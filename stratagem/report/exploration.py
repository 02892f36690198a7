"""A sweep as plain data, as a picture and as a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stratagem.compiler.cost.axes import Axis, magnitude
from stratagem.compiler.cost.sweep import KNOWN, Point
from stratagem.report.plot import Mark, scatter
from stratagem.report.shell import page, stamp
from stratagem.runtime.errors import UsageError


@dataclass(frozen=True)
class Exploration:
    """A finished sweep of a model on variants of a target; `notes` are what a reader has to know beside the points."""

    model: str
    target: str
    axes: Sequence[Axis]
    objectives: Sequence[str]
    points: Sequence[Point]
    notes: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """Seconds, joules; keys that are objectives in base units."""
        return {
            "model": self.model,
            "target": self.target,
            "vary": {axis.key: list(axis.values) for axis in self.axes},
            "objectives": list(self.objectives),
            "points": [
                {"values": dict(p.values), "objectives": dict(p.objectives), "front": p.front}
                | ({"problem": p.problem} if p.problem else {})
                for p in self.points
            ],
            "notes": list(self.notes),
        }

    def picture(self, other: str) -> str:
        """The first objective against another, as SVG; raises UsageError where no point can be drawn."""
        first = self.objectives[0]
        marks = [Mark(p.objectives[other], p.objectives[first], p.text, p.front) for p in self.points if not p.problem]
        if not marks:
            raise UsageError("there is nothing to draw: no point can be")
        return scatter(marks, (other, KNOWN.get(other, "")), (first, KNOWN.get(first, "")))

    def page(self) -> str:
        """Plots of the first objective against each other one, and every point in a table."""
        usable = any(not point.problem for point in self.points)
        data = {
            "kind": "sweep",
            "model": self.model,
            "target": self.target,
            "axes": [axis.key for axis in self.axes],
            "objectives": [{"name": name, "unit": KNOWN.get(name, "")} for name in self.objectives],
            "plots": [self.picture(other) for other in self.objectives[1:]] if usable else [],
            "points": [self._row(point) for point in self.points],
            "notes": list(self.notes),
            **stamp(),
        }
        return page(f"{self.model} on variants of {self.target}", data)

    def _row(self, point: Point) -> dict[str, Any]:
        return {
            "text": point.text,
            "values": {key: str(value) for key, value in point.values.items()},
            "magnitudes": {key: magnitude(value) for key, value in point.values.items()},
            "objectives": dict(point.objectives),
            "problem": point.problem,
            "front": point.front,
        }
