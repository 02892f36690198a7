"""Loop nests (linalg operations) in a normal form that does not depend on how loops are cut, ordered or merged.

The loops become *axes*: counts that move through the whole tensors of the operands. An axis is as long as it can be,
and axes stand in an order of their own, so a loop over 32 rows and two loops over 4 and 8 that go through the same
elements are the same nest. The rank is one more axis that is not folded. A loop whose number is used otherwise
(`linalg.index`, windows) is *solid*: it stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from stratagem.compiler.checks.sharding.expressions import Expression
from stratagem.compiler.checks.sharding.layouts import Factor, Terms, scaled
from stratagem.compiler.checks.sharding.sizes import ONE, Size

IDEMPOTENT = ("max", "min")
"""Reductions that anything may be folded in again."""


class Axis(NamedTuple):
    """`terms[i]`: how it moves through the i-th argument."""

    size: Size
    is_folded: bool
    terms: tuple[Terms, ...]


class Solid(NamedTuple):
    loop: int
    is_folded: bool
    size: Size


class Window(NamedTuple):
    """Dimension `dim` of an argument moves by `stride` times (`expression` // `inner`) % `size`."""

    dim: int
    stride: Size
    expression: str
    inner: Size
    size: Size


class Nest(NamedTuple):
    """What a nest computes: dimensions of the result are the solid loops and the axes that are not folded, in order.

    Attributes:
        yields: the body's results, in terms of its arguments.
        arguments: of the body, by number, as far as it uses them, and whole tensors that their elements come from.
        reduction: how it folds into `arguments[init]`; empty where no collective folds that way.
    """

    yields: tuple[Expression, ...]
    arguments: tuple[tuple[int, Expression], ...]
    axes: tuple[Axis, ...]
    solids: tuple[Solid, ...]
    windows: tuple[tuple[Window, ...], ...]
    reduction: str
    init: int


class Place(NamedTuple):
    """Where an axis went: into the `axis`-th of the normal form, where it counts in steps of `stride`."""

    axis: int
    stride: Size


def normal_axes(axes: Sequence[Axis], reduction: str) -> tuple[tuple[Axis, ...], list[Place | None]]:
    """The axes in normal form, and where each one went: None where the result does not depend on it."""
    groups = [([i], a) for i, a in enumerate(axes) if a.size != ONE and _matters(a, reduction)]
    while (pair := _neighbours([axis for _, axis in groups])) is not None:
        outer, inner = (groups[i] for i in pair)
        joined = inner[1]._replace(size=outer[1].size.times(inner[1].size))
        groups = [g for i, g in enumerate(groups) if i not in pair] + [([*outer[0], *inner[0]], joined)]
    groups.sort(key=lambda group: (group[1].is_folded, group[1].terms, group[1].size))
    places: list[Place | None] = [None] * len(axes)
    for number, (members, _) in enumerate(groups):
        stride = ONE
        for member in reversed(members):
            places[member] = Place(number, stride)
            stride = stride.times(axes[member].size)
    return tuple(axis for _, axis in groups), places


def _matters(axis: Axis, reduction: str) -> bool:
    """The same number folded in again matters, but not to an extreme."""
    return any(axis.terms) or (axis.is_folded and reduction not in IDEMPOTENT)


def _neighbours(axes: list[Axis]) -> tuple[int, int] | None:
    """Two axes, the first of which counts on where the second ends."""
    ends = {(a.is_folded, tuple(scaled(t, a.size) for t in a.terms)): i for i, a in enumerate(axes)}
    for i, axis in enumerate(axes):
        inner = ends.get((axis.is_folded, axis.terms))
        if inner is not None and inner != i:
            return i, inner
    return None


def factor_at(nest: Nest, size: Size, place: Place | None) -> Factor:
    """The factor of a result's dimension that an axis of that size gives."""
    if place is None:
        return Factor(size)
    solid = sum(not s.is_folded for s in nest.solids)
    return Factor(size, ((solid + place.axis, place.stride),))
