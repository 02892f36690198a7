"""The interface of a number domain: everything the interpreter asks of floats.

Integers are not a domain's business: they are exact numpy integers everywhere. A domain only decides where an
integer that comes from a float is in doubt.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from stratagem.compiler.interpreter.elements import storage
from stratagem.compiler.interpreter.values import Array, Undefined, Value, doubt_of, with_doubt

PREDICATES = (
    "false",
    "oeq",
    "ogt",
    "oge",
    "olt",
    "ole",
    "one",
    "ord",
    "ueq",
    "ugt",
    "uge",
    "ult",
    "ule",
    "une",
    "uno",
    "true",
)
"""Of `arith.cmpf`, by the number in its attribute."""


class Domain(ABC):
    """Arithmetic on float values. `element` is always an element type name such as `f32`."""

    name: str

    @abstractmethod
    def lift(self, array: Array, element: str) -> Value:
        """Takes actual data (of the element's dtype, or float64) into the domain."""

    @abstractmethod
    def constant(self, array: Array, element: str) -> Value:
        """A constant written in the program."""

    @abstractmethod
    def undefined(self, shape: Sequence[int], element: str) -> Undefined:
        """Memory that nobody has written."""

    @abstractmethod
    def apply(self, function: str, element: str, *operands: Value) -> Value:
        """Elementwise `function` (`add`, `div`, `exp`, `maximum` ...), rounded to `element` where the domain
        rounds.
        """

    @abstractmethod
    def convert(self, value: Value, source: str, target: str) -> Value:
        """Float to float conversion."""

    @abstractmethod
    def compare(self, predicate: str, left: Value, right: Value) -> Value:
        """A boolean integer value; `predicate` is one of PREDICATES."""

    @abstractmethod
    def select(self, condition: Value, yes: Value, no: Value) -> Value:
        """`yes` where the boolean `condition` holds, else `no`; both are floats."""

    @abstractmethod
    def from_integer(self, value: Value, element: str) -> Value:
        """Integer to float; unsigned integers come widened already."""

    @abstractmethod
    def to_integer(self, value: Value, element: str) -> Value:
        """Float to integer of element type `element`, towards zero, clamped to its range."""

    @abstractmethod
    def reduce(self, function: str, element: str, value: Value, axes: tuple[int, ...], init: Value) -> Value:
        """`function` (`add`, `mul`, `maximum`, `minimum`, `maxnum`, `minnum`) over `axes`, which are dropped,
        and `init`.
        """

    @abstractmethod
    def contract(self, element: str, left: Value, right: Value, init: Value) -> Value:
        """`init + left @ right` of shapes [B,M,N], [B,M,K], [B,K,N]; products and sums are of type `element`."""

    @abstractmethod
    def sort_order(self, value: Value) -> Array:
        """A numpy array of the same shape, whose order is the order of the values."""

    def unwritten_integer(self) -> int:
        """What integer memory holds that nobody has written; fits every width."""
        return 85

    def undefined_elements(self, value: Value) -> Array | None:
        """Where a value comes from memory nobody wrote; None if nowhere, or if the domain cannot tell."""
        return None

    def same_bits(self, value: Value, source: str, target: str) -> Value:
        """`arith.bitcast` between a float and an integer type of the same width, where the domain knows
        bits.
        """
        raise NotImplementedError(f"domain {self.name} does not know the bits of its values")


def select_integer(condition: Value, yes: Value, no: Value) -> Value:
    """`select` on integers: in doubt where the condition is, and the two sides differ."""
    chosen = np.where(condition[0], yes[0], no[0])
    doubt = doubt_of(yes, no)
    turned = doubt_of(condition)
    if turned is not None:
        turned = turned & (yes[0] != no[0])
        doubt = turned if doubt is None else doubt | turned
    return with_doubt(chosen, doubt)


def clamp_to_integer(numbers: Array, element: str) -> Array:
    """Rounds towards zero and clamps to the range of the integer type; NaN becomes 0."""
    dtype = storage(element)
    if dtype == np.bool_:
        return np.asarray(np.trunc(numbers) != 0)
    limits = np.iinfo(dtype)
    whole = np.nan_to_num(np.trunc(numbers), nan=0.0)
    clipped = np.clip(whole, float(limits.min), float(np.nextafter(float(limits.max), 0)))
    result = clipped.astype(dtype)
    return np.asarray(np.where(whole >= float(limits.max), dtype.type(limits.max), result))


def representable(numbers: Array, element: str) -> Array:
    """Where a number, rounded towards zero, is one of the integer type; what others become, targets decide."""
    dtype = storage(element)
    if dtype == np.bool_:
        return np.isfinite(numbers)
    limits, whole = np.iinfo(dtype), np.trunc(numbers)
    return np.asarray((whole >= float(limits.min)) & (whole < -float(limits.min)))
