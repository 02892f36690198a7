"""Sizes in the host program as polynomials over named unknowns, with what is known of each unknown.

Every value that is no sum or product gets a name of its own, the same for the same computation, and a fact that
defines it by its operands: facts stay local, whatever lies between an input and a size far below. A value inside a
loop stands for its latest round, and what a loop carries unchanged is what it began as.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch_mlir import ir

from stratagem.compiler.checks.host_operations import EXTENTS, read_integer
from stratagem.compiler.checks.index_reader import truncates
from stratagem.compiler.checks.polynomials import Polynomial, number, unknown
from stratagem.compiler.ir import handed_on

FOR_BOUNDS = 3
"""Operands of `scf.for` before the values it carries: both bounds and the step."""


@dataclass(frozen=True)
class Fact:
    """A condition in isl's notation and the unknowns it relates. `after`: the assertion behind which it holds; None
    for one that holds everywhere. `cases`: of how many alternatives without `or` it consists."""

    text: str
    names: frozenset[str]
    after: Any = None
    cases: int = 1


Definition = Callable[[str], tuple[Sequence[tuple[str, int]], Sequence[Polynomial]]]
"""An unknown's name -> the conditions that define it, each with its number of cases, and the sizes in them."""


@dataclass(frozen=True)
class _Place:
    """A value to read: under which key, by which reader, and what is known of it if nothing else is."""

    key: Any
    value: Any
    read: Callable[[Any], Polynomial]
    define: Definition | None


@dataclass
class HostSizes:
    """Reads index values and extents of tensors in the host program.

    Attributes:
        facts: what defines the unknowns; a size that only the inputs or the data decide has no more than its sign.
        not_negative: unknowns that are extents of tensors.
    """

    facts: list[Fact] = field(default_factory=list)
    not_negative: set[str] = field(default_factory=set)
    _known: dict[Any, Polynomial] = field(default_factory=dict)
    _names: dict[Any, Polynomial] = field(default_factory=dict)
    _ranges: dict[str, tuple[int | None, int | None]] = field(default_factory=dict)

    # ---- reading

    def extent(self, tensor: Any, dim: int) -> Polynomial:
        """The size of a tensor's dimension."""
        kind = ir.RankedTensorType(tensor.type)
        if not kind.is_dynamic_dim(dim):
            return number(kind.get_dim_size(dim))
        place = _Place(("extent", tensor, dim), tensor, lambda v: self.extent(v, dim), self._not_negative)
        return self._once(place, lambda op: EXTENTS[op.name](self, tensor, dim) if op.name in EXTENTS else None)

    def index(self, value: Any) -> Polynomial:
        """An index or integer value."""
        place = _Place(("value", value), value, self.index, None)
        return self._once(place, lambda op: read_integer(self, op))

    def _once(self, place: _Place, read: Callable[[Any], Polynomial | None]) -> Polynomial:
        if place.key not in self._known:
            self._known[place.key] = self._read(place, read)
        return self._known[place.key]

    def _read(self, place: _Place, read: Callable[[Any], Polynomial | None]) -> Polynomial:
        owner = place.value.owner
        if isinstance(owner, ir.Block):
            return self._carried(place, owner)
        found = read(owner.operation)
        return self._result(place, owner.operation) if found is None else found

    # ---- names

    def name(self, key: Any, define: Definition | None = None) -> Polynomial:
        """The unknown for a computation, the same for the same key; `define` gives its fact and the sizes in that."""
        if key not in self._names:
            name = f"h{len(self._names)}"
            self._names[key] = unknown(name)
            if define is not None:
                conditions, sizes = define(name)
                names = frozenset([name]).union(*(s.unknowns() for s in sizes))
                self.facts += [Fact(text, names, cases=cases) for text, cases in conditions]
        return self._names[key]

    def one_of(self, key: Any, choices: Sequence[Polynomial]) -> Polynomial:
        """One of several sizes, it is not known which."""
        if len(set(choices)) == 1:
            return choices[0]
        return self.name(key, lambda name: ([_one_of(name, choices)], choices))

    def at_least(self, size: Polynomial, other: Polynomial) -> bool:
        """Whether one size is certainly no smaller than another: no term of the difference can be negative."""
        difference = (size - other).terms
        return all(c > 0 and set(monomial) <= self.not_negative for monomial, c in difference)

    def bound(self, relation: str, choices: Sequence[Polynomial]) -> Polynomial:
        """The least (`<=`) or greatest (`>=`) of several sizes."""
        left: list[Polynomial] = []
        for choice in choices:
            if not any(self._beyond(relation, choice, c) for c in left):
                left = [c for c in left if not self._beyond(relation, c, choice)] + [choice]
        if len(left) == 1:
            return left[0]

        key, known = (relation, frozenset(left)), len(self._names)
        result = self.name(key, lambda name: ([_one_of(name, left)], left))
        if len(self._names) > known:
            self._say_bounds(f"h{known}", relation, left)
        return result

    def _say_bounds(self, name: str, relation: str, choices: list[Polynomial]) -> None:
        """One fact for each choice, and one for the numbers between which the result lies, so that each is of use where
        the others' unknowns play no part."""
        self.facts += [Fact(f"{name} {relation} {c}", frozenset([name]) | c.unknowns()) for c in choices]
        least, most = zip(*map(self._range, choices), strict=True)
        if relation == "<=":
            low, high = _of_all(min, least), _of_known(min, most)
        else:
            low, high = _of_known(max, least), _of_all(max, most)
        self._ranges[name] = (low, high)
        ends = ((">=", low), ("<=", high))
        self.facts += [Fact(f"{name} {sign} {n}", frozenset([name])) for sign, n in ends if n is not None]

    def _range(self, size: Polynomial) -> tuple[int | None, int | None]:
        """Numbers that a size certainly lies between; None where none is known."""
        low: int | None = 0
        high: int | None = 0
        for monomial, factor in size.terms:
            ends = self._ends(monomial)
            if factor < 0:
                ends = (ends[1], ends[0])
            low = None if low is None or ends[0] is None else low + factor * ends[0]
            high = None if high is None or ends[1] is None else high + factor * ends[1]
        return low, high

    def _ends(self, monomial: tuple[str, ...]) -> tuple[int | None, int | None]:
        if not monomial:
            return 1, 1
        if len(monomial) == 1:
            return self._ranges.get(monomial[0], (0 if monomial[0] in self.not_negative else None, None))
        return (0 if set(monomial) <= self.not_negative else None), None

    def _beyond(self, relation: str, size: Polynomial, bound: Polynomial) -> bool:
        """Whether the bound makes a choice superfluous."""
        return self.at_least(size, bound) if relation == "<=" else self.at_least(bound, size)

    def divided(self, left: Polynomial, right: Polynomial, rounding: str) -> Polynomial:
        """A quotient, rounded by `floor`, by `ceil` or to `zero`; exact where the division comes out even."""
        exact = left.over(right)
        if exact is not None:
            return exact
        if rounding == "zero" and self.at_least(left, number(0)):
            rounding = "floor"
        if rounding == "ceil":
            return number(0) - self.divided(number(0) - left, right, "floor")
        divisor = right.constant
        if divisor is None or divisor <= 0:
            return self.name((rounding, left, right))

        def define(name: str) -> tuple[list[tuple[str, int]], Sequence[Polynomial]]:
            if rounding == "zero":
                return [(truncates(name, str(left), divisor), 2)], [left]
            return [(f"{divisor}*{name} <= {left} < {divisor}*{name} + {divisor}", 1)], [left]

        return self.name((rounding, left, right), define)

    def _not_negative(self, name: str) -> tuple[list[tuple[str, int]], Sequence[Polynomial]]:
        self.not_negative.add(name)
        return [(f"{name} >= 0", 1)], []

    # ---- control flow

    def _result(self, place: _Place, op: Any) -> Polynomial:
        """A result of control flow, or of an operation that nothing is known of."""
        at = [r == place.value for r in op.results].index(True)
        if op.name == "scf.if":
            return self.one_of(place.key, [place.read(handed_on(region)[at]) for region in op.regions])
        if op.name == "scf.for":
            ends = [op.operands[FOR_BOUNDS + at], handed_on(op.regions[0])[at]]
            return self.one_of(place.key, [place.read(v) for v in ends])
        if op.name == "scf.while":
            return place.read(handed_on(op.regions[0])[at])
        return self.name(place.key, place.define)

    def _carried(self, place: _Place, block: Any) -> Polynomial:
        """A value that a loop carries: what it begins as if one round keeps it, by induction over the rounds."""
        op, at = block.owner.operation, place.value.arg_number
        if op.name == "scf.while" and block == op.regions[1].blocks[0]:
            return place.read(handed_on(op.regions[0])[at])
        if op.name == "scf.while":
            begin, after = op.operands[at], handed_on(op.regions[1])[at]
        elif op.name == "scf.for" and at == 0:
            bounds = [self.index(v) for v in list(op.operands)[:2]]
            return self.name(place.key, lambda name: ([(f"{bounds[0]} <= {name} < {bounds[1]}", 1)], bounds))
        elif op.name == "scf.for":
            begin, after = op.operands[FOR_BOUNDS + at - 1], handed_on(op.regions[0])[at - 1]
        else:
            return self.name(place.key, place.define)
        first = place.read(begin)
        before = dict(self._known)
        self._known[place.key] = first
        if place.read(after) == first:
            return first
        self._known = before  # what was read on the assumption may be wrong
        return self.name(place.key, place.define)


def _of_known(extreme: Callable[[list[int]], int], numbers: Sequence[int | None]) -> int | None:
    known = [n for n in numbers if n is not None]
    return extreme(known) if known else None


def _of_all(extreme: Callable[[list[int]], int], numbers: Sequence[int | None]) -> int | None:
    return None if None in numbers else _of_known(extreme, numbers)


def _one_of(name: str, choices: Sequence[Polynomial]) -> tuple[str, int]:
    return " or ".join(f"{name} = {c}" for c in choices), len(choices)
