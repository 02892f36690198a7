"""How checks write problems: by key path, at the place the value was written."""

from __future__ import annotations

from collections.abc import Iterator

from stratagem.hwmodels.errors import Problem
from stratagem.hwmodels.model import Pins
from stratagem.hwmodels.nodes import Node
from stratagem.hwmodels.units import format_quantity

DECLARED = ("datasheet", "paper")
WIRE_TOLERANCE = 0.02


def problem(root: Node, path: tuple[str | int, ...], message: str, hint: str = "") -> Problem:
    """A problem at the deepest node along `path`."""
    return Problem(root.at(path).place, root.label(path), message, hint)


def wires_fit(
    root: Node, here: tuple[str | int, ...], key: str, bandwidth: float | None, wires: Pins | None
) -> Iterator[Problem]:
    """A bandwidth is not above what its wires carry; one that was read from a document is exactly that.

    Measured and assumed bandwidths may be below: they tell what is reached.
    """
    if bandwidth is None or wires is None:
        return
    node = root.at((*here, "bandwidth"))
    stated = node.child("kind")
    declared = (stated is None and not node.mapping()) or (stated is not None and stated.value in DECLARED)
    declared = declared or bool(set(DECLARED) & node.mapping().keys() and "measured" not in node.mapping())
    too_low = declared and bandwidth < wires.bandwidth * (1 - WIRE_TOLERANCE)
    if bandwidth > wires.bandwidth * (1 + WIRE_TOLERANCE) or too_low:
        given, product = (format_quantity(value, "B/s") for value in (bandwidth, wires.bandwidth))
        rate = format_quantity(wires.rate * 8, "bit/s")
        message = f"{given}, but {wires.count} {key} at {rate} carry {product}"
        yield problem(root, (*here, "bandwidth"), message, "they agree within 2%; mark a lower one as measured")
