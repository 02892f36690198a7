"""Compares computed results with a reference and its bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from stratagem.compiler.interpreter.values import Array
from stratagem.runtime.signature import as_parts

VACUOUS = 0.1
"""A bound above this share of the largest magnitude of the result says nothing: the element is not checked.
"""

Outcome = Literal["within bound", "outside bound", "not checked"]


class Bounded(NamedTuple):
    """A result: the value (float64, or exact integers), and how far a correct computation may be from it
    (float64).
    """

    value: Array
    bound: Array


@dataclass(frozen=True)
class Verdict:
    """The outcome for one result, and the element that decided it.

    `ratio` is the largest error divided by its bound among the elements checked (0 where there is no error).
    `element`, `actual`, `value` and `bound` describe the worst element outside its bound, or else the first
    unchecked one.
    """

    outcome: Outcome
    checked: int
    total: int
    ratio: float
    element: tuple[int, ...] = ()
    actual: float = 0.0
    value: float = 0.0
    bound: float = 0.0

    def __bool__(self) -> bool:
        return self.outcome == "within bound"

    def __str__(self) -> str:
        return f"{self.outcome}: {self.detail}"

    @property
    def detail(self) -> str:
        """The numbers behind the outcome."""
        if self.outcome == "within bound":
            return f"{self.total} elements, largest error {self.ratio:.2g} of its bound"
        numbers = f"element {list(self.element)}: {self.actual!r}, reference {self.value!r}, bound {self.bound:.3g}"
        if self.outcome == "outside bound":
            return numbers
        unknown = self.total - self.checked
        return f"the bound says nothing about {unknown} of {self.total} elements; {numbers}"


def compare(actual: Array, value: Array, bound: Array) -> Verdict:
    """Elementwise |actual - value| <= bound, for arrays of one shape; of complex numbers the parts are compared.

    An element counts as checked when its bound is at most a tenth of the largest finite magnitude of the
    result; equal infinities agree, and so do two NaNs. An element outside even a loose finite bound is an
    error all the same.
    """
    actual = as_parts(np.asarray(actual))
    if np.shape(actual) != np.shape(value):
        text = f"shape {np.shape(actual)} instead of {np.shape(value)}"
        raise ValueError(f"results cannot be compared: {text}")
    found, wanted = np.asarray(actual, np.float64), np.asarray(value, np.float64)
    limit = np.broadcast_to(np.asarray(bound, np.float64), wanted.shape)
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    with np.errstate(all="ignore"):
        error = np.where(same, 0.0, np.abs(found - wanted))
    error = np.where(np.isnan(error), np.inf, error)
    loose = limit > VACUOUS * _scale(wanted)
    outside = (error > limit) & ~np.isinf(limit)
    checked = int(wanted.size - np.count_nonzero(loose))
    with np.errstate(over="ignore"):  # an error outside a bound of 0
        ratios = error / np.maximum(limit, np.finfo(np.float64).tiny)
    ratio = float(np.max(np.where(loose | (error == 0.0), 0.0, ratios), initial=0.0))
    if not outside.any() and not loose.any():
        return Verdict("within bound", checked, wanted.size, ratio)
    excess = np.where(outside, error - limit, -np.inf) if outside.any() else loose
    where = np.unravel_index(int(np.argmax(excess)), wanted.shape)
    return Verdict(
        "outside bound" if outside.any() else "not checked",
        checked,
        wanted.size,
        ratio,
        tuple(int(i) for i in where),
        float(found[where]),
        float(wanted[where]),
        float(limit[where]),
    )


def _scale(wanted: Array) -> float:
    """The largest finite magnitude; an all-zero result has a scale of 0, so only exact zeros count as
    checked.
    """
    finite = np.abs(wanted[np.isfinite(wanted)])
    return float(finite.max(initial=0.0))
