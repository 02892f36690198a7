"""What `--vary` says."""

from __future__ import annotations

import pytest

from stratagem.compiler.cost.axes import Axis, combinations, magnitude, read_axis
from stratagem.hwmodels import load_machine
from stratagem.runtime.errors import HardwareError, UsageError

MACHINE = load_machine("generic-avx512")


@pytest.mark.parametrize(
    ("text", "points", "values"),
    [
        ("levels.l2.size=256KiB..4MiB", 0, ("256 KiB", "512 KiB", "1024 KiB", "2048 KiB", "4096 KiB")),
        ("levels.l2.size=256KiB..4MiB", 3, ("256 KiB", "1024 KiB", "4096 KiB")),
        ("levels.l2.size=1MiB,256 KiB", 3, ("1MiB", "256 KiB")),
        ("levels.core.count=1..17", 0, (1, 2, 4, 8, 16, 17)),
        ("levels.core.count=1..3", 7, (1, 2, 3)),
        ("clock=1GHz..3GHz", 0, ("1 GHz", "2 GHz", "3 GHz")),
        ("levels.dram.bandwidth=50 GB/s..0.2 TB/s", 0, ("50 GB/s", "100 GB/s", "200 GB/s")),
    ],
)
def test_values(text: str, points: int, values: tuple[object, ...]) -> None:
    assert read_axis(text, MACHINE, points).values == values


def test_a_range_in_other_units_than_the_file() -> None:
    """The description gives bytes per cycle; seconds are as good."""
    assert read_axis("levels.l2.bandwidth=100GB/s..200GB/s", MACHINE).values == ("100 GB/s", "200 GB/s")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("levels.l2.size", ("cannot be read", "KEY=LOW..HIGH")),
        ("levels.l2.size=", ("cannot be read",)),
        ("levels.l2.size=4MiB..1MiB", ("not below",)),
        ("levels.l2.size=1MiB..1MiB", ("not below",)),
        ("levels.l2.size=0KiB..1MiB", ("zero",)),
        ("levels.l2.size=1..4MiB", ("not in the same kind of unit",)),
        ("levels.l2.size=1KB..4MiB", ("ambiguous", "KiB")),
        ("levels.l2.size=1MiB..", ("does not start with a number",)),
        ("levels.l2.size=1MiB,,2MiB", ("does not start with a number",)),
        ("levels.dram.bandwidth=1e-12B/s..1e12B/s", ("more than 64", "--points")),
    ],
)
def test_text_that_cannot_be_read(text: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as refused:
        read_axis(text, MACHINE)
    for part in parts:
        assert part in str(refused.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("levels.l2.siz=1MiB..2MiB", ("did you mean 'levels.l2.size'",)),
        ("levels.l2.size=1GB/s..2GB/s", ("an amount of memory", "the description says 1 MiB")),
        ("levels.core.count=1.5,2", ("whole number", "the description says 4")),
        ("levels.l2.size=1MiB,2GB/s", ("an amount of memory",)),
        ("levels.l2.size=1MiB,2GB/s,1MiB", ("an amount of memory",)),
    ],
)
def test_keys_and_units_that_do_not_fit(text: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(HardwareError) as refused:
        read_axis(text, MACHINE)
    for part in parts:
        assert part in str(refused.value)


def test_the_last_key_varies_fastest() -> None:
    axes = [Axis("a", (1, 2)), Axis("b", ("x", "y"))]
    assert [tuple(c.values()) for c in combinations(axes)] == [(1, "x"), (1, "y"), (2, "x"), (2, "y")]
    assert list(combinations([])) == [{}]


def test_magnitudes_compare() -> None:
    assert magnitude("1 MiB") == 2**20 and magnitude(3) == 3.0
