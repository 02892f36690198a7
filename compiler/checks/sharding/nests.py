"""Loop nests (linalg operations) in a normal form that does not depend on how loops are cut, ordered or merged.

The loops become *axes*: counts that move through the whole tensors of the operands. An axis is as long as it can be, and
axes stand in an order of their own, so a loop over 32 rows and two loops over 4 and 8 that go through the same elements
are the same nest. The rank is one more axis that is not folded. A loop whose number
is used otherwise (`linalg.index`, windows) is *solid*: it stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch_mlir import ir

from stratagem.compiler.checks.sharding.expressions import Expression, Expressions, Value
from stratagem.compiler.checks.sharding.layouts import Factor, Factors, Terms, merged, scaled
from stratagem.compiler.checks.sharding.sizes import ONE, Size

NEUTRAL = {"sum": 0, "prod": 1}
"""Reduction -> what may be folded in once per rank; extremes take anything that is the same on every rank."""


class Axis(NamedTuple):
    """`terms[i]`: how it moves through the i-th argument."""

    size: Size
    is_folded: bool
    terms: tuple[Terms, ...]

    @property
    def moves(self) -> bool:
        return any(self.terms)


class Solid(NamedTuple):
    loop: int
    is_folded: bool
    size: Size


class Window(NamedTuple):
    """Dimension `dim` of an argument moves by `stride` times (`index` // `inner`) % `size`."""

    dim: int
    stride: Size
    index: str
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


def normal_axes(axes: Sequence[Axis]) -> tuple[tuple[Axis, ...], list[Place | None]]:
    """The axes in normal form, and where each one went: None where the result does not depend on it."""
    groups = [([i], a) for i, a in enumerate(axes) if a.size != ONE and (a.moves or a.is_folded)]
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


def folded_over_ranks(table: Expressions, value: Value, reduction: str, ranks: Size) -> Value | None:
    """The `reduction` of a nest's results over the ranks, as one nest that folds the axis of the ranks, too. None where
    that is not the same: another reduction, an initial value that every rank folds in, or no nest."""
    what = value.expression.key
    if what[0] != "nest" or len(value.bound) != 1:
        return None
    nest: Nest = what[1]
    dim, stride = value.bound[0]
    solid = sum(not s.is_folded for s in nest.solids)
    if dim < solid or nest.reduction != reduction:
        return None
    axis = nest.axes[dim - solid]
    span = stride.times(ranks)
    if not axis.size.is_multiple_of(span) or not _may_fold(nest, axis):
        return None
    parts = [
        Axis(axis.size.over(span), False, tuple(scaled(t, span) for t in axis.terms)),
        Axis(ranks, True, tuple(scaled(t, stride) for t in axis.terms)),
        Axis(stride, False, axis.terms),
    ]
    axes, places = normal_axes([*nest.axes[: dim - solid], *parts, *nest.axes[dim - solid + 1 :]])
    made = nest._replace(axes=axes)
    dims = [_moved(made, factors, _Cut(dim, solid, span, stride), places) for factors in value.dims]
    if any(d is None for d in dims):
        return None
    return Value(table.make(("nest", made), value.expression.op), tuple(d for d in dims if d is not None))


def _may_fold(nest: Nest, axis: Axis) -> bool:
    """Whether the initial value may be folded in once per rank."""
    if nest.reduction not in NEUTRAL:
        return not axis.terms[nest.init]
    what, *rest = nest.arguments[nest.init][1].key
    is_number = what == "constant" and isinstance(rest[0], ir.FloatAttr | ir.IntegerAttr)
    return bool(is_number and rest[0].value == NEUTRAL[nest.reduction])


class _Cut(NamedTuple):
    """Axis `dim` of a result in three: steps of `span`, the ranks, steps below `stride`."""

    dim: int
    solid: int
    span: Size
    stride: Size


def _moved(nest: Nest, factors: Factors, cut: _Cut, places: list[Place | None]) -> Factors | None:
    """A dimension after the axis was cut; None where it moves through the ranks' axis as well."""
    found = []
    for factor in factors:
        terms = list[tuple[int, Size]]()
        for dim, stride in factor.terms:
            if dim < cut.solid:
                terms.append((dim, stride))
                continue
            number = dim - cut.solid
            if dim > cut.dim:
                number += 2
            elif dim == cut.dim:
                if stride.is_multiple_of(cut.span):
                    stride = stride.over(cut.span)
                elif cut.stride.is_multiple_of(stride.times(factor.size)):
                    number += 2
                else:
                    return None
            place = places[number]
            if place is not None:
                terms.append((place.axis + cut.solid, stride.times(place.stride)))
        found.append(Factor(factor.size, tuple(sorted(terms))))
    return merged(found)
