"""Sizes, factors and axes: the algebra under the proof of cut programs."""

from __future__ import annotations

from fractions import Fraction

import pytest

from stratagem.compiler.checks.sharding.layouts import Factor, expanded, extent, merged, refined, split
from stratagem.compiler.checks.sharding.nests import Axis, Place, normal_axes
from stratagem.compiler.checks.sharding.sizes import ONE, Size, product, symbol

N = symbol(7)


def size(number: int) -> Size:
    return Size(number)


def factor(count: int | Size, stride: int = 1, dim: int = 0) -> Factor:
    return Factor(count if isinstance(count, Size) else size(count), ((dim, size(stride)),))


def test_sizes_divide_exactly() -> None:
    assert size(12).over(size(4)) == size(3)
    assert size(3).over(size(4)) == Size(Fraction(3, 4))
    assert size(12).times(N).over(N) == size(12)
    assert N.over(size(4)).times(size(4)) == N
    assert product([size(2), N, N]).over(N) == size(2).times(N)


@pytest.mark.parametrize(
    "one, two, divides",
    [(size(12), size(4), True), (size(12), size(5), False), (N, size(1), True), (N, size(2), False),
     (size(4).times(N), N, True), (N, N.times(N), False), (size(4), N, False)],
)  # fmt: skip
def test_what_divides_for_every_value_of_the_symbols(one: Size, two: Size, divides: bool) -> None:
    assert one.is_multiple_of(two) is divides


def test_neighbours_that_count_on_are_one_factor() -> None:
    assert merged([factor(3, 4), factor(4)]) == (factor(12),)
    assert merged([factor(4), factor(3, 4)]) == (factor(4), factor(3, 4))
    assert merged([factor(3, 4, dim=1), factor(4)]) == (factor(3, 4, dim=1), factor(4))
    assert merged([Factor(size(3)), Factor(ONE), Factor(size(5))]) == (Factor(size(15)),)
    assert merged([factor(N, 4), factor(4)]) == (factor(N.times(size(4))),)


def test_splits_fall_inside_factors_or_between_them() -> None:
    assert split([factor(12)], size(4)) == ((factor(3, 4),), (factor(4),))
    assert split([factor(2, 30), factor(6)], size(12)) == ((), (factor(2, 30), factor(6)))
    assert split([factor(2, 30), factor(6)], size(4)) is None
    assert split([factor(7)], size(2)) is None
    assert split([factor(3)], size(6)) is None
    assert split([factor(N)], size(4)) == ((factor(N.over(size(4)), 4),), (factor(4),))


def test_dimensions_expand_where_their_sizes_are_known() -> None:
    assert expanded((factor(30),), [size(5), size(1), size(6)]) == [(factor(5, 6),), (), (factor(6),)]
    assert expanded((factor(N),), [None, size(4)]) == [(factor(N.over(size(4)), 4),), (factor(4),)]
    assert expanded((factor(30),), [size(4), size(7)]) is None
    assert expanded((factor(N),), [None, None]) is None
    assert expanded((Factor(size(0)),), [size(0), size(3)]) is None
    assert extent(merged([factor(5, 6), factor(6)])) == size(30)


def test_operands_are_divided_alike() -> None:
    rows, parts = [factor(12)], [factor(3, 100, dim=1), factor(4, 1, dim=1)]
    assert refined([rows, parts]) == [
        (size(3), (((0, size(4)),), ((1, size(100)),))),
        (size(4), (((0, size(1)),), ((1, size(1)),))),
    ]
    assert refined([[factor(2, 3), factor(3)], [factor(3, 20), factor(2, 1)]]) is None
    assert refined([[factor(N)], [factor(symbol(8))]]) == [(N, (((0, ONE),), ((0, ONE),)))]


def test_axes_have_one_form_however_loops_are_cut() -> None:
    def axis(count: int, *strides: int, is_folded: bool = False) -> Axis:
        return Axis(size(count), is_folded, tuple(((0, size(s)),) if s else () for s in strides))

    whole, _ = normal_axes([axis(12, 1, 1), axis(5, 12, 0)], "")
    cut, places = normal_axes([axis(5, 12, 0), axis(4, 1, 1), axis(3, 4, 4)], "")
    assert cut == whole
    assert places == [Place(1, ONE), Place(0, ONE), Place(0, size(4))]
    apart, _ = normal_axes([axis(4, 1, 1), axis(3, 4, 8)], "")
    assert len(apart) == 2
    folded, _ = normal_axes([axis(4, 1), axis(3, 4, is_folded=True)], "sum")
    assert len(folded) == 2


@pytest.mark.parametrize("reduction, axes", [("sum", 1), ("", 1), ("max", 0)])
def test_the_same_number_again_matters_to_sums_only(reduction: str, axes: int) -> None:
    again = Axis(size(3), True, ((), ()))
    assert len(normal_axes([again, Axis(size(5), False, ((), ()))], reduction)[0]) == axes
