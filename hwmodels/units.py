"""Quantities with units, strictly: `3.35 TB/s`, `18 pJ/B`, `77 cy`.

General unit libraries read `Gb` as gilbert, let bytes per second become hertz and know no operations. This
reader has seven base dimensions of its own (information, work, cycles, time, energy, mass, money) and refuses
everything it was not told about, with a hint. Values are held in base units: B, op, cy, s, J, kg, USD.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from stratagem.hwmodels.nearest import did_you_mean

BASES = ("B", "op", "cy", "s", "J", "kg", "USD")
Dimension = tuple[int, ...]  # exponent of each of BASES

DECIMAL = {"k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
SMALL = {"m": -3, "u": -6, "µ": -6, "n": -9, "p": -12, "f": -15, "a": -18}
BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}


def dimension(**exponents: int) -> Dimension:
    """The dimension with the given exponents of base units, such as `dimension(B=1, s=-1)`."""
    return tuple(exponents.get(base, 0) for base in BASES)


NONE: Dimension = dimension()


@dataclass(frozen=True)
class UnitName:
    """One named unit: its worth in base units and the prefixes that make sense on it."""

    scale: Fraction
    dimension: Dimension
    prefixes: str  # any of "decimal", "small", "binary"


def unit(scale: Fraction | int, prefixes: str, **exponents: int) -> UnitName:
    return UnitName(Fraction(scale), dimension(**exponents), prefixes)


UNITS: dict[str, UnitName] = {
    "B": unit(1, "decimal binary", B=1),
    "bit": unit(Fraction(1, 8), "decimal binary", B=1),
    "op": unit(1, "decimal", op=1),
    "OP": unit(1, "decimal", op=1),
    "FLOP": unit(1, "decimal", op=1),
    "cy": unit(1, "decimal", cy=1),
    "Hz": unit(1, "decimal", cy=1, s=-1),
    "s": unit(1, "small", s=1),
    "min": unit(60, "", s=1),
    "h": unit(3600, "", s=1),
    "d": unit(86400, "", s=1),
    "year": unit(31_557_600, "", s=1),  # 365.25 days
    "J": unit(1, "decimal small", J=1),
    "Wh": unit(3600, "decimal", J=1),
    "W": unit(1, "decimal small", J=1, s=-1),
    "g": unit(Fraction(1, 1000), "decimal small", kg=1),
    "t": unit(1000, "decimal", kg=1),
    "USD": unit(1, "decimal", USD=1),
    "%": unit(Fraction(1, 100), "", B=0),
}

# Spellings that mean different things to different people, with what to write.
AMBIGUOUS = {
    "b": "bit",
    "byte": "B",
    "bytes": "B",
    "bits": "bit",
    "bps": "bit/s",
    "Bps": "B/s",
    "FLOPS": "FLOP/s",
    "FLOPs": "FLOP",
    "flop": "FLOP",
    "flops": "FLOP/s",
    "OPS": "OP/s",
    "ops": "op",
    "MAC": "op (a multiply-add is 2 op)",
    "cycle": "cy",
    "cycles": "cy",
    "sec": "s",
    "day": "d",
    "days": "d",
    "years": "year",
    "T/s": "B/s (transfers have no size)",
    "$": "USD",
}


def prefix_scales(kind: str) -> dict[str, Fraction]:
    """Prefix -> factor for the prefix families named in `kind`."""
    scales: dict[str, Fraction] = {"": Fraction(1)}
    if "decimal" in kind:
        scales |= {prefix: Fraction(10) ** power for prefix, power in DECIMAL.items()}
    if "small" in kind:
        scales |= {prefix: Fraction(10) ** power for prefix, power in SMALL.items()}
    if "binary" in kind:
        scales |= {prefix: Fraction(2) ** power for prefix, power in BINARY.items()}
    return scales


SPELLINGS: dict[str, tuple[Fraction, Dimension]] = {
    prefix + name: (scale * known.scale, known.dimension)
    for name, known in UNITS.items()
    for prefix, scale in prefix_scales(known.prefixes).items()
}


class UnitError(ValueError):
    """Text that is not the quantity wanted; the message says what was wanted and what to write."""


@dataclass(frozen=True)
class Quantity:
    """A value in base units with its dimension, and the text it came from."""

    value: float
    dimension: Dimension
    text: str = ""

    def at_clock(self, clock: float | None) -> float:
        """The value with cycles turned into seconds at `clock` Hz (B/cy to B/s, cy to s)."""
        cycles = self.dimension[BASES.index("cy")]
        if not cycles or self.dimension == CLOCK.accepted[0]:
            return self.value
        if clock is None:
            raise UnitError(f"{self.text!r} counts cycles, and there is no clock to turn them into seconds")
        return float(self.value / clock**cycles if cycles > 0 else self.value * clock**-cycles)


@dataclass(frozen=True)
class Wanted:
    """What a key of the schema accepts: its dimensions, and an example for messages."""

    what: str
    accepted: tuple[Dimension, ...]
    example: str


SIZE = Wanted("an amount of memory", (dimension(B=1),), "64 KiB")
BANDWIDTH = Wanted("a bandwidth", (dimension(B=1, s=-1), dimension(B=1, cy=-1)), "38.4 GB/s or 64 B/cy")
LATENCY = Wanted("a latency", (dimension(s=1), dimension(cy=1)), "90 ns or 14 cy")
BYTE_ENERGY = Wanted("an energy per byte", (dimension(J=1, B=-1),), "18 pJ/B")
OP_ENERGY = Wanted("an energy per operation", (dimension(J=1, op=-1),), "4 pJ/op")
RATE = Wanted("a rate of operations", (dimension(op=1, s=-1), dimension(op=1, cy=-1)), "1024 op/cy or 2 TFLOP/s")
PEAK = Wanted("a peak rate", (dimension(op=1, s=-1),), "989 TFLOP/s")
CLOCK = Wanted("a clock frequency", (dimension(cy=1, s=-1),), "3.0 GHz")
POWER = Wanted("a power", (dimension(J=1, s=-1),), "45 W")
LIFETIME = Wanted("a time", (dimension(s=1),), "4 year")
MONEY = Wanted("an amount of money", (dimension(USD=1),), "30 kUSD")
MONEY_RATE = Wanted("a price per time", (dimension(USD=1, s=-1),), "2.5 USD/h")
MASS = Wanted("a mass", (dimension(kg=1),), "150 kg")
CARBON = Wanted("a mass per energy", (dimension(kg=1, J=-1),), "350 g/kWh")
RATIO = Wanted("a ratio", (NONE,), "15% or 0.15")

NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*(.*?)\s*")


def describe(exponents: Dimension) -> str:
    """A dimension as text in base units: `B/s`."""
    above = [base + (f"^{n}" if n > 1 else "") for base, n in zip(BASES, exponents, strict=True) if n > 0]
    below = [base + (f"^{-n}" if n < -1 else "") for base, n in zip(BASES, exponents, strict=True) if n < 0]
    return "/".join(["*".join(above) or "1", *below]) if above or below else "no unit"


@lru_cache(maxsize=4096)
def parse_quantity(text: str) -> Quantity:
    """Read `NUMBER UNIT[/UNIT...]`; UnitError tells what to write instead."""
    found = NUMBER.fullmatch(text)
    if found is None or len(text) > 80:
        raise UnitError(f"{text[:40]!r} does not start with a number")
    number, symbols = found.groups()
    scale, exponents = parse_unit(symbols) if symbols else (Fraction(1), NONE)
    try:
        value = float(Fraction(number) * scale)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise UnitError(f"{text!r} is too large to be represented")
    return Quantity(value, exponents, text.strip())


@lru_cache(maxsize=1024)
def parse_unit(text: str) -> tuple[Fraction, Dimension]:
    """Read a product or quotient of units; the scale to base units and the dimension."""
    scale, exponents = Fraction(1), list(NONE)
    sign = 1
    for position, symbol in enumerate(re.split(r"\s*([*/])\s*", text)):
        if position % 2:
            sign = -1 if symbol == "/" else 1
            continue
        worth, dims = unit_worth(symbol)
        scale *= worth**sign
        exponents = [total + sign * exponent for total, exponent in zip(exponents, dims, strict=True)]
    return scale, tuple(exponents)


def unit_worth(symbol: str) -> tuple[Fraction, Dimension]:
    """Scale and dimension of one symbol with its prefix; UnitError hints at what was meant."""
    if symbol in SPELLINGS:
        return SPELLINGS[symbol]
    for wrong, right in AMBIGUOUS.items():
        prefix = symbol.removesuffix(wrong)
        if symbol.endswith(wrong) and (prefix == "" or prefix in DECIMAL or prefix in BINARY or prefix in SMALL):
            raise UnitError(f"the unit {symbol!r} is ambiguous; write {prefix}{right}")
    if symbol.startswith("K") and symbol[1:] in UNITS:
        name = symbol[1:]
        raise UnitError(f"the unit {symbol!r} is ambiguous; write k{name} (1000) or Ki{name} (1024)")
    hint = did_you_mean(symbol, SPELLINGS) or f"units are {', '.join(UNITS)}"
    raise UnitError(f"unknown unit {symbol!r}; {hint}")


def read_quantity(text: str | float, wanted: Wanted) -> Quantity:
    """Read a quantity of a wanted kind. Bare numbers pass only where no unit is due."""
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise UnitError(f"expected {wanted.what} such as {wanted.example}")
    if not isinstance(text, str):
        if not math.isfinite(text):
            raise UnitError(f"expected {wanted.what} such as {wanted.example}, not {text}")
        if NONE in wanted.accepted:
            return Quantity(float(text), NONE, str(text))
        raise UnitError(f"the number {text} has no unit; write {wanted.what} such as {wanted.example}")
    quantity = parse_quantity(text)
    if quantity.dimension in wanted.accepted:
        return quantity
    if quantity.dimension == NONE:
        raise UnitError(f"the number {text} has no unit; write {wanted.what} such as {wanted.example}")
    kinds = " or ".join(describe(accepted) for accepted in wanted.accepted)
    given = describe(quantity.dimension)
    raise UnitError(f"{text!r} is in {given}, but {wanted.what} ({kinds}) is due, such as {wanted.example}")


def format_quantity(value: float, base: str, *, binary: bool = False, digits: int = 4) -> str:
    """A value in base units as text with the fitting prefix: 3.35e12 in "B/s" is "3.35 TB/s"."""
    head = re.split(r"[*/]", base)[0]
    if value == 0 or head not in UNITS:
        return f"{value:.{digits}g} {base}".strip()
    kind = UNITS[head].prefixes.replace("binary", "") if not binary else "binary"
    scales = sorted(prefix_scales(kind).items(), key=lambda item: item[1])
    fitting = [(prefix, scale) for prefix, scale in scales if scale <= abs(value) * (1 + 1e-12)]
    prefix, scale = fitting[-1] if fitting else scales[0]
    return f"{value / float(scale):.{digits}g} {prefix}{base}"


def format_size(value: float) -> str:
    """Bytes as text, in whichever of decimal and binary units is shorter: "80 GB", "227 KiB"."""
    return min((format_quantity(value, "B", binary=binary) for binary in (True, False)), key=len)
