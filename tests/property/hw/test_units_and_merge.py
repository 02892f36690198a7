"""Laws: quantities survive being written, and inheritance composes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stratagem.hwmodels.merge import merge, without_removed
from stratagem.hwmodels.nodes import Node, node_of
from stratagem.hwmodels.units import (
    BANDWIDTH,
    SPELLINGS,
    UnitError,
    describe,
    format_quantity,
    format_size,
    parse_quantity,
)
from stratagem.hwmodels.values import read_value

numbers = st.floats(min_value=1e-6, max_value=1e6, allow_nan=False)
symbols = st.sampled_from(sorted(SPELLINGS))


@given(numbers, symbols)
def test_scale_and_dimension_of_every_spelling(number: float, symbol: str) -> None:
    quantity = parse_quantity(f"{number!r} {symbol}")
    scale, dimension = SPELLINGS[symbol]
    assert quantity.dimension == dimension
    assert abs(quantity.value - number * float(scale)) <= 1e-12 * abs(quantity.value)


@given(numbers, symbols, symbols)
def test_a_quotient_of_units_divides(number: float, above: str, below: str) -> None:
    ratio = parse_quantity(f"{number!r} {above}/{below}")
    top, bottom = parse_quantity(f"{number!r} {above}"), parse_quantity(f"1 {below}")
    expected = top.value / bottom.value
    assert abs(ratio.value - expected) <= 1e-12 * abs(expected)
    assert ratio.dimension == tuple(a - b for a, b in zip(top.dimension, bottom.dimension, strict=True))


@given(
    st.floats(min_value=1e-15, max_value=1e20, allow_nan=False),
    st.sampled_from(["B", "B/s", "bit/s", "s", "J/B", "J/op", "op/s", "Hz", "W", "USD", "USD/h", "g/kWh", "d", "year"]),
)
def test_what_is_written_reads_back(value: float, base: str) -> None:
    text = format_quantity(value, base, digits=17)
    again = parse_quantity(text)
    one = parse_quantity(f"1 {base}")
    assert abs(again.value - value * one.value) <= 1e-12 * value * one.value
    assert again.dimension == one.dimension


@given(st.integers(min_value=0, max_value=2**60))
def test_sizes_are_written_to_four_digits(size: int) -> None:
    assert abs(parse_quantity(format_size(size)).value - size) <= 6e-4 * size


@given(
    st.floats(min_value=1e-3, max_value=1e6),
    st.floats(min_value=1.0, max_value=1e3),
    st.sampled_from(["GB/s", "GiB/s", "Gbit/s", "B/cy"]),
)
def test_a_range_covers_what_the_sources_say(low: float, factor: float, unit: str) -> None:
    texts = [f"{low!r} {unit}", f"{low * factor!r} {unit}"]
    value = read_value({"paper": texts}, BANDWIDTH)
    assert value.origin is not None
    ends = value.origin.interval(value.quantity.value)
    for text, end in zip(texts, ends, strict=True):
        assert abs(parse_quantity(text).value - end) <= 1e-9 * parse_quantity(texts[1]).value
    again = parse_quantity(value.quantity.text)
    assert abs(again.value - value.quantity.value) <= 1e-12 * again.value


@given(st.text(max_size=30))
def test_any_text_is_a_quantity_or_refused(text: str) -> None:
    try:
        quantity = parse_quantity(text)
    except UnitError:
        return
    assert describe(quantity.dimension)


names = st.sampled_from(["a", "b", "c"])
scalars = st.integers(0, 5) | st.sampled_from(["x", "y"])


def items() -> st.SearchStrategy[list[dict[str, Any]]]:
    """Lists of named items with distinct names."""
    item = st.fixed_dictionaries({"name": names}, optional={"size": scalars, "count": scalars, "remove": st.just(True)})
    return st.lists(item, max_size=3, unique_by=lambda entry: entry["name"])


# The shape of a key is the same in every file, as a schema makes it.
documents = st.fixed_dictionaries(
    {},
    optional={
        "clock": scalars,
        "power": st.dictionaries(st.sampled_from(["idle", "max"]), scalars),
        "rate": st.fixed_dictionaries({}, optional={"value": scalars, "kind": scalars, "spread": scalars}),
        "list": st.lists(scalars, min_size=1, max_size=3),
        "levels": items(),
        "source": st.dictionaries(st.sampled_from(["kind", "id"]), scalars, min_size=1),
    },
)


def plain(node: Node) -> Any:
    return without_removed(node).plain()


@given(documents)
def test_an_empty_child_changes_nothing(document: dict[str, Any]) -> None:
    assert merge(node_of(document), node_of({})).plain() == document
    assert merge(node_of({}), node_of(document)).plain() == document


@given(documents)
def test_merging_with_itself_changes_nothing(document: dict[str, Any]) -> None:
    assert plain(merge(node_of(document), node_of(document))) == plain(node_of(document))


@given(documents, documents, documents)
def test_inheritance_composes(first: dict[str, Any], second: dict[str, Any], third: dict[str, Any]) -> None:
    a, b, c = node_of(first), node_of(second), node_of(third)
    left, right = plain(merge(merge(a, b), c)), plain(merge(a, merge(b, c)))
    assert unordered(left) == unordered(right)


@given(documents, documents)
def test_what_the_child_says_holds(parent: dict[str, Any], child: dict[str, Any]) -> None:
    merged = merge(node_of(parent), node_of(child)).plain()
    for key in ("clock", "list", "source"):
        if key in child:
            assert merged[key] == child[key]
    for key, value in child.get("power", {}).items():
        assert merged["power"][key] == value
    assert set(merged) == set(parent) | set(child)


@given(documents, documents)
def test_replace_takes_nothing_over(parent: dict[str, Any], child: dict[str, Any]) -> None:
    replacing = Node(node_of(child).value, node_of(child).place, replaces=True)
    assert merge(node_of(parent), replacing).plain() == child


def unordered(document: dict[str, Any]) -> dict[str, Any]:
    """A document with its named items in no order: where a re-added item stands may differ."""
    levels = document.get("levels", [])
    return {**document, "levels": sorted(levels, key=lambda item: str(item["name"]))}
