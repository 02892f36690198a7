"""Units: exact values, refusals with hints, and an independent unit library as oracle."""

from __future__ import annotations

import pytest

from stratagem.hwmodels import units
from stratagem.hwmodels.units import UnitError, format_quantity, parse_quantity, read_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3.35 TB/s", 3.35e12),
        ("48 KiB", 49152.0),
        ("64KiB", 65536.0),
        ("48 kB", 48000.0),
        ("400 Gbit/s", 50e9),
        ("18 pJ/B", 18e-12),
        ("6 pJ/bit", 48e-12),
        ("77 cy", 77.0),
        ("90 ns", 90e-9),
        ("3.0 GHz", 3e9),
        ("989 TFLOP/s", 989e12),
        ("1024 op/cy", 1024.0),
        ("45 W", 45.0),
        ("1 kWh", 3.6e6),
        ("350 g/kWh", 0.35 / 3.6e6),
        ("2 USD/h", 2 / 3600),
        ("15%", 0.15),
        ("1e3 B", 1000.0),
        (".5 us", 0.5e-6),
        ("5 µs", 5e-6),
    ],
)
def test_value_in_base_units(text: str, value: float) -> None:
    assert parse_quantity(text).value == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("400 Gb/s", "'Gb' is ambiguous; write Gbit"),
        ("400 Gbps", "write Gbit/s"),
        ("5 TFLOPS", "write TFLOP/s"),
        ("1 KB", "write kB (1000) or KiB (1024)"),
        ("3 MAC/s", "a multiply-add is 2 op"),
        ("12 cycles", "write cy"),
        ("3 mB", "unknown unit 'mB'"),
        ("3 parsec", "units are B, bit"),
        ("3 GHzz", "did you mean 'GHz'?"),
        ("fast", "does not start with a number"),
        ("nan B", "does not start with a number"),
        ("1e400 B", "too large"),
        ("1e9999 B", "unknown unit"),
        ("3 B//s", "unknown unit ''"),
        ("9" * 100, "does not start with a number"),
    ],
)
def test_refused_with_a_hint(text: str, message: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_quantity(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (64, "the number 64 has no unit; write an amount of memory such as 64 KiB"),
        ("64", "has no unit"),
        ("64 ns", "'64 ns' is in s, but an amount of memory (B) is due"),
        (True, "expected an amount of memory"),
        (None, "expected an amount of memory"),
    ],
)
def test_wrong_kind_of_quantity(value: object, message: str) -> None:
    with pytest.raises(UnitError) as caught:
        read_quantity(value, units.SIZE)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_bare_numbers_pass_only_as_ratios() -> None:
    assert read_quantity(0.15, units.RATIO).value == 0.15
    with pytest.raises(UnitError, match="expected a ratio"):
        read_quantity(float("nan"), units.RATIO)


def test_cycles_need_a_clock() -> None:
    rate = read_quantity("64 B/cy", units.BANDWIDTH)
    assert rate.at_clock(3e9) == 192e9
    assert read_quantity("14 cy", units.LATENCY).at_clock(2e9) == 7e-9
    assert read_quantity("3 GHz", units.CLOCK).at_clock(None) == 3e9
    with pytest.raises(UnitError, match="counts cycles, and there is no clock"):
        rate.at_clock(None)


@pytest.mark.parametrize(
    ("value", "base", "binary", "text"),
    [
        (3.35e12, "B/s", False, "3.35 TB/s"),
        (48 * 1024, "B", True, "48 KiB"),
        (4e-12, "J/op", False, "4 pJ/op"),
        (90e-9, "s", False, "90 ns"),
        (0, "B", False, "0 B"),
        (1.5, "apples", False, "1.5 apples"),
    ],
)
def test_formatting(value: float, base: str, binary: bool, text: str) -> None:
    assert format_quantity(value, base, binary=binary) == text


def test_scales_agree_with_an_independent_library() -> None:
    pint = pytest.importorskip("pint")
    other = pint.UnitRegistry()
    names = {"GiB": "gibibyte", "MB": "megabyte", "kbit": "kilobit", "us": "microsecond", "GHz": "gigahertz"}
    names |= {
        "pJ": "picojoule",
        "kWh": "kilowatt_hour",
        "mW": "milliwatt",
        "Tibit": "tebibit",
        "fJ": "femtojoule",
    }
    bases = {"GiB": "byte", "MB": "byte", "kbit": "byte", "us": "second", "GHz": "hertz", "Tibit": "byte"}
    for ours, theirs in names.items():
        base = bases.get(ours, "watt" if ours.endswith("W") else "joule")
        expected = other.Quantity(7, theirs).to(base).magnitude
        assert parse_quantity(f"7 {ours}").value == pytest.approx(expected, rel=1e-12), ours


def test_dimensions_as_text() -> None:
    assert units.describe(units.NONE) == "no unit"
    assert units.describe(units.dimension(s=-2)) == "1/s^2"
    assert units.describe(parse_quantity("1 B*s/J").dimension) == "B*s/J"
