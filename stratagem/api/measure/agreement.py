"""Whether results are right: their distance from a float64 reference, as a share of the reference's scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

ALLOWED = 5e-4
"""Largest distance of f32 results. Arithmetic in f32 stays below a fifth of it; f16, bf16 and tf32 do not pass."""
NARROW = 5e-2
"""Largest distance of results that are f16 or bf16 themselves."""


def distance(results: Sequence[Array], reference: Sequence[Array]) -> tuple[float, str]:
    """The largest distance of any result, and what is wrong; empty when nothing is.

    The scale of a result is the reference's standard deviation, or a twentieth of its largest magnitude if that is more
    (most of a softmax's results are far below the few that matter).
    """
    if len(results) != len(reference):
        return float("inf"), f"{len(results)} results, expected {len(reference)}"
    worst, wrong = 0.0, ""
    for i, (result, expected) in enumerate(zip(results, reference, strict=True)):
        found, problem = _one(np.asarray(result), expected)
        worst, wrong = max(worst, found), wrong or (f"result {i} {problem}" if problem else "")
    return worst, wrong


def _one(result: Array, expected: Array) -> tuple[float, str]:
    if result.shape != expected.shape:
        return float("inf"), f"has shape {list(result.shape)}, expected {list(expected.shape)}"
    if not result.size:
        return 0.0, ""
    if result.dtype.kind in "iub":
        same = bool(np.array_equal(result, expected))
        return (0.0, "") if same else (float("inf"), "differs")
    wide = result.astype(np.complex128 if result.dtype.kind == "c" else np.float64)
    if not np.array_equal(np.isfinite(wide), np.isfinite(expected)):
        return float("inf"), "is not finite where the reference is, or the reverse"
    finite = np.isfinite(expected)
    if not finite.any():
        return 0.0, ""
    wide, exact = wide[finite], expected[finite]
    scale = max(float(exact.std()), float(np.abs(exact).max()) / 20, float(np.finfo(np.float32).tiny))
    found = float(np.abs(wide - exact).max()) / scale
    allowed = NARROW if result.dtype.itemsize < 4 else ALLOWED
    return found, "" if found <= allowed else f"is off by {found:.2g} of its scale, allowed {allowed:g}"
