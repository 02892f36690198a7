"""Where the elements of a value lie in the whole tensor that it is a part of.

Each dimension of a value is a list of *factors*, outermost first, like the named axes of einops (Rogozhnikov, 2022): a
factor of size n with the term (d, s) counts from 0 to n - 1 and moves through dimension d of the whole tensor in steps
of s. A factor without terms repeats the same elements. Reshapes and transposes only rearrange factors. What the rank
decides is in no dimension but in the value's `bound`, factors that the rank counts through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from stratagem.compiler.checks.sharding.sizes import ONE, Size, product

Terms = tuple[tuple[int, Size], ...]
"""(dimension of the whole tensor, stride), in order."""


class Factor(NamedTuple):
    size: Size
    terms: Terms = ()


Factors = tuple[Factor, ...]
"""One dimension, outermost first, in normal form (`merged`)."""


def scaled(terms: Terms, by: Size) -> Terms:
    return tuple((dim, stride.times(by)) for dim, stride in terms)


def added(one: Terms, two: Terms) -> Terms:
    """The terms of a count that moves through both."""
    return tuple(sorted((*one, *two)))


def merged(factors: Sequence[Factor]) -> Factors:
    """In normal form: no factor of size one, and neighbours that count on are one factor."""
    found: list[Factor] = []
    for factor in factors:
        if factor.size == ONE:
            continue
        if found and found[-1].terms == scaled(factor.terms, factor.size):
            factor = Factor(found.pop().size.times(factor.size), factor.terms)
        found.append(factor)
    return tuple(found)


def bound_by(factors: Sequence[Factor]) -> Factors:
    """What the rank counts through; nothing where it only repeats the same."""
    found = merged(factors)
    return found if any(f.terms for f in found) else ()


def extent(factors: Sequence[Factor]) -> Size:
    return product([f.size for f in factors])


def split(factors: Sequence[Factor], inner: Size) -> tuple[Factors, Factors] | None:
    """[outer * inner] -> [outer], [inner]; None where the cut does not fall between counts."""
    left, under = list(factors), list[Factor]()
    while inner != ONE:
        if not left:
            return None
        last = left.pop()
        if inner.is_multiple_of(last.size):
            under.append(last)
            inner = inner.over(last.size)
            continue
        outer = last.size.over(inner)
        if not (last.size.is_multiple_of(inner) or outer.symbols):
            return None
        left.append(Factor(outer, scaled(last.terms, inner)))
        under.append(Factor(inner, last.terms))
        inner = ONE
    return tuple(left), tuple(reversed(under))


def expanded(factors: Factors, sizes: Sequence[Size | None]) -> list[Factors] | None:
    """One dimension as several; one of them may have a size that follows from the others. None where that cannot be
    told."""
    total, known = extent(factors), product([n for n in sizes if n is not None])
    if total.number == 0 or known.number == 0 or sum(n is None for n in sizes) > 1:
        return None
    whole = [total.over(known) if n is None else n for n in sizes]
    if product(whole) != total:
        return None
    found: list[Factors] = []
    rest: Factors = factors
    for size in reversed(whole):
        parts = split(rest, size)
        if parts is None:
            return None
        rest, inner = parts
        found.append(merged(inner))
    return None if merged(rest) else found[::-1]


def refined(lists: Sequence[Sequence[Factor]]) -> list[tuple[Size, tuple[Terms, ...]]] | None:
    """The same count in one division that fits all the lists: (size, terms in each list), outermost first. None where
    there is none."""
    if len(lists) == 1:
        return [(f.size, (f.terms,)) for f in lists[0]]
    left = [list(factors) for factors in lists]
    found: list[tuple[Size, tuple[Terms, ...]]] = []
    while any(left):
        if not all(left):
            return None
        size = _common([factors[-1].size for factors in left])
        if size is None and any(len(factors) > 1 for factors in left):
            return None
        # Sizes of one factor each are equal when the program runs, whatever they are called.
        whole = size is None
        size = size or left[0][-1].size
        terms = []
        for factors in left:
            last = factors.pop()
            terms.append(last.terms)
            if not whole and last.size != size:
                factors.append(Factor(last.size.over(size), scaled(last.terms, size)))
        found.append((size, tuple(terms)))
    return found[::-1]


def _common(sizes: Sequence[Size]) -> Size | None:
    least = sizes[0]
    for size in sizes[1:]:
        if least.is_multiple_of(size):
            least = size
        elif not size.is_multiple_of(least):
            return None
    return least
