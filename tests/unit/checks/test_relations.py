"""Which facts relate given unknowns: against a search over all simple paths, and by example."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stratagem.compiler.checks.host_sizes import Fact
from stratagem.compiler.checks.relations import relating

NAMES = ["h0", "h1", "h2", "h3", "h4"]
facts_of = st.lists(st.sets(st.sampled_from(NAMES), min_size=1, max_size=3).map(lambda s: Fact("", frozenset(s))))


def fact(*names: str) -> Fact:
    return Fact(" ".join(names), frozenset(names))


def paths(start: str, facts: list[Fact], targets: set[str], seen: tuple[str, ...], used: tuple[int, ...]) -> set[int]:
    """Numbers of the facts on simple paths from `start` to a target, by trying all of them."""
    found: set[int] = set()
    for number, one in enumerate(facts):
        if number in used or start not in one.names:
            continue
        for name in one.names - {start, *seen}:
            if name in targets:
                found |= {*used, number}
            else:
                found |= paths(name, facts, targets, (*seen, start), (*used, number))
    return found


def test_what_only_hangs_on_one_size_is_left_out() -> None:
    chain = [fact("h0", "h1"), fact("h1", "h2"), fact("h2", "h3"), fact("h1", "h4")]
    assert relating(["h1", "h3"], chain) == [chain[1], chain[2]]
    assert relating(["h2"], chain) == []
    assert relating([], chain) == []


def test_what_speaks_of_given_sizes_alone_is_kept() -> None:
    sign, foreign = fact("h0"), fact("h1")
    assert relating(["h0", "h2"], [sign, foreign]) == [sign]


def test_both_ways_around_a_ring_are_kept() -> None:
    ring = [fact("h0", "h1"), fact("h1", "h2"), fact("h2", "h3"), fact("h3", "h0")]
    assert relating(["h0", "h2"], ring) == ring


@given(facts_of.filter(lambda facts: len(facts) <= 7), st.sets(st.sampled_from(NAMES), max_size=3))
def test_no_fact_on_a_simple_path_is_lost_and_no_other_is_kept(facts: list[Fact], given_names: set[str]) -> None:
    wanted = {n for n, one in enumerate(facts) if one.names <= given_names}
    for name in given_names:
        wanted |= paths(name, facts, given_names - {name}, (), ())
    kept = relating(sorted(given_names), facts)
    assert kept == [one for n, one in enumerate(facts) if n in wanted]
