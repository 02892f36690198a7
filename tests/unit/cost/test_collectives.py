"""Collectives: values by hand, and what must hold of any algorithm."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratagem.compiler.cost.collectives import FORMULAS, Hop, flat, group_seconds, hop_seconds, pipelined

BANDWIDTH, LATENCY = 1e9, 1e-6
SWITCH = Hop("switch", 4, BANDWIDTH, LATENCY)

sizes = st.floats(1, 1e12)
groups = st.integers(2, 4097)


def hop(ranks: int, topology: str = "switch", reduces: tuple[str, ...] = ()) -> Hop:
    return Hop("tier", ranks, BANDWIDTH, LATENCY, topology, reduces=reduces)


@pytest.mark.parametrize(
    ("primitive", "algorithm", "ranks", "expected"),
    [
        ("all_reduce", "ring", 4, 6e-6 + 1.5e-3),  # 2 x 3 steps, 2 x 3/4 of a megabyte at 1 GB/s
        ("all_gather", "ring", 4, 3e-6 + 0.75e-3),
        ("reduce_scatter", "ring", 5, 4e-6 + 0.8e-3),
        ("all_reduce", "recursive-doubling", 4, 4e-6 + 1.5e-3),  # long vectors: halving and doubling
        ("all_gather", "recursive-doubling", 7, 3e-6 + 6 / 7 * 1e-3),
        ("all_gather", "direct", 4, 1e-6 + 0.75e-3),
        ("all_to_all", "direct", 4, 3e-6 + 0.75e-3),
        ("scatter", "direct", 3, 2e-6 + 2 / 3 * 1e-3),
        ("broadcast", "direct", 4, 1e-6 + 3e-3),
        ("all_reduce", "host", 4, 2e-6 + 8e-3),
        ("gather", "host", 4, 1e-6 + 1e-3),
        ("broadcast", "host", 4, 1e-6 + 4e-3),
        ("send_recv", "direct", 2, 1e-6 + 1e-3),
        ("send_recv", "host", 2, 2e-6 + 2e-3),
    ],
)
def test_values_by_hand(primitive: str, algorithm: str, ranks: int, expected: float) -> None:
    assert hop_seconds(primitive, (algorithm,), 1e6, hop(ranks)) == pytest.approx(expected, rel=1e-12)


def test_reductions_in_the_network_send_once() -> None:
    helped = hop(8, reduces=("all_reduce",))
    assert hop_seconds("all_reduce", ("in-network",), 1e6, helped) == pytest.approx(2e-6 + 1e-3)
    bus = 2 * 7 / 8 * 1e9 / hop_seconds("all_reduce", ("ring", "in-network"), 1e9, helped)
    assert bus > 1.7 * BANDWIDTH  # the "bus bandwidth" of a helped all_reduce exceeds the link's


def test_the_network_helps_only_where_it_can() -> None:
    assert hop_seconds("all_reduce", ("in-network",), 1e6, hop(8)) == math.inf
    ring = hop_seconds("all_reduce", ("ring",), 1e6, hop(8))
    assert hop_seconds("all_reduce", ("ring", "in-network"), 1e6, hop(8)) == ring


def test_an_algorithm_that_does_not_exist_for_a_primitive_is_none() -> None:
    assert hop_seconds("all_reduce", (), 1e6, SWITCH) == math.inf
    assert hop_seconds("all_to_all", ("tree",), 1e6, SWITCH) == math.inf


def test_a_measured_bus_bandwidth_stands_in_place_of_links() -> None:
    measured = Hop("tier", 8, BANDWIDTH, LATENCY, bus=(("all_reduce", 2e9),))
    assert hop_seconds("all_reduce", ("ring",), 1e6, measured) == pytest.approx(2 * (1e-6 + 7 / 8 * 1e6 / 2e9))
    assert hop_seconds("all_gather", ("ring",), 1e6, measured) == pytest.approx(7e-6 + 7 / 8 * 1e-3)


def test_short_vectors_take_trees_and_long_ones_rings() -> None:
    ranks = hop(1000)
    for algorithm, size in (("tree", 1e3), ("ring", 1e11)):
        best = hop_seconds("all_reduce", ("ring", "tree"), size, ranks)
        assert best == hop_seconds("all_reduce", (algorithm,), size, ranks)


@given(sizes, groups)
def test_no_ring_beats_its_bound(size: float, ranks: int) -> None:
    bound = 2 * (ranks - 1) / ranks * size / BANDWIDTH
    for algorithm in ("ring", "tree", "recursive-doubling", "direct"):
        assert hop_seconds("all_reduce", (algorithm,), size, hop(ranks)) >= bound * (1 - 1e-9)


@given(sizes, groups, st.sampled_from(sorted(FORMULAS)))
def test_more_bytes_never_take_less(size: float, ranks: int, primitive: str) -> None:
    algorithms = tuple(FORMULAS[primitive])
    for topology in ("switch", "ring", "mesh", "bus"):
        less, more = (hop_seconds(primitive, algorithms, s, hop(ranks, topology)) for s in (size, 1.5 * size))
        assert 0 < less <= more


@given(sizes, st.sampled_from(sorted(FORMULAS)))
def test_one_rank_is_free(size: float, primitive: str) -> None:
    assert hop_seconds(primitive, ("ring", "direct"), size, hop(1)) == 0
    assert group_seconds(primitive, ("ring", "direct"), size, (hop(1), hop(1))) == 0
    assert group_seconds(primitive, ("ring",), size, ()) == 0


@given(st.floats(0, 1e9), st.integers(1, 50))
def test_pipelining_is_never_worse_than_one_piece(size: float, depth: int) -> None:
    whole = depth * (LATENCY + size / BANDWIDTH)
    assert size / BANDWIDTH <= pipelined(size, depth, 1 / BANDWIDTH, LATENCY) <= whole * (1 + 1e-9)


def test_tiers_are_reduced_inside_first() -> None:
    inner, outer = Hop("board", 8, 100e9, 1e-6), Hop("net", 4, 10e9, 5e-6)
    size = 1e6
    inside = 2 * (7e-6 + 7 / 8 * size / 100e9)
    outside = 2 * (3 * 5e-6 + 3 / 4 * size / 8 / 10e9)
    assert group_seconds("all_reduce", ("ring",), size, (inner, outer)) == pytest.approx(inside + outside)


def test_a_flat_ring_uses_all_outer_links() -> None:
    whole = flat((Hop("board", 8, 100e9, 1e-6), Hop("net", 4, 10e9, 5e-6)))
    assert (whole.ranks, whole.bandwidth, whole.latency) == (32, 80e9, 5e-6)


@given(sizes)
def test_tiers_cost_at_most_the_flat_way(size: float) -> None:
    hops = (Hop("board", 8, 100e9, 1e-6), Hop("net", 13, 10e9, 5e-6))
    for primitive in ("all_reduce", "all_gather", "reduce_scatter"):
        both = group_seconds(primitive, ("ring",), size, hops)
        assert both <= hop_seconds(primitive, ("ring",), size, flat(hops)) * (1 + 1e-9)


def test_a_torus_uses_both_directions_of_every_dimension() -> None:
    ring = hop(4, "torus")
    one = group_seconds("all_reduce", ("ring",), 1e9, (ring,))
    assert one == pytest.approx(6e-6 + 1.5 / 2)
    cube = group_seconds("all_reduce", ("ring",), 1e9, (ring, ring, ring))
    assert cube == pytest.approx(2 * (9e-6 + 63 / 64 / 6))


def test_long_rings_congest_all_to_all() -> None:
    short, long = (hop_seconds("all_to_all", ("direct",), 1e9, hop(n, "ring")) for n in (4, 64))
    assert long > 7 * short
    assert hop_seconds("all_to_all", ("direct",), 1e9, hop(64, "bus")) > 60 * hop_seconds(
        "all_to_all", ("direct",), 1e9, hop(64)
    )
