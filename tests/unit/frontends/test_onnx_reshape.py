"""Matching of reshape groups: what is merged and split, with sizes known by number, by name, or not at all."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratagem.compiler.frontends.onnx.reshape import Group, match_groups

CASES: list[tuple[list[Any], list[Any], list[tuple[tuple[int, ...], tuple[int, ...]]]]] = [
    (["b", "s", 768], ["b", "s", 12, 64], [((0,), (0,)), ((1,), (1,)), ((2,), (2, 3))]),
    (["b", "s", 64], [None, 64], [((0, 1), (0,)), ((2,), (1,))]),
    ([None, 64], ["b", "s", 64], [((0,), (0, 1)), ((1,), (2,))]),
    ([6, 4], [4, 6], [((0, 1), (0, 1))]),
    ([2, 3, 4], [6, 4], [((0, 1), (0,)), ((2,), (1,))]),
    (["b", 1, "s"], ["b", "s"], [((0, 1), (0,)), ((2,), (1,))]),
    (["b", None], ["b", 3, None], [((0,), (0,)), ((1,), (1, 2))]),
    ([1, 1], [], [((0, 1), ())]),
    (["n", "n"], ["n", "n"], [((0,), (0,)), ((1,), (1,))]),
]


@pytest.mark.parametrize(("source", "target", "expected"), CASES, ids=str)
def test_groups(source: list[Any], target: list[Any], expected: list[Any]) -> None:
    assert match_groups(source, target) == [Group(a, b) for a, b in expected]


@given(st.lists(st.sampled_from([1, 2, 3, 4, 6]), min_size=1, max_size=5), st.randoms())
def test_groups_cover_every_dimension_once_and_keep_products(sizes: list[int], random: Any) -> None:
    target, rest = [], math.prod(sizes)
    while rest > 1:
        factor = random.choice([d for d in range(2, rest + 1) if rest % d == 0])
        target.append(factor)
        rest //= factor
    groups = match_groups(sizes, target or [1])
    target = target or [1]
    assert [i for g in groups for i in g.source] == list(range(len(sizes)))
    assert [i for g in groups for i in g.target] == list(range(len(target)))
    assert all(g.source and g.target for g in groups)
    assert all(math.prod(sizes[i] for i in g.source) == math.prod(target[i] for i in g.target) for g in groups)
