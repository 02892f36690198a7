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


def on_paths(path: tuple[str, ...], facts: list[Fact], targets: set[str]) -> set[str]:
    """Unknowns on simple paths that begin with `path` and end in a target, by trying all of them."""
    found: set[str] = set()
    steps = {name for one in facts if path[-1] in one.names for name in one.names}
    for name in steps - set(path):
        found |= {*path, name} if name in targets else set()
        found |= on_paths((*path, name), facts, targets)
    return found


def test_what_only_hangs_on_one_size_is_left_out() -> None:
    chain = [fact("h0", "h1"), fact("h1", "h2"), fact("h2", "h3"), fact("h1", "h4")]
    assert relating(["h1", "h3"], chain) == [chain[1], chain[2]]
    assert relating(["h2"], chain) == []
    assert relating([], chain) == []


def test_what_speaks_of_given_sizes_alone_is_kept() -> None:
    sign, foreign = fact("h0"), fact("h1")
    assert relating(["h0", "h2"], [sign, foreign]) == [sign]


def test_what_hangs_on_two_sizes_of_a_fact_is_kept() -> None:
    agree, equal = fact("h0", "h1", "h2", "h3"), fact("h2", "h3")
    assert relating(["h0", "h1"], [agree, equal]) == [agree, equal]


def test_both_ways_around_a_ring_are_kept() -> None:
    ring = [fact("h0", "h1"), fact("h1", "h2"), fact("h2", "h3"), fact("h3", "h0")]
    assert relating(["h0", "h2"], ring) == ring


@given(facts_of.filter(lambda facts: len(facts) <= 7), st.sets(st.sampled_from(NAMES), max_size=3))
def test_no_fact_on_a_simple_path_is_lost_and_no_other_is_kept(facts: list[Fact], given_names: set[str]) -> None:
    near = set().union(*(on_paths((name,), facts, given_names - {name}) for name in given_names))
    kept = relating(given_names, facts)
    assert kept == [f for f in facts if f.names <= given_names or (len(f.names) > 1 and f.names <= near)]
