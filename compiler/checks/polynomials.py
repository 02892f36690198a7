"""Sizes as polynomials with integer coefficients over named unknowns, in a normal form: equal sizes are equal objects.

Integer-set proofs know only sums. A product of unknowns is one more unknown to them, named by `product_name`; the
normal form makes `n*m` and `m*n` the same one, and a quotient that comes out even is followed exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

Monomial = tuple[str, ...]
"""Unknowns that are multiplied, sorted; empty for the constant term."""


@dataclass(frozen=True)
class Polynomial:
    """A sum of monomials with their coefficients, sorted, none of them zero."""

    terms: tuple[tuple[Monomial, int], ...]

    def __add__(self, other: Polynomial) -> Polynomial:
        return _normal([*self.terms, *other.terms])

    def __sub__(self, other: Polynomial) -> Polynomial:
        return self + other * number(-1)

    def __mul__(self, other: Polynomial) -> Polynomial:
        return _normal([(tuple(sorted((*a, *b))), n * m) for a, n in self.terms for b, m in other.terms])

    @property
    def constant(self) -> int | None:
        """The number this is; None when it mentions an unknown."""
        if not self.terms:
            return 0
        return self.terms[0][1] if len(self.terms) == 1 and not self.terms[0][0] else None

    def over(self, divisor: Polynomial) -> Polynomial | None:
        """The quotient where division by a single term comes out even for every value; None otherwise."""
        if len(divisor.terms) != 1:
            return None
        (unknowns, factor), quotient = divisor.terms[0], []
        for monomial, coefficient in self.terms:
            rest = Counter(monomial)
            rest.subtract(unknowns)
            if coefficient % factor or min(rest.values(), default=0) < 0:
                return None
            quotient.append((tuple(sorted(rest.elements())), coefficient // factor))
        return _normal(quotient)

    def unknowns(self) -> set[str]:
        """Names of all unknowns that the text mentions, those of products among them."""
        return {product_name(monomial) for monomial, _ in self.terms if monomial}

    def __str__(self) -> str:
        """The sum in isl's notation."""
        parts = [f"{c}*{product_name(m)}" if m else str(c) for m, c in self.terms]
        return f"({' + '.join(parts)})" if parts else "0"


def product_name(monomial: Monomial) -> str:
    """The name of a product of unknowns: one unknown is its own name."""
    return "_".join(monomial)


def number(value: int) -> Polynomial:
    return _normal([((), value)])


def unknown(name: str) -> Polynomial:
    """One unknown; `name` holds no underscore, which joins the names of products."""
    return _normal([((name,), 1)])


def _normal(terms: Iterable[tuple[Monomial, int]]) -> Polynomial:
    found: Counter[Monomial] = Counter()
    for monomial, coefficient in terms:
        found[monomial] += coefficient
    return Polynomial(tuple(sorted((m, c) for m, c in found.items() if c)))
