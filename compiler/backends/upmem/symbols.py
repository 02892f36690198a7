"""Whole numbers known only when the C program runs: linear forms over C variables, with bounds and divisibility.

Offsets and sizes of tiles are such numbers. The emitter asks them three questions: how large can you be
(buffers), by what are you divisible (alignment of transfers), and are you equal to that other one (two slices
are the same place).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Variable:
    """A C variable or expression without side effects.

    Attributes:
        low, high: inclusive bounds, None where unknown.
        divisor: a number that divides every value it takes; 0 for "always zero".
        alternatives: the values it may take when it is a minimum of several; empty otherwise.
    """

    name: str
    low: int | None = field(default=None, compare=False)
    high: int | None = field(default=None, compare=False)
    divisor: int = field(default=1, compare=False)
    alternatives: tuple[Index, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Index:
    """constant + sum of coefficient * variable; terms sorted by name, no zero coefficient."""

    constant: int = 0
    terms: tuple[tuple[Variable, int], ...] = ()

    @staticmethod
    def of(variable: Variable) -> Index:
        if variable.low is not None and variable.low == variable.high:
            return Index(variable.low)
        return Index(0, ((variable, 1),))

    @staticmethod
    def _make(constant: int, terms: Iterable[tuple[Variable, int]]) -> Index:
        collected: dict[Variable, int] = {}
        for variable, factor in terms:
            collected[variable] = collected.get(variable, 0) + factor
        kept = [(v, f) for v, f in collected.items() if f]
        return Index(constant, tuple(sorted(kept, key=lambda term: term[0].name)))

    def __add__(self, other: Index | int) -> Index:
        other = other if isinstance(other, Index) else Index(other)
        return Index._make(self.constant + other.constant, self.terms + other.terms)

    def __sub__(self, other: Index | int) -> Index:
        return self + (other if isinstance(other, Index) else Index(other)).scaled(-1)

    def scaled(self, factor: int) -> Index:
        return Index._make(self.constant * factor, [(v, f * factor) for v, f in self.terms])

    @property
    def is_constant(self) -> bool:
        return not self.terms

    @property
    def low(self) -> int | None:
        """The least value, None when unknown."""
        return self._bound(lower=True)

    @property
    def high(self) -> int | None:
        """The greatest value, None when unknown."""
        return self._bound(lower=False)

    def _bound(self, lower: bool) -> int | None:
        total = self.constant
        for variable, factor in self.terms:
            edge = variable.low if (factor > 0) == lower else variable.high
            if edge is None:
                return None
            total += factor * edge
        return total

    @property
    def divisor(self) -> int:
        """The greatest number known to divide every value; 0 when the value is always 0."""
        return math.gcd(self.constant, *(factor * variable.divisor for variable, factor in self.terms))

    def divisible_by(self, number: int) -> bool:
        return self.divisor % number == 0

    def ends_at(self, granule: int, ends: Iterable[Index]) -> bool:
        """Whether the value is always a multiple of `granule` or equal to one of `ends`.

        A variable that is a minimum is tried with each of its alternatives, so `start + min(rest, tile)` is
        seen to stop either at a tile border or at the end of the row.
        """
        ends = tuple(ends)
        if self.divisible_by(granule) or self in ends:
            return True
        for variable, factor in self.terms:
            if factor == 1 and variable.alternatives:
                rest = self - Index.of(variable)
                return all((rest + choice).ends_at(granule, ends) for choice in variable.alternatives)
        return False

    @property
    def text(self) -> str:
        """A C expression, in parentheses when it is more than one word."""
        parts = [_term(variable.name, factor) for variable, factor in self.terms]
        if self.constant or not parts:
            parts.append(str(self.constant))
        parts.sort(key=lambda part: part.startswith("-"))
        joined = parts[0] + "".join(f" - {p[1:]}" if p.startswith("-") else f" + {p}" for p in parts[1:])
        return joined if len(parts) == 1 and (not self.terms or self.terms[0][1] == 1) else f"({joined})"

    @property
    def bare(self) -> str:
        """The expression without its outer parentheses, for places that need none."""
        return self.text[1:-1] if self.text.startswith("(") else self.text

    def __str__(self) -> str:
        return self.text


def _term(name: str, factor: int) -> str:
    if factor == 1:
        return name
    return f"-{name}" if factor == -1 else f"{factor} * {name}"


def product_text(factors: Iterable[Index]) -> str:
    """A C expression for a product; constants are folded."""
    constant, texts = 1, []
    for one in factors:
        if one.is_constant:
            constant *= one.constant
        else:
            texts.append(one.text)
    if constant != 1 or not texts:
        texts.append(str(constant))
    return " * ".join(texts)


def minimum_high(values: Iterable[Index]) -> int | None:
    """The greatest value a minimum of `values` may take."""
    return min((v.high for v in values if v.high is not None), default=None)


def minimum_low(values: Iterable[Index]) -> int | None:
    """The least value a minimum of `values` may take; None when one of them is unbounded below."""
    lows = [v.low for v in values]
    known = [low for low in lows if low is not None]
    return min(known) if len(known) == len(lows) else None
