"""The algebra of placements under reshapes."""

from __future__ import annotations

import pytest

from stratagem.compiler.sharding.placements import REPLICATED, Partial, Sharded, collapse, expand
from stratagem.compiler.sharding.rules import Prices


@pytest.mark.parametrize(
    ("before", "groups", "shape", "after"),
    [
        (Sharded(0), [[0, 1], [2]], [4, 3, 5], Sharded(0)),
        (Sharded(1), [[0, 1], [2]], [4, 6, 5], Sharded(0, 4)),
        (Sharded(2), [[0, 1], [2]], [4, 6, 8], Sharded(1)),
        (Sharded(1, 2), [[0, 1], [2]], [3, 8, 5], Sharded(0, 6)),
    ],
)
def test_collapsing_remembers_what_lies_in_front(
    before: Sharded, groups: list[list[int]], shape: list[int], after: Sharded
) -> None:
    assert collapse(before, groups, shape) == after


@pytest.mark.parametrize(
    ("before", "groups", "shape", "after"),
    [
        (Sharded(0), [[0, 1], [2]], [4, 3, 5], Sharded(0)),
        (Sharded(0, 4), [[0, 1], [2]], [4, 6, 5], Sharded(1)),
        (Sharded(0), [[0, 1], [2]], [1, 6, 5], Sharded(1)),
        (Sharded(0), [[0, 1], [2]], [3, 4, 5], None),
        (Sharded(0, 2), [[0, 1], [2]], [4, 6, 5], None),
    ],
)
def test_expanding_needs_one_dimension_that_is_cut(
    before: Sharded, groups: list[list[int]], shape: list[int], after: Sharded | None
) -> None:
    assert expand(before, groups, shape, 2) == after


def test_communication_costs_what_ring_algorithms_cost() -> None:
    prices = Prices(operation=0.0, byte=1.0, collective=10.0)
    size, ranks = 100.0, 4
    assert prices.reshard(Sharded(0), Sharded(0), size, ranks) == 0.0
    assert prices.reshard(Sharded(0), REPLICATED, size, ranks) == 10 + 75
    assert prices.reshard(Partial("sum"), REPLICATED, size, ranks) == 10 + 150
    assert prices.reshard(Partial("sum"), Sharded(0), size, ranks) == 10 + 75
    assert prices.reshard(REPLICATED, Partial("sum"), size, ranks) == float("inf")
