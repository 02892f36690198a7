"""Unknowns that assertions say are equal, under one name: then products of them are one unknown as well."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from stratagem.compiler.checks.host_sizes import Fact
from stratagem.compiler.checks.polynomials import product_name

UNKNOWN = re.compile(r"\bh\d+(?:_h\d+)*\b")
"""An unknown of the program or a product of some, as conditions name them."""
_EQUAL = re.compile(r"\(1\*(h\d+)\) = \(1\*(h\d+)\)")


class Names:
    """The name that each unknown goes by where some facts hold."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._parent: dict[str, str] = {}
        for fact in facts:
            if match := _EQUAL.fullmatch(fact.text):
                one, other = self._first(match[1]), self._first(match[2])
                self._parent[max(one, other)] = min(one, other)

    def of(self, name: str) -> str:
        """The name of an unknown or a product."""
        return product_name(tuple(sorted(map(self._first, name.split("_")))))

    def text(self, condition: str) -> str:
        """A condition in these names."""
        return UNKNOWN.sub(lambda match: self.of(match.group()), condition)

    def fact(self, fact: Fact) -> Fact:
        """A fact in these names."""
        return replace(fact, text=self.text(fact.text), names=frozenset(map(self.of, fact.names)))

    def _first(self, name: str) -> str:
        while name in self._parent and self._parent[name] != name:
            name = self._parent[name]
        return name
