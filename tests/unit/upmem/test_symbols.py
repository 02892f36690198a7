"""Linear forms over C variables: bounds, divisibility, ends of slices, and their text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stratagem.compiler.backends.upmem.symbols import Index, Variable

TILE = Index.of(Variable("i", 0, 96, 8))
N = Index.of(Variable("n", 1, 8, alternatives=(Index(100) - TILE, Index(8))))


def test_text_puts_additions_first() -> None:
    assert (Index(100) - TILE).text == "(100 - i)"
    assert (TILE.scaled(4) + 4).bare == "4 * i + 4"
    assert (TILE - TILE).text == "0"
    assert TILE.text == "i"


def test_a_variable_with_one_value_is_a_number() -> None:
    assert Index.of(Variable("i", 3, 3)) == Index(3)


def test_bounds_follow_signs() -> None:
    assert ((Index(100) - TILE).low, (Index(100) - TILE).high) == (4, 100)
    assert Index.of(Variable("u", 0)).high is None


def test_tiles_end_at_a_granule_or_at_the_row() -> None:
    assert (TILE + N).ends_at(4, [Index(100)])
    assert not (TILE + N).ends_at(4, [Index(99)]) or (Index(100)).divisible_by(4)
    odd = Index.of(Variable("m", 1, 7, alternatives=(Index(99) - TILE, Index(7))))
    assert not (TILE + odd).ends_at(2, [Index(99)])


terms = st.lists(st.tuples(st.sampled_from("abc"), st.integers(-5, 5)), max_size=4)


@given(
    terms, terms, st.integers(-9, 9), st.integers(-9, 9), st.fixed_dictionaries({n: st.integers(0, 20) for n in "abc"})
)
def test_arithmetic_is_that_of_numbers(
    left: list[tuple[str, int]], right: list[tuple[str, int]], c: int, d: int, values: dict[str, int]
) -> None:
    def index(parts: list[tuple[str, int]], constant: int) -> Index:
        total = Index(constant)
        for name, factor in parts:
            total = total + Index.of(Variable(name, 0, 20, 2)).scaled(factor)
        return total

    even = {name: 2 * (value // 2) for name, value in values.items()}

    def value(one: Index) -> int:
        return one.constant + sum(factor * even[v.name] for v, factor in one.terms)

    a, b = index(left, c), index(right, d)
    assert value(a - b) == value(a) - value(b)
    assert eval(a.text, {}, even) == value(a)
    assert (a.low or 0) <= value(a) <= (a.high or 0) or a.low is None
    if a.divisor:
        assert value(a) % a.divisor == 0
