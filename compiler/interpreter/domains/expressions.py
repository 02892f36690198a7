"""Expressions over the reals in a normal form: sums of products of atoms with rational exponents.

An atom is an input, or a function of expressions of which nothing more is known. `exp(a + b) = exp(a) exp(b)`, maxima
and minima are sets, a quotient is a product with a power of -1. Equal normal forms mean equal functions wherever both
are defined; different ones mean nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from stratagem.runtime.errors import UnsupportedError

MOST_TERMS = 1000
"""Of one sum; beyond, expressions of tensor programs have grown out of hand."""

Atom = tuple[Any, ...]
"""(name, argument ...); arguments are expressions, or frozensets of them."""
Monomial = frozenset[tuple[Atom, Fraction]]
_ONE: Monomial = frozenset()
_INFINITE: Monomial = frozenset({(("infinity",), Fraction(1))})


class Expression:
    """An immutable sum: monomial -> coefficient, none of them 0."""

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: Mapping[Monomial, Fraction]) -> None:
        if len(terms) > MOST_TERMS:
            raise UnsupportedError(f"an expression has more than {MOST_TERMS} terms: give smaller shapes")
        self.terms = dict(terms)
        self._hash = hash(frozenset(self.terms.items()))

    @staticmethod
    def number(value: Fraction | int) -> Expression:
        return Expression({_ONE: Fraction(value)} if value else {})

    @staticmethod
    def atom(name: Any, *arguments: Any) -> Expression:
        return Expression({frozenset({((name, *arguments), Fraction(1))}): Fraction(1)})

    @property
    def constant(self) -> Fraction | None:
        """The number it is, None if it is none."""
        if not self.terms:
            return Fraction(0)
        return self.terms.get(_ONE) if len(self.terms) == 1 else None

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self._hash == other._hash and self.terms == other.terms

    @property
    def infinite(self) -> int:
        """1 for infinity, -1 for minus infinity, 0 for everything else."""
        return int(self.terms.get(_INFINITE, 0)) if len(self.terms) == 1 else 0

    def __add__(self, other: Expression) -> Expression:
        if self.infinite or other.infinite:
            return _infinite_sum(self, other)
        terms = dict(self.terms)
        for monomial, factor in other.terms.items():
            _accumulate(terms, monomial, factor)
        return Expression(terms)

    def __neg__(self) -> Expression:
        return Expression({m: -c for m, c in self.terms.items()})

    def __sub__(self, other: Expression) -> Expression:
        return self + -other

    def __mul__(self, other: Expression) -> Expression:
        if self.infinite or other.infinite:
            return _infinite_product(self, other)
        terms: dict[Monomial, Fraction] = {}
        for m, c in self.terms.items():
            for n, d in other.terms.items():
                _accumulate(terms, _product(m, n), c * d)
        return Expression(terms)

    def __truediv__(self, other: Expression) -> Expression:
        if not other.terms or self.infinite or other.infinite:
            return Expression.atom("quotient", self, other)
        if len(other.terms) == 1:
            ((monomial, factor),) = other.terms.items()
            return self * Expression({frozenset((a, -e) for a, e in monomial): 1 / factor})
        leading = other.terms[min(other.terms, key=_order)]
        scaled = Expression({m: c / leading for m, c in other.terms.items()})
        inverse = Expression({frozenset({(("sum", scaled), Fraction(-1))}): 1 / leading})
        return self * inverse

    def __repr__(self) -> str:
        return " + ".join(f"{c}*{sorted(map(str, m))}" for m, c in self.terms.items()) or "0"


def infinity(sign: int) -> Expression:
    return Expression({_INFINITE: Fraction(sign)})


def _infinite_sum(left: Expression, right: Expression) -> Expression:
    """Symbols are finite: an infinity swallows them; opposite ones give no number."""
    signs = {left.infinite, right.infinite} - {0}
    return infinity(signs.pop()) if len(signs) == 1 else Expression.atom("nan")


def _infinite_product(left: Expression, right: Expression) -> Expression:
    """Known where the other factor is infinite or a number other than 0."""
    signs = [e.infinite or ((c > 0) - (c < 0) if (c := e.constant) is not None else 0) for e in (left, right)]
    return infinity(signs[0] * signs[1]) if all(signs) else Expression.atom("product", frozenset({left, right}))


def exponential(power: Expression) -> Expression:
    """exp of every term apart; 0 where the power is minus infinity."""
    if power.infinite:
        return Expression({}) if power.infinite < 0 else power
    factors: Monomial = _ONE
    for monomial, factor in power.terms.items():
        factors = _product(factors, frozenset({(("exp", monomial), factor)}))
    return Expression({factors: Fraction(1)})


def extreme(name: str, operands: Iterable[Expression]) -> Expression:
    """The maximum or minimum: nested ones count as one set, and so do repeated operands."""
    identity = infinity(-1 if name == "maximum" else 1)
    members: set[Expression] = set()
    for operand in operands:
        members |= _members(name, operand)
    members.discard(identity)
    if -identity in members:
        return -identity
    numbers = [c for m in members if (c := m.constant) is not None]
    if len(numbers) > 1:
        members -= {Expression.number(n) for n in numbers}
        members.add(Expression.number(max(numbers) if name == "maximum" else min(numbers)))
    if len(members) < 2:
        return next(iter(members), identity)
    return Expression.atom(name, frozenset(members))


def _members(name: str, operand: Expression) -> set[Expression]:
    if len(operand.terms) == 1:
        ((monomial, factor),) = operand.terms.items()
        if factor == 1 and len(monomial) == 1:
            ((atom, exponent),) = monomial
            if exponent == 1 and atom[0] == name:
                return set(atom[1])
    return {operand}


def _accumulate(terms: dict[Monomial, Fraction], monomial: Monomial, factor: Fraction) -> None:
    total = terms.get(monomial, Fraction(0)) + factor
    if total:
        terms[monomial] = total
    else:
        terms.pop(monomial, None)


def _product(left: Monomial, right: Monomial) -> Monomial:
    if not left or not right:
        return left or right
    exponents = dict(left)
    for atom, exponent in right:
        total = exponents.get(atom, Fraction(0)) + exponent
        if total:
            exponents[atom] = total
        else:
            del exponents[atom]
    return frozenset(exponents.items())


def _order(monomial: Monomial) -> tuple[int, int]:
    """Some order that does not depend on how a sum was made."""
    return len(monomial), hash(monomial)
