"""How far this backend's elementary functions may be from the exact value, for the rounding-bound checker.

Units in the last place of the f32 result, over all arguments; a half more than the largest error found by the test that
measures them (tests/run/cpu/test_elementary.py), since that samples. Narrower types are computed in f32 and rounded
once more. Types without a figure go to the C library.
"""

from __future__ import annotations

from collections.abc import Mapping

MAX_ULP_F32: Mapping[str, float] = {
    "exp": 1.5,
    "exp2": 1.5,
    "expm1": 2.0,
    "log": 1.5,
    "log2": 2.0,
    "log10": 2.5,
    "log1p": 2.0,
    "tanh": 3.0,
    "erf": 1.6,
    "rsqrt": 2.0,
    "sin": 2.1,
    "cos": 2.1,
    "sqrt": 0.5,
}
LIBRARY_ULP = 4.0
"""What C libraries state for their slowest f32 and f64 functions (GNU libc manual, "Known Maximum Errors")."""


def max_ulp(function: str, dtype: str) -> float:
    """The bound for `function` ("exp", "tanh" ...) on `dtype`; a narrow float adds its own rounding only."""
    if dtype in ("f16", "bf16"):
        return 0.51
    return MAX_ULP_F32.get(function, LIBRARY_ULP) if dtype == "f32" else LIBRARY_ULP
