"""What a condition says about sizes: in words, and as facts."""

from __future__ import annotations

from typing import Any

import numpy as np

from stratagem.compiler.frontends.onnx.graph import ASSERT, Dim, Graph, attributes, replace_inputs
from stratagem.compiler.frontends.onnx.refine import partial_of, rename_sizes

_CARRIERS = frozenset({"Identity", "Cast", "Squeeze", "Unsqueeze", "Reshape"})
"""Operators that hand a single element on."""


def condition_text(graph: Graph, one: Any, value: bool) -> str:
    """`dimension 2 of 'x' is 1`, where an If's condition compares a size; else that the condition is true or false."""
    name, value = _compared(graph, one.input[0], value)
    maker = graph.producers().get(name)
    if maker is not None and maker.op_type == "Equal":
        sides = [_side_text(graph, side) for side in maker.input]
        if all(sides) and not all(side.isdigit() for side in sides):
            first, second = sorted(sides, key=str.isdigit)
            return f"{first} is {'' if value else 'not '}{second}"
    return f"its condition '{one.input[0]}' is {'true' if value else 'false'}"


def assume(graph: Graph, condition: str, value: bool) -> None:
    """Writes into a trial graph what follows from a condition having a value. Assertions still read the computed one.

    A size that equals something is called that; readers of the condition, and of comparisons of the same sizes,
    read a constant.
    """
    known = {condition: _constant(graph, condition, value)}
    name, holds = _compared(graph, condition, value)
    sizes = {one.output[0]: _equal_sizes(graph, one) for one in graph.nodes if one.op_type == "Equal"}
    compared = sizes.get(name)
    if compared is not None:
        known.update((twin, _constant(graph, twin, holds)) for twin, others in sizes.items() if others == compared)
    for one in graph.nodes:
        if one.op_type != ASSERT:
            replace_inputs(one, known)
    if compared is not None and holds:
        left, right = sorted(compared, key=lambda size: isinstance(size, int))
        rename_sizes(graph, {str(left): right})


def _compared(graph: Graph, name: str, value: bool) -> tuple[str, bool]:
    """The value behind negations and copies, and what it is when `name` is `value`."""
    maker = graph.producers().get(name)
    while maker is not None and (maker.op_type == "Not" or maker.op_type in _CARRIERS):
        name, value = maker.input[0], value != (maker.op_type == "Not")
        maker = graph.producers().get(name)
    return name, value


def _equal_sizes(graph: Graph, equal: Any) -> frozenset[Dim] | None:
    """The two sizes that an Equal compares, where both are known by name or number and differ: one has a name."""
    sides = [partial_of(graph, side) for side in equal.input]
    if any(side is None or len(side) != 1 or side[0] is None for side in sides):
        return None
    found = frozenset(side[0] for side in sides if side)
    return found if len(found) == 2 and any(isinstance(size, str) for size in found) else None


def _constant(graph: Graph, name: str, value: bool) -> str:
    kind = graph.type_of(name)
    shape = kind.static if kind is not None and kind.static is not None else []
    return graph.add_constant(name, np.full(shape, value))


def _side_text(graph: Graph, name: str) -> str:
    """One side of a comparison of sizes: a number, or whose dimension it is; empty when unknown."""
    sizes = partial_of(graph, name)
    if sizes is None or len(sizes) != 1:
        return ""
    if isinstance(sizes[0], int):
        return str(sizes[0])
    for value in graph.inputs if graph.parent is None else []:
        shape = graph.shape_of(value) or ()
        if isinstance(sizes[0], str) and sizes[0] in shape:
            return f"dimension {shape.index(sizes[0])} of '{value}'"
    return _origin_text(graph, name)


def _origin_text(graph: Graph, name: str) -> str:
    """`dimension 2 of 'x'` for an element of `Shape(x)`."""
    makers = graph.producers()
    maker, at = makers.get(name), 0
    while maker is not None and maker.op_type in _CARRIERS | {"Gather"}:
        if maker.op_type == "Gather":
            index = graph.constant(maker.input[1])
            if index is None or index.size != 1:
                return ""
            at = int(index.reshape(-1)[0])
        maker = makers.get(maker.input[0])
    if maker is None or maker.op_type != "Shape":
        return ""
    of = maker.input[0]
    rank = len(graph.shape_of(of) or ())
    start = attributes(maker).get("start", 0) % rank if rank else 0
    return f"dimension {start + at if at >= 0 else rank + at} of '{of}'"
