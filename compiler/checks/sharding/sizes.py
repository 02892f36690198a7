"""Sizes and strides: products of a number and of sizes that are not known at compile time."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import NamedTuple


class Size(NamedTuple):
    """`number` times each symbol to its power. Symbols are numbers of expressions (`expressions.py`), in order."""

    number: int | Fraction
    symbols: tuple[tuple[int, int], ...] = ()

    def times(self, other: Size) -> Size:
        if not self.symbols and not other.symbols:
            return Size(self.number * other.number)
        powers = Counter(dict(self.symbols))
        for symbol, power in other.symbols:
            powers[symbol] += power
        return Size(_plain(Fraction(self.number) * other.number), _ordered(powers))

    def over(self, other: Size) -> Size:
        """The exact quotient; `other` is not zero."""
        if not self.symbols and not other.symbols and self.number % other.number == 0:
            return Size(self.number // other.number)
        powers = Counter(dict(self.symbols))
        for symbol, power in other.symbols:
            powers[symbol] -= power
        return Size(_plain(Fraction(self.number) / other.number), _ordered(powers))

    def is_multiple_of(self, other: Size) -> bool:
        """Whether `other` certainly divides it, for every value of the symbols."""
        if not self.symbols and not other.symbols:
            return self.number % other.number == 0
        quotient = self.over(other)
        return isinstance(quotient.number, int) and all(power > 0 for _, power in quotient.symbols)

    def __str__(self) -> str:
        return str(self.number) if not self.symbols else "?"


ONE = Size(1)


def product(sizes: list[Size]) -> Size:
    total = ONE
    for size in sizes:
        total = total.times(size)
    return total


def symbol(number: int) -> Size:
    return Size(1, ((number, 1),))


def _plain(number: Fraction) -> int | Fraction:
    return number.numerator if number.denominator == 1 else number


def _ordered(powers: Counter[int]) -> tuple[tuple[int, int], ...]:
    return tuple(sorted((symbol, power) for symbol, power in powers.items() if power))
