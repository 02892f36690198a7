"""Results against expected values: same dtype, same shape, equal integers, floats within a tolerance of their width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.conformance.outcome import Wrong

Array = np.ndarray[Any, Any]
TOLERANCES = {8: 1e-6, 4: 1e-4, 2: 1e-2, 1: 0.25}
"""Relative and absolute, by bytes of an element: the suites' own comparisons use these orders of magnitude."""


def expect(got: Sequence[Array], wanted: Sequence[Array], tolerance: float | None = None) -> None:
    """Raises Wrong naming the first result that differs, and by how much."""
    if len(got) != len(wanted):
        raise Wrong(f"{len(got)} results instead of {len(wanted)}")
    for number, (one, want) in enumerate(zip(got, wanted, strict=True)):
        problem = difference(np.asarray(one), np.asarray(want), tolerance)
        if problem:
            raise Wrong(f"result {number}: {problem}")


def difference(got: Array, want: Array, tolerance: float | None = None) -> str:
    """Empty when `got` agrees with `want`; NaN equals NaN, infinities equal themselves.

    Integers must be equal. A float agrees within `tolerance`, relative to the value and to the result's typical
    magnitude: a sum of numbers around 5 is as far from the true one when it comes out at 0.1.
    """
    if got.dtype != want.dtype:
        return f"dtype {got.dtype} instead of {want.dtype}"
    if got.shape != want.shape:
        return f"shape {got.shape} instead of {want.shape}"
    if want.dtype.kind in "iub":
        unequal = got != want
        return _first(unequal, got, want)
    wide = np.complex128 if want.dtype.kind == "c" else np.float64
    found, exact = got.astype(wide), want.astype(wide)
    width = want.dtype.itemsize // (2 if want.dtype.kind == "c" else 1)
    limit = TOLERANCES[width] if tolerance is None else tolerance
    near = np.isclose(found, exact, rtol=limit, atol=limit * _typical(exact), equal_nan=True)
    return _first(~near, got, want)


def _typical(values: Array) -> float:
    """The median magnitude, at least 1."""
    finite = np.abs(values[np.isfinite(values)])
    return max(1.0, float(np.median(finite))) if finite.size else 1.0


def _first(unequal: Array, got: Array, want: Array) -> str:
    if not unequal.any():
        return ""
    where = tuple(int(i) for i in np.argwhere(unequal)[0])
    return f"{int(unequal.sum())} of {want.size} elements differ, first {list(where)}: {got[where]} not {want[where]}"
