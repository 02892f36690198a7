"""Sums, products and extremes of a nest's results over the ranks, as one nest that folds the axes of the ranks, too."""

from __future__ import annotations

from typing import NamedTuple

from torch_mlir import ir

from stratagem.compiler.checks.sharding.expressions import Expressions, Value
from stratagem.compiler.checks.sharding.layouts import Factor, Factors, merged, scaled
from stratagem.compiler.checks.sharding.nests import IDEMPOTENT, Axis, Nest, Place, normal_axes
from stratagem.compiler.checks.sharding.sizes import ONE, Size

NEUTRAL = {"sum": 0, "prod": 1}
"""Reduction -> what may be folded in once per rank."""


def folded_over_ranks(table: Expressions, value: Value, reduction: str, ranks: Size) -> Value | None:
    """The `reduction` of a nest's results over the ranks, as one nest that folds the axes of the ranks, too. None where
    that is not the same: another reduction, an initial value that every rank folds in, or no nest."""
    counts = value.bound or (Factor(ranks),)
    while counts:
        folded = _folded(table, value._replace(bound=counts[:-1]), reduction, counts[-1])
        if folded is None:
            return None
        value, counts = folded, folded.bound
    return value


def _folded(table: Expressions, value: Value, reduction: str, count: Factor) -> Value | None:
    """The same over one of the factors that the rank counts through; `value` is bound by the others."""
    what = value.expression.key
    if what[0] != "nest" or what[1].reduction != reduction:
        return None
    nest: Nest = what[1]
    cut = _cut(nest, count)
    if cut is None or not _may_fold(nest, cut.axes[cut.ranks]):
        return None
    axes, places = normal_axes(cut.axes, reduction)
    made = nest._replace(axes=axes)
    *dims, bound = (_moved(factors, cut, places) for factors in (*value.dims, value.bound))
    if bound is None or None in dims:
        return None
    return Value(table.make(("nest", made), value.expression.op), tuple(d for d in dims if d is not None), bound)


class _Cut(NamedTuple):
    """The axes of a nest with one for the ranks, the `ranks`-th, behind `solid` other dimensions. The axis that was in
    its place is cut in three: steps of `span`, the ranks, steps below `stride`."""

    axes: list[Axis]
    ranks: int
    solid: int
    span: Size
    stride: Size

    def place(self, dim: int, stride: Size, size: Size) -> tuple[int, Size] | None:
        """Which axis a factor of dimension `dim` moves through now, and its stride there; None where it moves through
        the ranks as well."""
        number = dim - self.solid
        if number != self.ranks - 1 or self.span == ONE:
            return number + (2 if number > self.ranks - 1 else 0), stride
        if stride.is_multiple_of(self.span):
            return number, stride.over(self.span)
        return (number + 2, stride) if self.stride.is_multiple_of(stride.times(size)) else None


def _cut(nest: Nest, count: Factor) -> _Cut | None:
    """None where the ranks do not count along one axis."""
    solid = sum(not s.is_folded for s in nest.solids)
    if not count.terms:  # every rank folds in the same
        again = Axis(count.size, True, ((),) * len(nest.arguments))
        return _Cut([*nest.axes, again], len(nest.axes), solid, ONE, ONE)
    dim, stride = count.terms[0]
    if len(count.terms) > 1 or dim < solid:
        return None
    at, span = dim - solid, stride.times(count.size)
    axis = nest.axes[at]
    if not axis.size.is_multiple_of(span):
        return None
    outer = Axis(axis.size.over(span), False, tuple(scaled(t, span) for t in axis.terms))
    over_ranks = Axis(count.size, True, tuple(scaled(t, stride) for t in axis.terms))
    inner = Axis(stride, False, axis.terms)
    return _Cut([*nest.axes[:at], outer, over_ranks, inner, *nest.axes[at + 1 :]], at + 1, solid, span, stride)


def _may_fold(nest: Nest, axis: Axis) -> bool:
    """Whether the initial value may be folded in once per rank."""
    if nest.reduction in IDEMPOTENT:
        return not axis.terms[nest.init]
    return is_neutral(nest)


def is_neutral(nest: Nest) -> bool:
    """Whether the initial value of a nest that folds sums or products changes nothing."""
    what, *rest = nest.arguments[nest.init][1].key
    is_number = what == "constant" and isinstance(rest[0], ir.FloatAttr | ir.IntegerAttr)
    return bool(is_number and rest[0].value == NEUTRAL[nest.reduction])


def _moved(factors: Factors, cut: _Cut, places: list[Place | None]) -> Factors | None:
    """A dimension of the result in terms of the new nest's; None where it moves through the ranks as well."""
    found = []
    for factor in factors:
        terms = list[tuple[int, Size]]()
        for dim, stride in factor.terms:
            if dim < cut.solid:
                terms.append((dim, stride))
                continue
            at = cut.place(dim, stride, factor.size)
            if at is None:
                return None
            place = places[at[0]]
            if place is not None:
                terms.append((place.axis + cut.solid, at[1].times(place.stride)))
        found.append(Factor(factor.size, tuple(sorted(terms))))
    return merged(found)
