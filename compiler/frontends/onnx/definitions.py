"""Operators by others, for those that the wheel does not lower: used when it refuses, or where it is known to be wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from stratagem.compiler.frontends.onnx.graph import Graph, attributes
from stratagem.compiler.frontends.onnx.grid_sample import grid_sample
from stratagem.compiler.frontends.onnx.resize import resize

Rewrite = Callable[[Graph, Any], Sequence[Any] | None]
"""A node to the nodes that replace it; None where it stays, for now or for good."""

DEFINITIONS: dict[str, Rewrite] = {
    "GridSample": grid_sample,
    "Resize": resize,
}

ALWAYS = frozenset({"GridSample"})
"""Operators without a right lowering in the wheel."""


def wrong_in_the_wheel(one: Any) -> bool:
    """Whether the wheel's lowering of this form of an operator in `DEFINITIONS` gives wrong values."""
    if one.op_type != "Resize":
        return one.op_type in ALWAYS
    scaled = len(one.input) > 2 and bool(one.input[2])
    return scaled and attributes(one).get("coordinate_transformation_mode", "half_pixel") == "align_corners"
